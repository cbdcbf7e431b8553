//! The length of an MP3: from the frame count in its `Xing`, `Info` or `VBRI` header, else from the
//! rate of its first frames where these agree.
//!
//! A file of varying rate without such a header would have to be read whole: its length stays
//! unknown.

use super::source::Window;
use crate::archive::ArchiveError;

/// The length in milliseconds.
pub(super) async fn duration_ms(window: &mut Window<'_>) -> Result<Option<u64>, ArchiveError> {
    let start = after_tag(window).await?;
    let Some(first) = frame(window, start).await? else {
        return Ok(None);
    };
    if let Some(frames) = counted(window, start, first).await? {
        let samples = u64::from(frames).saturating_mul(first.samples);
        return Ok(believed(samples.saturating_mul(1000) / first.rate));
    }
    let mut at = start;
    for _ in 0..SAME_FRAMES {
        match frame(window, at).await? {
            Some(next) if next.bits_per_second == first.bits_per_second => at += next.length,
            None if at >= window.size() => break,
            _ => return Ok(None),
        }
    }
    let size = window.size();
    let tail = window.bytes(size.saturating_sub(ID3V1)).await? == Some(*b"TAG");
    // The frame may stand within what passes for the old tag.
    let sound = size
        .saturating_sub(start)
        .saturating_sub(if tail { ID3V1 } else { 0 });
    Ok(believed(
        sound.saturating_mul(8_000) / first.bits_per_second,
    ))
}

fn believed(ms: u64) -> Option<u64> {
    (1..=MAX_MS).contains(&ms).then_some(ms)
}

/// Where the sound begins: behind an `ID3` tag, whose length is in seven bits of each byte.
async fn after_tag(window: &mut Window<'_>) -> Result<u64, ArchiveError> {
    let Some([b'I', b'D', b'3', _, _, flags, a, b, c, d]) = window.bytes(0).await? else {
        return Ok(0);
    };
    let length = [a, b, c, d]
        .into_iter()
        .fold(0_u64, |length, byte| length << 7 | u64::from(byte & 0x7f));
    Ok(10 + length + if flags & 0x10 == 0 { 0 } else { 10 })
}

/// What the header of a frame says.
#[derive(Clone, Copy)]
struct Frame {
    /// Samples of each channel in one frame.
    samples: u64,
    /// Samples a second.
    rate: u64,
    bits_per_second: u64,
    /// Bytes of the frame.
    length: u64,
    /// Where a `Xing` header stands in the first frame.
    xing: u64,
}

/// The frame of layer III at a position.
async fn frame(window: &mut Window<'_>, at: u64) -> Result<Option<Frame>, ArchiveError> {
    Ok(window.bytes(at).await?.and_then(parse))
}

fn parse([sync, second, third, fourth]: [u8; 4]) -> Option<Frame> {
    let layer_three = second & 0x06 == 0x02;
    if sync != 0xff || second & 0xe0 != 0xe0 || !layer_three {
        return None;
    }
    let (slowness, first_version) = match second >> 3 & 3 {
        3 => (0, true),
        2 => (1, false),
        0 => (2, false),
        _ => return None,
    };
    let rates = if first_version {
        &FIRST_RATES
    } else {
        &LATER_RATES
    };
    let kilobits = *rates.get(usize::from(third >> 4))?;
    let rate = *[44_100_u64, 48_000, 32_000].get(usize::from(third >> 2 & 3))? >> slowness;
    if kilobits == 0 {
        return None;
    }
    let bits_per_second = kilobits * 1000;
    let samples = if first_version { 1152 } else { 576 };
    let is_mono = fourth >> 6 == 3;
    let side = match (first_version, is_mono) {
        (true, false) => 32,
        (true, true) | (false, false) => 17,
        (false, true) => 9,
    };
    Some(Frame {
        samples,
        rate,
        bits_per_second,
        length: samples / 8 * bits_per_second / rate + u64::from(third >> 1 & 1),
        xing: 4 + side,
    })
}

/// How many frames the header in the first frame counts.
async fn counted(
    window: &mut Window<'_>,
    start: u64,
    first: Frame,
) -> Result<Option<u32>, ArchiveError> {
    let xing = start + first.xing;
    if let Some(mark) = window.bytes::<8>(xing).await? {
        let has_count = mark[7] & 1 == 1;
        if (mark.starts_with(b"Xing") || mark.starts_with(b"Info")) && has_count {
            let count = window.bytes(xing + 8).await?.map(u32::from_be_bytes);
            return Ok(count.filter(|count| *count > 0));
        }
    }
    let vbri = start + 36;
    if window.bytes(vbri).await? == Some(*b"VBRI") {
        let count = window.bytes(vbri + 14).await?.map(u32::from_be_bytes);
        return Ok(count.filter(|count| *count > 0));
    }
    Ok(None)
}

/// Kilobits a second of MPEG 1, by the index in the header; 0: not said.
const FIRST_RATES: [u64; 15] = [
    0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
];
/// The same of MPEG 2 and 2.5.
const LATER_RATES: [u64; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
/// Frames that must be of one rate for it to be believed of all.
const SAME_FRAMES: usize = 32;
/// The length of the old tag at the end.
const ID3V1: u64 = 128;
/// Longest duration that is believed: a day.
const MAX_MS: u64 = 24 * 3600 * 1000;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::source::Source;
    use super::*;

    /// Frames of MPEG 1 at 44.1 kHz in stereo, of so many kilobits by the index of the rate.
    fn frames(index: u8, count: usize) -> Vec<u8> {
        let header = [0xff, 0xfb, index << 4, 0];
        let length = usize::try_from(parse(header).unwrap().length).unwrap();
        let mut frame = vec![0; length];
        frame[..4].copy_from_slice(&header);
        frame.repeat(count)
    }

    async fn ms(bytes: Vec<u8>) -> Option<u64> {
        let bytes = Bytes::from(bytes);
        duration_ms(&mut Window::new(Source::Bytes(&bytes)))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_constant_rate_gives_the_length() {
        // 417 bytes at 128 kb/s: 26.06 ms each.
        assert_eq!(ms(frames(9, 100)).await, Some(2_606));
        let tag = b"ID3\x04\0\0\0\0\x01\x00".to_vec();
        let tagged = [
            tag,
            vec![0; 128],
            frames(9, 100),
            b"TAG".to_vec(),
            vec![0; 125],
        ];
        assert_eq!(ms(tagged.concat()).await, Some(2_606));
    }

    #[tokio::test]
    async fn a_varying_rate_is_known_by_its_header_or_not_at_all() {
        let varying = [frames(9, 2), frames(5, 50)].concat();
        assert_eq!(ms(varying.clone()).await, None);
        let mut xing = varying.clone();
        xing[36..44].copy_from_slice(b"Xing\0\0\0\x01");
        xing[44..48].copy_from_slice(&383_u32.to_be_bytes());
        assert_eq!(ms(xing).await, Some(10_004));
        let mut vbri = varying;
        vbri[36..40].copy_from_slice(b"VBRI");
        vbri[50..54].copy_from_slice(&383_u32.to_be_bytes());
        assert_eq!(ms(vbri).await, Some(10_004));
    }

    #[tokio::test]
    async fn a_frame_within_the_old_tag_has_no_length() {
        for sound in [4, 60, 124] {
            let mut bytes = b"ID3\x04\0\0\0\0\x01\x48".to_vec();
            bytes.resize(210, 0);
            bytes.extend_from_slice(&[0xff, 0xfb, 0x90, 0]);
            bytes.resize(210 + sound, 0);
            let at = bytes.len() - 128;
            bytes[at..at + 3].copy_from_slice(b"TAG");
            assert_eq!(ms(bytes).await, None, "{sound}");
        }
    }

    #[tokio::test]
    async fn what_is_no_sound_has_no_length() {
        for bytes in [
            b"ID3\x04\0\0\x7f\x7f\x7f\x7f".to_vec(),
            vec![0xff, 0xfb, 0xf0, 0],
            vec![0xff, 0xfb, 0x9c, 0],
            vec![0xff],
            Vec::new(),
        ] {
            assert_eq!(ms(bytes).await, None);
        }
    }
}
