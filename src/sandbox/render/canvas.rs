//! A picture of four colours, and text on it.

use font8x8::UnicodeFonts as _;

/// A colour of the palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The background.
    Paper = 0,
    /// A darker band behind text.
    Band = 1,
    /// Text.
    Text = 2,
    /// What moves.
    Accent = 3,
}

/// One byte per pixel, each an [`Ink`].
#[derive(Debug)]
pub struct Canvas {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row by row.
    pub pixels: Vec<u8>,
}

impl Canvas {
    /// A sheet of paper.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![Ink::Paper as u8; width * height],
        }
    }

    /// Fills a rectangle; what lies outside the sheet is cut off.
    pub fn fill(&mut self, (x, y): (usize, usize), (w, h): (usize, usize), ink: Ink) {
        let right = (x + w).min(self.width);
        for row in y.min(self.height)..(y + h).min(self.height) {
            let start = row * self.width;
            if x < right {
                self.pixels[start + x..start + right].fill(ink as u8);
            }
        }
    }

    /// Writes one line whose letters are `8 × scale` pixels wide and high.
    pub fn write(&mut self, (x, y): (usize, usize), scale: usize, line: &str) {
        for (index, letter) in line.chars().enumerate() {
            self.letter((x + index * 8 * scale, y), scale, letter);
        }
    }

    fn letter(&mut self, (x, y): (usize, usize), scale: usize, letter: char) {
        for (row, bits) in glyph(letter).into_iter().enumerate() {
            for column in (0..8).filter(|column| bits >> column & 1 == 1) {
                self.fill(
                    (x + column * scale, y + row * scale),
                    (scale, scale),
                    Ink::Text,
                );
            }
        }
    }
}

/// The letter's shape; a question mark for what the font lacks.
fn glyph(letter: char) -> [u8; 8] {
    let fonts = || {
        font8x8::BASIC_FONTS
            .get(letter)
            .or_else(|| font8x8::LATIN_FONTS.get(letter))
            .or_else(|| font8x8::GREEK_FONTS.get(letter))
    };
    fonts()
        .or_else(|| font8x8::BASIC_FONTS.get('?'))
        .unwrap_or_default()
}

/// Breaks text into at most `most_lines` lines of at most `width` letters, at spaces if it can.
pub fn wrap(text: &str, width: usize, most_lines: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for piece in letters.chunks(width.max(1)) {
            let last = lines.last().map_or(0, |line| line.chars().count());
            if last > 0 && last + 1 + piece.len() > width {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.extend(piece);
            }
        }
    }
    lines.truncate(most_lines);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_spaces_and_cut_at_the_last_line() {
        assert_eq!(
            wrap("a quiet lake at dawn", 8, 9),
            ["a quiet", "lake at", "dawn"]
        );
        assert_eq!(wrap("abcdefghij", 4, 2), ["abcd", "efgh"]);
        assert_eq!(wrap("", 4, 2), [""]);
    }

    #[test]
    fn drawing_outside_the_sheet_is_cut_off() {
        let mut canvas = Canvas::new(4, 4);
        canvas.fill((3, 3), (10, 10), Ink::Accent);
        canvas.fill((9, 9), (1, 1), Ink::Accent);
        canvas.write((2, 2), 1, "Ä語");
        assert_eq!(canvas.pixels.len(), 16);
        assert_eq!(canvas.pixels[15], Ink::Accent as u8);
    }
}
