//! The length of WAVE and FLAC, from the headers at their beginning.

/// From the rate in `fmt ` and the length of `data`, which in a streamed file may be any.
pub(super) fn wav_ms(head: &[u8], size: u64) -> Option<u64> {
    let le32 = |at: usize| {
        head.get(at..)?
            .first_chunk()
            .map(|b| u64::from(u32::from_le_bytes(*b)))
    };
    let (mut at, mut rate) = (12_usize, None);
    for _ in 0..MAX_CHUNKS {
        let length = le32(at.checked_add(4)?)?;
        match head.get(at..at + 4)? {
            b"fmt " => rate = le32(at + 16),
            b"data" => {
                let there = size.saturating_sub(at as u64 + 8);
                let ms = (length.min(there) * 1000).checked_div(rate?);
                return ms.filter(|ms| *ms > 0);
            }
            _ => {}
        }
        at = at
            .checked_add(8)?
            .checked_add(usize::try_from(length + length % 2).ok()?)?;
    }
    None
}

/// From the rate and the number of samples in the first block.
pub(super) fn flac_ms(head: &[u8]) -> Option<u64> {
    let packed = head
        .get(18..)?
        .first_chunk()
        .map(|b| u64::from_be_bytes(*b))?;
    let (rate, samples) = (packed >> 44, packed & 0xf_ffff_ffff);
    (samples * 1000).checked_div(rate).filter(|ms| *ms > 0)
}

const MAX_CHUNKS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_sound_are_read() {
        let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\xbb\0\0".to_vec();
        wav.extend_from_slice(&96_000_u32.to_le_bytes());
        wav.extend_from_slice(b"\x02\0\x10\0data");
        wav.extend_from_slice(&144_000_u32.to_le_bytes());
        assert_eq!(wav_ms(&wav, 144_044), Some(1_500));
        assert_eq!(wav_ms(&wav, 96_044), Some(1_000), "no longer than it is");
        assert_eq!(wav_ms(&wav[..30], 144_044), None);
        let mut flac = b"fLaC\0\0\0\x22".to_vec();
        flac.resize(18, 0);
        flac.extend_from_slice(&((48_000_u64 << 44) | 0x1_7700).to_be_bytes());
        assert_eq!(flac_ms(&flac), Some(2_000));
        assert_eq!(flac_ms(b"fLaC"), None);
    }
}
