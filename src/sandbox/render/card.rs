//! The picture that every video and image of the sandbox shows: what was asked, and by whom not.

use super::super::contract::{Order, Output};
use super::canvas::{Canvas, Ink, wrap};

/// Draws the card for `order`; `index` tells the pictures of one task apart.
pub fn draw(order: &Order, index: u32) -> Canvas {
    let (width, height) = (order.size.0 as usize, order.size.1 as usize);
    let mut canvas = Canvas::new(width, height);
    let scale = scale(width, height);
    let (margin, line) = (4 * scale, 10 * scale);
    let letters = width.saturating_sub(2 * margin) / (8 * scale);
    let band = line + 2 * margin;
    canvas.fill((0, 0), (width, band), Ink::Band);
    canvas.write((margin, margin + scale), scale, &cut(TITLE, letters));
    let mut y = band + margin;
    for text in facts(order, index) {
        canvas.write((margin, y), scale, &cut(&text, letters));
        y += line;
    }
    y += line / 2;
    // The lower part belongs to what moves.
    let room = (height * 3 / 4).saturating_sub(y) / line;
    for text in wrap(&order.prompt, letters, room) {
        canvas.write((margin, y), scale, &text);
        y += line;
    }
    canvas
}

fn facts(order: &Order, index: u32) -> Vec<String> {
    let (width, height) = order.size;
    let size = match order.output {
        Output::Image => format!("{width}x{height}  #{}", index + 1),
        Output::Video | Output::Audio => format!("{width}x{height}  {} s", order.seconds),
    };
    vec![order.model.clone(), size]
}

/// Letters large enough to read: about forty to a row.
fn scale(width: usize, height: usize) -> usize {
    (width / 360).min(height / 160).max(1)
}

fn cut(text: &str, letters: usize) -> String {
    text.chars().take(letters).collect()
}

const TITLE: &str = "SANDBOX - not a real generation";
