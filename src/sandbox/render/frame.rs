//! A picture as the encoder sees it: planes of whole macroblocks.

use super::bits::Bits;
use super::canvas::Canvas;

/// Luma and chroma (4:2:0) planes whose sides are whole macroblocks.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Macroblocks per row.
    pub across: usize,
    /// Rows of macroblocks.
    pub down: usize,
    luma: Vec<u8>,
    blue: Vec<u8>,
    red: Vec<u8>,
}

/// A colour as Y, Cb, Cr. No component is 0, so raw blocks hold no start code.
pub type Colour = [u8; 3];

impl Frame {
    /// The picture on a canvas in the colours of `palette`, padded to whole macroblocks.
    pub fn of(canvas: &Canvas, palette: &[Colour; 4]) -> Self {
        let (across, down) = (canvas.width.div_ceil(SIDE), canvas.height.div_ceil(SIDE));
        let paper = palette[0];
        let mut frame = Self {
            across,
            down,
            luma: vec![paper[0]; across * down * SIDE * SIDE],
            blue: vec![paper[1]; across * down * CHROMA * CHROMA],
            red: vec![paper[2]; across * down * CHROMA * CHROMA],
        };
        let shades = palette.map(|colour| colour[0]);
        let stride = across * SIDE;
        let mut above: &[u8] = &[];
        for (y, row) in canvas.pixels.chunks_exact(canvas.width).enumerate() {
            let start = y * stride;
            // Letters are large and paper is wide: most rows repeat the one above.
            if row == above {
                frame.luma.copy_within(start - stride..start, start);
            } else {
                let luma = &mut frame.luma[start..start + canvas.width];
                for (shade, ink) in luma.iter_mut().zip(row) {
                    *shade = shades[usize::from(*ink & 3)];
                }
            }
            if y % 2 == 0 {
                let repeats =
                    y >= 2 && row == &canvas.pixels[(y - 2) * canvas.width..][..canvas.width];
                frame.chroma_row(y / 2, row, repeats, palette);
            }
            above = row;
        }
        frame
    }

    /// `repeats`: the row is the same as the one before it.
    fn chroma_row(&mut self, y: usize, row: &[u8], repeats: bool, palette: &[Colour; 4]) {
        let stride = self.across * CHROMA;
        let start = y * stride;
        if repeats {
            self.blue.copy_within(start - stride..start, start);
            self.red.copy_within(start - stride..start, start);
            return;
        }
        let end = start + row.len().div_ceil(2);
        let planes = self.blue[start..end]
            .iter_mut()
            .zip(&mut self.red[start..end]);
        for ((blue, red), ink) in planes.zip(row.iter().step_by(2)) {
            let colour = palette[usize::from(*ink & 3)];
            (*blue, *red) = (colour[1], colour[2]);
        }
    }

    /// Fills one macroblock.
    pub fn paint(&mut self, (column, row): (usize, usize), colour: Colour) {
        let sides = [
            (SIDE, &mut self.luma),
            (CHROMA, &mut self.blue),
            (CHROMA, &mut self.red),
        ];
        for ((side, plane), value) in sides.into_iter().zip(colour) {
            for line in 0..side {
                let start = (row * side + line) * self.across * side + column * side;
                plane[start..start + side].fill(value);
            }
        }
    }

    /// Copies one macroblock from another frame of the same size.
    pub fn copy(&mut self, (column, row): (usize, usize), from: &Self) {
        let sides = [
            (SIDE, &mut self.luma, &from.luma),
            (CHROMA, &mut self.blue, &from.blue),
            (CHROMA, &mut self.red, &from.red),
        ];
        for (side, plane, source) in sides {
            for line in 0..side {
                let start = (row * side + line) * self.across * side + column * side;
                plane[start..start + side].copy_from_slice(&source[start..start + side]);
            }
        }
    }

    /// Appends the 384 samples of macroblock `index`.
    pub fn samples(&self, index: usize, bits: &mut Bits) {
        for (side, plane) in self.planes() {
            for line in self.lines(index, side) {
                bits.raw(&plane[line..line + side]);
            }
        }
    }

    /// Whether macroblock `index` continues the row of samples above it.
    pub fn continues_above(&self, index: usize) -> bool {
        index >= self.across
            && self.planes().into_iter().all(|(side, plane)| {
                let stride = self.across * side;
                let mut lines = self.lines(index, side);
                lines.all(|at| plane[at..at + side] == plane[at - stride..at - stride + side])
            })
    }

    /// Whether macroblock `index` continues the column of samples at its left.
    pub fn continues_left(&self, index: usize) -> bool {
        !index.is_multiple_of(self.across)
            && self.planes().into_iter().all(|(side, plane)| {
                let mut lines = self.lines(index, side);
                lines.all(|at| plane[at..at + side] == plane[at - 1..at - 1 + side])
            })
    }

    fn planes(&self) -> [(usize, &[u8]); 3] {
        [
            (SIDE, &self.luma),
            (CHROMA, &self.blue),
            (CHROMA, &self.red),
        ]
    }

    /// Where the lines of macroblock `index` begin in a plane of that block side.
    fn lines(&self, index: usize, side: usize) -> impl Iterator<Item = usize> + use<> {
        let (column, row, across) = (index % self.across, index / self.across, self.across);
        (0..side).map(move |line| (row * side + line) * across * side + column * side)
    }
}

/// Pixels along one side of a macroblock, and of its chroma.
pub const SIDE: usize = 16;
const CHROMA: usize = 8;
