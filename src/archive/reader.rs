//! Reads a range of one object, block by block, each checked before it is given out.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use object_store::path::Path;
use object_store::{GetOptions, GetResultPayload, ObjectStore, ObjectStoreExt};

use super::sums::{BLOCK, Sums};
use super::{Archive, ArchiveError, Key, Piece, disk, unavailable};

/// A range that is being read.
pub(super) struct Reader {
    source: Source,
    sums: Arc<Sums>,
    at: u64,
    end: u64,
}

/// Where blocks come from. A local file stays open, so removing the object does not cut a reader.
enum Source {
    File(Arc<File>),
    Remote(Arc<dyn ObjectStore>, Path),
}

impl Reader {
    pub(super) async fn open(
        archive: Archive,
        key: Key,
        offset: u64,
        len: u64,
        size: u64,
    ) -> Result<Self, ArchiveError> {
        let store = archive.inner.store.clone();
        let object = store.get_opts(&key.object(), GetOptions::default()).await?;
        let sidecar = match store.get(&key.sums()).await {
            Ok(sidecar) => sidecar.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(ArchiveError::Damaged("its sums are missing"));
            }
            Err(error) => return Err(error.into()),
        };
        let sums = Sums::parse(sidecar)?;
        if object.meta.size != size || sums.size != size {
            return Err(ArchiveError::Damaged("its length has changed"));
        }
        let source = match object.payload {
            GetResultPayload::File(file, _) => Source::File(Arc::new(file)),
            GetResultPayload::Stream(_) => Source::Remote(store, key.object()),
        };
        let end = offset.saturating_add(len).min(size);
        Ok(Self {
            source,
            sums: Arc::new(sums),
            at: offset,
            end,
        })
    }

    /// The next piece; shaped for `try_unfold`.
    pub(super) async fn next(mut self) -> Result<Option<(Piece, Self)>, ArchiveError> {
        if self.at >= self.end {
            return Ok(None);
        }
        let index = self.at / BLOCK as u64;
        let start = index * BLOCK as u64;
        let stop = (start + BLOCK as u64).min(self.sums.size);
        let block = self.block(index, start, stop).await?;
        let upto = stop.min(self.end);
        let piece = block.within(within(self.at - start), within(upto - start));
        self.at = upto;
        Ok(Some((piece, self)))
    }

    async fn block(&self, index: u64, start: u64, stop: u64) -> Result<Piece, ArchiveError> {
        let len = within(stop - start);
        match &self.source {
            Source::File(file) => {
                if let Some(block) = read_now(file, start, len) {
                    return sound(&self.sums, index, block);
                }
                let (file, sums) = (Arc::clone(file), Arc::clone(&self.sums));
                disk::blocking(move || sound(&sums, index, read_at(&file, start, len)?)).await
            }
            Source::Remote(store, path) => {
                let block = store.get_range(path, start..stop).await?;
                sound(&self.sums, index, block.into())
            }
        }
    }
}

/// A block, if it is what was written.
fn sound(sums: &Sums, index: u64, block: Piece) -> Result<Piece, ArchiveError> {
    if sums.hold(index, block.as_ref()) {
        Ok(block)
    } else {
        Err(ArchiveError::Damaged("a block differs from its sum"))
    }
}

/// A block that is in memory already: reading it costs less than handing it to another thread. `None`
/// where the disk would have to be waited for, or the system cannot say.
#[cfg(target_os = "linux")]
fn read_now(file: &File, start: u64, len: usize) -> Option<Piece> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut block = Piece::zeroed(len);
    let mut into = [std::io::IoSliceMut::new(block.bytes_mut())];
    let read = preadv2(file, &mut into, start, ReadWriteFlags::NOWAIT).ok()?;
    (read == len).then_some(block)
}

#[cfg(not(target_os = "linux"))]
fn read_now(_: &File, _: u64, _: usize) -> Option<Piece> {
    None
}

fn read_at(mut file: &File, start: u64, len: usize) -> Result<Piece, ArchiveError> {
    let mut block = Piece::zeroed(len);
    let read = file
        .seek(SeekFrom::Start(start))
        .and_then(|_| file.read_exact(block.bytes_mut()));
    match read {
        Ok(()) => Ok(block),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(ArchiveError::Damaged("it ends early"))
        }
        Err(error) => Err(unavailable(&error)),
    }
}

/// A position within a block; those fit every `usize`.
fn within(position: u64) -> usize {
    usize::try_from(position).unwrap_or(BLOCK)
}
