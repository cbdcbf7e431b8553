//! A tone: 16-bit mono PCM in the 44-byte form of WAV.

/// Renders `seconds` of a tone whose pitch the seed chooses.
pub fn render(seconds: f64, seed: u64) -> Vec<u8> {
    let samples = sample_count(seconds);
    let mut file = header(samples);
    let half_period = 20 + u32::try_from(seed % 40).unwrap_or(0);
    for sample in 0..samples {
        let level: i16 = if sample / half_period % 2 == 0 {
            LOUDNESS
        } else {
            -LOUDNESS
        };
        file.extend_from_slice(&level.to_le_bytes());
    }
    file
}

fn header(samples: u32) -> Vec<u8> {
    let data = samples * 2;
    let mut header = Vec::with_capacity(44 + samples as usize * 2);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&(36 + data).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&16_u32.to_le_bytes());
    header.extend_from_slice(&1_u16.to_le_bytes()); // PCM
    header.extend_from_slice(&1_u16.to_le_bytes()); // one channel
    header.extend_from_slice(&RATE.to_le_bytes());
    header.extend_from_slice(&(RATE * 2).to_le_bytes());
    header.extend_from_slice(&2_u16.to_le_bytes()); // bytes per frame
    header.extend_from_slice(&16_u16.to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&data.to_le_bytes());
    header
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 ..= 60 s × 16,000"
)]
fn sample_count(seconds: f64) -> u32 {
    (seconds.clamp(0.0, 60.0) * f64::from(RATE)).round() as u32
}

const RATE: u32 = 16_000;
const LOUDNESS: i16 = 2_000;
