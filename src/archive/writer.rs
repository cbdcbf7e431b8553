//! Writes one object: staged, hashed on the way, durable and read back before it counts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload, UploadPart};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::sums::Tally;
use super::{Archive, ArchiveError, Key, Stored, disk};

/// An object being written. Dropping it leaves nothing behind under the key.
pub struct Writer {
    archive: Archive,
    key: Key,
    upload: Box<dyn MultipartUpload>,
    /// Once there is something to hash.
    hashing: Option<Hashing>,
    pending: BytesMut,
    /// Parts on their way to the disk, the oldest first.
    under_way: VecDeque<UploadPart>,
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
            hashing: None,
            pending: BytesMut::new(),
            under_way: VecDeque::new(),
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

    /// Adds bytes; they go to the disk in parts of about 128 KiB, while more is added. An error may be
    /// that of a part that was given before.
    ///
    /// What waits for its part is copied, and so is all that is small: it may be a view of a far larger
    /// buffer, which would be held with it.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), ArchiveError> {
        self.written += bytes.len() as u64;
        let gathered = self.pending.len() + bytes.len();
        if gathered < PART {
            if gathered > SMALL {
                // All parts of one size: what is freed is of use to the next.
                self.pending.reserve(PART - self.pending.len());
            }
            self.pending.extend_from_slice(&bytes);
            return Ok(());
        }
        if bytes.len() > SMALL {
            self.flush().await?;
            return self.put(bytes).await;
        }
        let rest = bytes.split_off(PART - self.pending.len());
        self.pending.extend_from_slice(&bytes);
        self.flush().await?;
        self.pending.extend_from_slice(&rest);
        Ok(())
    }

    /// Makes the object durable and visible, reads it back, and says what it is.
    ///
    /// After an error or a crash the key may hold the old object, the new one or none; writing it
    /// again is always right.
    pub async fn finish(mut self) -> Result<Stored, ArchiveError> {
        self.flush().await?;
        self.settle(0).await?;
        let tally = match self.hashing.take() {
            Some(hashing) => hashing.end().await?,
            None => Tally::default(),
        };
        let (size_bytes, sha256, sidecar) = tally.finish();
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
        while let Some(part) = self.under_way.pop_front() {
            let _ = part.await;
        }
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
        self.settle(usize::from(UNDER_WAY) - 1).await?;
        let length = part.len() as u64;
        self.archive.count(0, length);
        self.staged += length;
        let mut put = self.upload.put_part(part.clone().into());
        // Asked once, it is on its way.
        match futures_util::poll!(&mut put) {
            Poll::Ready(put) => put?,
            Poll::Pending => self.under_way.push_back(put),
        }
        let hashing = self.hashing.get_or_insert_with(Hashing::new);
        hashing.take(part).await?;
        self.write_out(length);
        Ok(())
    }

    /// Waits until no more than `left` parts are on their way to the disk.
    async fn settle(&mut self, left: usize) -> Result<(), ArchiveError> {
        while self.under_way.len() > left {
            let Some(oldest) = self.under_way.front_mut() else {
                break;
            };
            let put = oldest.await;
            self.under_way.pop_front();
            put?;
        }
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

/// The digest of what is written. Hashing takes longer than a reactor should be kept, and longer than all
/// the rest of a copy: it has a queue, so that it need not wait for its next part.
struct Hashing {
    work: Arc<Mutex<Work>>,
    room: Arc<Semaphore>,
}

struct Work {
    /// Not while a part is being hashed.
    tally: Option<Tally>,
    parts: VecDeque<(Bytes, OwnedSemaphorePermit)>,
}

impl Hashing {
    fn new() -> Self {
        let work = Work {
            tally: Some(Tally::default()),
            parts: VecDeque::new(),
        };
        Self {
            work: Arc::new(Mutex::new(work)),
            room: Arc::new(Semaphore::new(UNDER_WAY.into())),
        }
    }

    async fn take(&self, part: Bytes) -> Result<(), ArchiveError> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.map_err(|_| unhashed())?;
        let mut work = self.work.lock();
        // Another thread is not worth its while.
        if let (true, Some(tally)) = (part.len() <= SMALL, &mut work.tally) {
            tally.take(&part);
            return Ok(());
        }
        work.parts.push_back((part, room));
        if let Some(tally) = work.tally.take() {
            let (work, bound) = (Arc::clone(&self.work), Bound(Arc::clone(&self.room)));
            tokio::task::spawn_blocking(move || {
                hash(&work, tally);
                drop(bound);
            });
        }
        Ok(())
    }

    /// When all parts are hashed.
    async fn end(self) -> Result<Tally, ArchiveError> {
        let all = self.room.acquire_many(UNDER_WAY.into()).await;
        let _all = all.map_err(|_| unhashed())?;
        self.work.lock().tally.take().ok_or_else(unhashed)
    }
}

/// Who waits for the hashing must hear of its panic.
struct Bound(Arc<Semaphore>);

impl Drop for Bound {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

/// Hashes what waits.
fn hash(work: &Mutex<Work>, mut tally: Tally) {
    // Given back once the next part was looked for, so that where all room is free the tally is back.
    let mut room = None;
    loop {
        let mut now = work.lock();
        let Some((part, its_room)) = now.parts.pop_front() else {
            now.tally = Some(tally);
            return;
        };
        drop(now);
        drop(room.replace(its_room));
        tally.take(&part);
    }
}

fn unhashed() -> ArchiveError {
    ArchiveError::Unavailable("the hashing was abandoned".to_owned())
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
const PART: usize = 128 * 1024;
/// An object of no more than this is gathered in no more than it needs, and hashed on the spot.
const SMALL: usize = 16 * 1024;
/// Parts that are on their way to the disk at a time, and those that wait to be hashed.
const UNDER_WAY: u8 = 2;
/// Bytes after which the disk is asked to write.
const WRITE_OUT: u64 = 32 * 1024 * 1024;
