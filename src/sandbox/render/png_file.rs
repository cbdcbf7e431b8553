//! The card as a PNG of four colours.

use std::io;

use super::super::contract::Order;
use super::canvas::{Canvas, Ink};
use super::card;

/// Renders picture `index` of an order.
pub fn render(order: &Order, index: u32, seed: u64) -> io::Result<Vec<u8>> {
    let mut canvas = card::draw(order, index);
    let (width, height) = (canvas.width, canvas.height);
    let side = width.min(height) / 8;
    let way = u64::try_from(width - side).unwrap_or(1).max(1);
    let left = usize::try_from(seed % way).unwrap_or(0);
    canvas.fill((left, height - side - side / 4), (side, side), Ink::Accent);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, order.size.0, order.size.1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Two);
    encoder.set_palette(palette(seed));
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    writer
        .write_image_data(&packed(&canvas))
        .map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)?;
    Ok(file)
}

/// Four pixels to a byte, each row on its own bytes.
fn packed(canvas: &Canvas) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(canvas.width.div_ceil(4) * canvas.height);
    let mut above: &[u8] = &[];
    for row in canvas.pixels.chunks_exact(canvas.width) {
        // Most rows repeat the one above.
        if row == above {
            bytes.extend_from_within(bytes.len() - canvas.width.div_ceil(4)..);
            continue;
        }
        above = row;
        bytes.extend(row.chunks(4).map(|four| {
            four.iter()
                .zip([6, 4, 2, 0])
                .fold(0, |byte, (ink, shift)| byte | (ink & 3) << shift)
        }));
    }
    bytes
}

/// Red, green and blue of each ink; the seed chooses the tint.
fn palette(seed: u64) -> Vec<u8> {
    let tint = |shift: u32| 40 + u8::try_from(seed >> shift & 31).unwrap_or(0);
    let mut colours = vec![tint(0), tint(8), tint(16)];
    colours.extend([16, 16, 24, 240, 240, 240, 250, 180, 60]);
    colours
}
