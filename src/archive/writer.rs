//! Writes one object: staged, hashed on the way, durable and read back before it counts.

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use tokio::task::JoinHandle;

use super::sums::Tally;
use super::{Archive, ArchiveError, Key, Stored, disk};

/// An object being written. Dropping it leaves nothing behind under the key.
pub struct Writer {
    archive: Archive,
    key: Key,
    upload: Box<dyn MultipartUpload>,
    tally: Tally,
    pending: BytesMut,
    written: u64,
    /// Bytes that are on the disk but in no object yet; they count as used.
    staged: u64,
    /// Bytes since the disk was last asked to write.
    unasked: u64,
    /// The disk's writing ahead of the end.
    writing_out: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) async fn begin(archive: Archive, key: Key) -> Result<Self, ArchiveError> {
        let upload = archive.inner.store.put_multipart(&key.object()).await?;
        Ok(Self {
            archive,
            key,
            upload,
            tally: Tally::default(),
            pending: BytesMut::new(),
            written: 0,
            staged: 0,
            unasked: 0,
            writing_out: None,
        })
    }

    /// How many bytes were given to it.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Adds bytes; they go to the disk in parts of 256 KiB or more.
    ///
    /// What waits for its part is copied: a small piece may be a view of a far larger buffer, which
    /// would be held with it.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ArchiveError> {
        self.written += bytes.len() as u64;
        if self.pending.len() + bytes.len() < PART {
            self.pending.extend_from_slice(&bytes);
            return Ok(());
        }
        self.flush().await?;
        self.put(bytes).await
    }

    /// Makes the object durable and visible, reads it back, and says what it is.
    ///
    /// After an error or a crash the key may hold the old object, the new one or none; writing it
    /// again is always right.
    pub async fn finish(mut self) -> Result<Stored, ArchiveError> {
        self.flush().await?;
        let (size_bytes, sha256, sidecar) = std::mem::take(&mut self.tally).finish();
        let store = &self.archive.inner.store;
        let replaced = store
            .head(&self.key.object())
            .await
            .map_or(0, |old| old.size);
        let replaced_sums = store.head(&self.key.sums()).await.map_or(0, |old| old.size);
        let sidecar_bytes = sidecar.len() as u64;
        store
            .put(&self.key.sums(), PutPayload::from(sidecar))
            .await?;
        self.upload.complete().await?;
        self.archive
            .count(replaced + replaced_sums, size_bytes + sidecar_bytes);
        let stored = Stored { size_bytes, sha256 };
        self.clear_staged().await?;
        verify(&self.archive, self.key, stored).await?;
        Ok(stored)
    }

    /// Gives up: nothing of it is left on the disk when this returns.
    pub async fn abandon(mut self) -> Result<(), ArchiveError> {
        Ok(self.upload.abort().await?)
    }

    /// Removes what crashed writers of this key left. Not at the beginning: the name of a writer
    /// that was just dropped could be taken anew, and then fall to that one's late removal.
    fn clear_staged(&self) -> impl Future<Output = Result<(), ArchiveError>> + use<> {
        let folder = self.archive.inner.root.join(self.key.folder());
        let name = self.key.name();
        disk::blocking(move || disk::remove_staged(&folder, &name))
    }

    async fn flush(&mut self) -> Result<(), ArchiveError> {
        let part = self.pending.split().freeze();
        self.put(part).await
    }

    async fn put(&mut self, part: Bytes) -> Result<(), ArchiveError> {
        if part.is_empty() {
            return Ok(());
        }
        let length = part.len() as u64;
        self.archive.count(0, length);
        self.staged += length;
        let put = self.upload.put_part(part.clone().into());
        let mut tally = std::mem::take(&mut self.tally);
        // Hashing a part takes longer than a reactor should be kept.
        let hashed = disk::blocking(move || {
            tally.take(&part);
            Ok(tally)
        });
        let (put, hashed) = futures_util::join!(put, hashed);
        put?;
        self.tally = hashed?;
        self.write_out(length);
        Ok(())
    }

    /// Has the disk write while more comes, rather than all at the end.
    fn write_out(&mut self, added: u64) {
        self.unasked += added;
        let is_busy = |writing: &JoinHandle<()>| !writing.is_finished();
        if self.unasked < WRITE_OUT || self.writing_out.as_ref().is_some_and(is_busy) {
            return;
        }
        self.unasked = 0;
        let folder = self.archive.inner.root.join(self.key.folder());
        self.writing_out = Some(disk::write_out(folder, self.key.name()));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.archive.count(self.staged, 0);
    }
}

/// Reads an object back: each block is held against its sum, which was taken from the bytes that the
/// hash was taken from, and the blocks against the length.
async fn verify(archive: &Archive, key: Key, stored: Stored) -> Result<(), ArchiveError> {
    let mut back = archive.read(key, 0, stored.size_bytes, stored.size_bytes);
    let mut size_bytes = 0;
    while let Some(block) = back.try_next().await? {
        size_bytes += block.len() as u64;
    }
    let same = size_bytes == stored.size_bytes;
    same.then_some(())
        .ok_or(ArchiveError::Damaged("it reads back differently"))
}

/// Bytes that are gathered before they are written.
const PART: usize = 256 * 1024;
/// Bytes after which the disk is asked to write.
const WRITE_OUT: u64 = 32 * 1024 * 1024;
