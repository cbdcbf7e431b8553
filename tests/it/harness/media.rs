//! Images to send, sums to compare, and the real size of what came.

use sha2::{Digest as _, Sha256};

/// A PNG of about `bytes` bytes: noise, which does not compress.
pub fn png(bytes: usize) -> Vec<u8> {
    let width = 64;
    let height = u32::try_from(bytes / (width as usize * 3)).unwrap().max(64);
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    let pixels: Vec<u8> = (0..width * height * 3).map(|_| noise()).collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
    file
}

/// Width and height of a PNG whose pixels decode.
pub fn png_size(file: &[u8]) -> (u32, u32) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    (reader.info().width, reader.info().height)
}

/// Width and height of an MP4's H.264 pictures, out of the sequence parameter set that a decoder
/// goes by.
pub fn h264_size(file: &[u8]) -> (u32, u32) {
    let at = file.windows(4).position(|name| name == b"avcC").unwrap() + 4;
    let length = usize::from(u16::from_be_bytes([file[at + 6], file[at + 7]]));
    // Past the header of the unit: profile, constraints and level are bytes.
    let mut bits = Bits {
        bytes: &file[at + 8 + 4..at + 8 + length],
        at: 0,
    };
    assert_eq!(
        file[at + 8 + 1],
        66,
        "the baseline profile has no more fields"
    );
    bits.code(); // the set's id
    bits.code(); // bits of a frame's number
    match bits.code() {
        0 => _ = bits.code(),
        order => assert_eq!(order, 2, "the order of pictures"),
    }
    bits.code(); // reference frames
    bits.bit();
    let (across, down) = (bits.code() + 1, bits.code() + 1);
    assert_eq!(bits.bit(), 1, "frames, not fields");
    bits.bit();
    let mut cut = [0; 4];
    if bits.bit() == 1 {
        cut = std::array::from_fn(|_| 2 * bits.code());
    }
    let [left, right, top, bottom] = cut;
    (16 * across - left - right, 16 * down - top - bottom)
}

/// Reads the codes of H.264.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> u32 {
        let bit = self.bytes[self.at / 8] >> (7 - self.at % 8) & 1;
        self.at += 1;
        bit.into()
    }

    /// An unsigned Exp-Golomb code.
    fn code(&mut self) -> u32 {
        let zeros = (0..32).find(|_| self.bit() == 1).unwrap();
        (0..zeros).fold(1, |code, _| code << 1 | self.bit()) - 1
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
