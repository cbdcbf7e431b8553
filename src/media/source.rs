//! Small reads of media, wherever its bytes are.

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use crate::archive::{Archive, ArchiveError, BLOCK, Key};

/// Where the bytes of media are.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// In the archive.
    Object {
        /// The archive.
        archive: &'a Archive,
        /// The object.
        key: Key,
        /// Its length in bytes.
        size: u64,
    },
    /// In memory.
    Bytes(&'a Bytes),
}

/// Small reads of a source; one block of an object is held.
pub(super) struct Window<'a> {
    source: Source<'a>,
    start: u64,
    held: Bytes,
}

impl<'a> Window<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        let held = match source {
            Source::Object { .. } => Bytes::new(),
            Source::Bytes(bytes) => bytes.clone(),
        };
        Self {
            source,
            start: 0,
            held,
        }
    }

    /// The length of the whole.
    pub(super) fn size(&self) -> u64 {
        match self.source {
            Source::Object { size, .. } => size,
            Source::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// `N` bytes at a position; `None` where the media ends before.
    pub(super) async fn bytes<const N: usize>(
        &mut self,
        at: u64,
    ) -> Result<Option<[u8; N]>, ArchiveError> {
        if at.checked_add(N as u64).is_none_or(|end| end > self.size()) {
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

    /// At most `len` bytes at a position; fewer at the end.
    pub(super) async fn pieces(&self, at: u64, len: u64) -> Result<Bytes, ArchiveError> {
        match self.source {
            Source::Object { archive, key, size } => {
                let pieces: Vec<Bytes> = archive.read(key, at, len, size).try_collect().await?;
                Ok(pieces.concat().into())
            }
            Source::Bytes(bytes) => {
                let clamp = |at: u64| usize::try_from(at).unwrap_or(bytes.len()).min(bytes.len());
                Ok(bytes.slice(clamp(at)..clamp(at.saturating_add(len))))
            }
        }
    }
}
