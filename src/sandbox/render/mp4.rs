//! A film of the card: a square that wanders, a bar that fills, exactly as long as asked.

use std::io;

use muxide::api::{MuxerBuilder, VideoCodec};

use super::super::contract::Order;
use super::card;
use super::frame::{Colour, Frame};
use super::h264;

/// Renders the film of an order.
pub fn render(order: &Order, seed: u64) -> io::Result<Vec<u8>> {
    let mut film = Film::new(order, seed);
    let (width, height) = order.size;
    let mut bytes = Vec::new();
    let mut muxer = MuxerBuilder::new(&mut bytes)
        .video(
            VideoCodec::H264,
            width,
            height,
            f64::from(FRAMES_PER_SECOND),
        )
        .with_fast_start(true)
        .build()
        .map_err(io::Error::other)?;
    for number in 0..film.frames {
        let (sample, key) = film.frame(number);
        let seconds = f64::from(number) / f64::from(FRAMES_PER_SECOND);
        muxer
            .write_video(seconds, &sample, key)
            .map_err(io::Error::other)?;
    }
    muxer.finish().map_err(io::Error::other)?;
    Ok(bytes)
}

struct Film {
    size: (usize, usize),
    frames: u32,
    /// The card without what moves.
    still: Frame,
    shown: Frame,
    square: Vec<(usize, usize)>,
    accent: Colour,
    phase: usize,
}

impl Film {
    fn new(order: &Order, seed: u64) -> Self {
        let palette = palette(seed);
        let canvas = card::draw(order, 0);
        let frames = frame_count(order.seconds);
        let still = Frame::of(&canvas, &palette);
        Self {
            size: (canvas.width, canvas.height),
            frames,
            shown: still.clone(),
            still,
            square: Vec::new(),
            accent: palette[3],
            phase: usize::try_from(seed % 64).unwrap_or(0),
        }
    }

    /// The coded frame, and whether it is a key frame.
    fn frame(&mut self, number: u32) -> (Vec<u8>, bool) {
        let changed = self.step(number);
        let mut sample = Vec::new();
        let key = number.is_multiple_of(KEY_FRAME_PERIOD);
        if key {
            sample = h264::parameter_sets(self.size.0, self.size.1);
            h264::key_frame(&mut sample, &self.shown, number / KEY_FRAME_PERIOD % 2);
        } else {
            h264::change_frame(
                &mut sample,
                &self.shown,
                number % KEY_FRAME_PERIOD,
                &changed,
            );
        }
        (sample, key)
    }

    /// Moves the square and fills the bar; the macroblocks that changed, in rising order.
    fn step(&mut self, number: u32) -> Vec<usize> {
        let mut changed = std::mem::take(&mut self.square);
        for block in &changed {
            self.shown.copy(*block, &self.still);
        }
        self.square = self.square_at(number);
        for block in self.square.iter().copied().chain(self.bar_at(number)) {
            self.shown.paint(block, self.accent);
            changed.push(block);
        }
        let mut changed: Vec<_> = changed
            .into_iter()
            .map(|(column, row)| row * self.still.across + column)
            .collect();
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    /// A square of macroblocks that goes to and fro in the lower part of the picture.
    fn square_at(&self, number: u32) -> Vec<(usize, usize)> {
        let (across, down) = (self.size.0 / 16, self.size.1 / 16);
        let side = (across.min(down) / 10).clamp(1, 4);
        let way = across.saturating_sub(side).max(1);
        let at = (number as usize / 2 + self.phase) % (2 * way);
        let left = if at < way { at } else { 2 * way - at };
        let top = (down * 13 / 16).min(down.saturating_sub(side + 2));
        let block = |index: usize| (left + index % side, top + index / side);
        let inside = |(column, row): &(usize, usize)| *column < across && *row < down;
        (0..side * side).map(block).filter(inside).collect()
    }

    /// The part of the bottom row that the bar has newly reached.
    fn bar_at(&self, number: u32) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (across, down) = (self.size.0 / 16, self.size.1 / 16);
        let reach = |done: u32| across * done as usize / self.frames as usize;
        (reach(number)..reach(number + 1)).map(move |column| (column, down.saturating_sub(1)))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 ..= 60 s × 24"
)]
fn frame_count(seconds: f64) -> u32 {
    let seconds = seconds.clamp(0.0, LONGEST_FILM);
    (seconds * f64::from(FRAMES_PER_SECOND)).round().max(1.0) as u32
}

/// Paper, band, text and accent; the seed chooses the tint.
fn palette(seed: u64) -> [Colour; 4] {
    let tint = |shift: u32| 96 + u8::try_from(seed >> shift & 63).unwrap_or(0);
    let (blue, red) = (tint(8), tint(16));
    [
        [52, blue, red],
        [32, 128, 128],
        [235, 128, 128],
        [180, 60, 170],
    ]
}

const FRAMES_PER_SECOND: u32 = 24;
/// A longer film is billed as asked, and rendered up to here.
const LONGEST_FILM: f64 = 60.0;
/// Frames from one key frame to the next: how finely a player can seek.
const KEY_FRAME_PERIOD: u32 = 2 * FRAMES_PER_SECOND;
