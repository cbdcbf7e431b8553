//! What archived media says of itself, read in small ranges.

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::sniff::Format;
use super::{image, mp4};
use crate::archive::{Archive, ArchiveError, BLOCK, Key};

/// What was found out; everything but `is_cut` is optional.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    pub(super) duration_ms: Option<u64>,
    /// The media says that it is longer than the file.
    pub(super) is_cut: bool,
}

/// Reads what is cheaply known of an object.
pub(super) async fn read(
    archive: &Archive,
    key: Key,
    size: u64,
    format: Format,
) -> Result<Facts, ArchiveError> {
    let mut window = Window {
        archive,
        key,
        size,
        start: 0,
        held: Bytes::new(),
    };
    if format.has_boxes() {
        return mp4::walk(&mut window).await;
    }
    let head = window.head().await?;
    let (width, height) = image::size(&head).unzip();
    let duration_ms = match format {
        Format::Wav => wav_ms(&head),
        Format::Flac => flac_ms(&head),
        _ => None,
    };
    Ok(Facts {
        width,
        height,
        duration_ms,
        is_cut: false,
    })
}

/// Small reads of an object; one block of it is held.
pub(super) struct Window<'a> {
    archive: &'a Archive,
    key: Key,
    size: u64,
    start: u64,
    held: Bytes,
}

impl Window<'_> {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// `N` bytes at a position; `None` where the object ends before.
    pub(super) async fn bytes<const N: usize>(
        &mut self,
        at: u64,
    ) -> Result<Option<[u8; N]>, ArchiveError> {
        if at.checked_add(N as u64).is_none_or(|end| end > self.size) {
            return Ok(None);
        }
        if let Some(found) = self.held_at(at) {
            return Ok(Some(found));
        }
        self.held = self.pieces(at, BLOCK as u64).await?;
        self.start = at;
        Ok(self.held_at(at))
    }

    fn held_at<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.held.get(from..)?.first_chunk().copied()
    }

    /// The first bytes, as many as a header may take.
    async fn head(&self) -> Result<Bytes, ArchiveError> {
        self.pieces(0, MAX_HEAD).await
    }

    async fn pieces(&self, at: u64, len: u64) -> Result<Bytes, ArchiveError> {
        let pieces: Vec<Bytes> = self
            .archive
            .read(self.key, at, len, self.size)
            .try_collect()
            .await?;
        Ok(pieces.concat().into())
    }
}

/// From the rate in `fmt ` and the length of `data`.
fn wav_ms(head: &[u8]) -> Option<u64> {
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
            b"data" => return (length * 1000).checked_div(rate?),
            _ => {}
        }
        at = at
            .checked_add(8)?
            .checked_add(usize::try_from(length + length % 2).ok()?)?;
    }
    None
}

/// From the rate and the number of samples in the first block.
fn flac_ms(head: &[u8]) -> Option<u64> {
    let packed = head
        .get(18..)?
        .first_chunk()
        .map(|b| u64::from_be_bytes(*b))?;
    let (rate, samples) = (packed >> 44, packed & 0xf_ffff_ffff);
    (samples * 1000).checked_div(rate).filter(|ms| *ms > 0)
}

/// Most bytes of a header that are looked at.
const MAX_HEAD: u64 = 4 * BLOCK as u64;
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
        assert_eq!(wav_ms(&wav), Some(1_500));
        assert_eq!(wav_ms(&wav[..30]), None);
        let mut flac = b"fLaC\0\0\0\x22".to_vec();
        flac.resize(18, 0);
        flac.extend_from_slice(&((48_000_u64 << 44) | 0x1_7700).to_be_bytes());
        assert_eq!(flac_ms(&flac), Some(2_000));
        assert_eq!(flac_ms(b"fLaC"), None);
    }
}
