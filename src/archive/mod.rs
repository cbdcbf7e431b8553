//! Where finished content and spooled inputs are kept: write once, hash, read ranges.
//!
//! An object is `<task_id>/<index>` (an output), `<task_id>/input-<n>`, `<task_id>/made-<n>` (an output
//! as it came with the acceptance of its create) or `<spool id>/0` (an upload); beside each stands `….sums` with a checksum of every 64 KiB, so that a range is proved intact
//! without reading the whole. Names are made of ids and integers only. An upload is given to a task as
//! an input of its own, which on one disk is a second name of the same file: either may go without
//! the other. Nothing else is shared. Which object belongs to which record, and how long it is kept,
//! is not decided here.

mod disk;
mod key;
mod piece;
mod reader;
mod sums;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::domain::id::TaskId;
use crate::domain::upload::SpoolId;

pub use key::Key;
pub use piece::Piece;
pub use sums::BLOCK;
pub use writer::Writer;

use reader::Reader;

/// The archive. Cheap to clone.
#[derive(Clone)]
pub struct Archive {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn ObjectStore>,
    root: PathBuf,
    max_bytes: Option<u64>,
    used: AtomicU64,
}

/// What is known of an object that was written and read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The length in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

/// An object that is there.
#[derive(Clone, Debug)]
pub struct Spooled {
    archive: Archive,
    key: Key,
    size_bytes: u64,
}

/// The bytes of an object, in pieces of at most [`BLOCK`], each checked before it is yielded.
pub type ReadStream = BoxStream<'static, Result<Bytes, ArchiveError>>;

/// The same, in pieces with room before them.
pub type PieceStream = BoxStream<'static, Result<Piece, ArchiveError>>;

/// Why the archive did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// There is no such object.
    #[error("the object is missing")]
    Missing,
    /// The object is there, but not as it was written.
    #[error("the object is damaged: {0}")]
    Damaged(&'static str),
    /// The disk or the store failed; it may work later.
    #[error("the archive is not available: {0}")]
    Unavailable(String),
}

impl Archive {
    /// Opens the archive in the folder `root`, which is made if missing.
    ///
    /// `max_bytes` is what it should hold at most; it is reported on, not enforced. Call
    /// [`Archive::measure`] once in the background before relying on the figures.
    pub fn open(root: &Path, max_bytes: Option<u64>) -> Result<Self, ArchiveError> {
        std::fs::create_dir_all(root).map_err(|error| unavailable(&error))?;
        let root = root.canonicalize().map_err(|error| unavailable(&error))?;
        let store = LocalFileSystem::new_with_prefix(&root)?.with_fsync(true);
        let used = AtomicU64::new(0);
        let inner = Inner {
            store: Arc::new(store),
            root,
            max_bytes,
            used,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Begins to write an object. Nothing is visible under the key before [`Writer::finish`];
    /// whatever an earlier writer of this key left behind is replaced or removed then.
    ///
    /// One writer per key at a time: of two, the one that finishes later may fail.
    pub async fn writer(&self, key: Key) -> Result<Writer, ArchiveError> {
        Writer::begin(self.clone(), key).await
    }

    /// Streams `len` bytes from `offset` (less at the end) of an object that has `size` bytes.
    ///
    /// Every block is checked before it is yielded; after an error the stream ends. Nothing is
    /// opened before the first poll. Holds one block in memory.
    pub fn read(&self, key: Key, offset: u64, len: u64, size: u64) -> ReadStream {
        let pieces = self.read_pieces(key, offset, len, size);
        pieces.map_ok(Piece::into_bytes).boxed()
    }

    /// The same, in pieces with room before them.
    pub fn read_pieces(&self, key: Key, offset: u64, len: u64, size: u64) -> PieceStream {
        let open = Reader::open(self.clone(), key, offset, len, size);
        stream::once(open)
            .map_ok(|reader| stream::try_unfold(reader, Reader::next))
            .try_flatten()
            .boxed()
    }

    /// Writes a spooled input, durably.
    pub async fn put_input(
        &self,
        task: TaskId,
        n: u32,
        bytes: Bytes,
    ) -> Result<Stored, ArchiveError> {
        let mut writer = self.writer(Key::input(task, n)).await?;
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// Gives an upload to a task as its spooled input, durably. The upload may go afterwards.
    ///
    /// Counts as much as a copy, though on one disk it takes no room.
    ///
    /// # Errors
    /// [`ArchiveError::Missing`] when the upload is gone, also when it goes meanwhile.
    pub async fn give(
        &self,
        upload: SpoolId,
        size: u64,
        task: TaskId,
        n: u32,
    ) -> Result<(), ArchiveError> {
        let (from, to) = (Key::upload(upload), Key::input(task, n));
        let store = &self.inner.store;
        let sums = store.head(&from.sums()).await?.size;
        let linked = async {
            store.copy(&from.sums(), &to.sums()).await?;
            store.copy(&from.object(), &to.object()).await
        };
        match linked.await {
            Ok(()) => {
                self.count(0, size.saturating_add(sums));
                Ok(())
            }
            Err(error @ object_store::Error::NotFound { .. }) => Err(error.into()),
            // Not every disk knows second names, and none knows any number of them.
            Err(_) => self.copy(from, size, to).await,
        }
    }

    async fn copy(&self, from: Key, size: u64, to: Key) -> Result<(), ArchiveError> {
        let mut source = self.read(from, 0, size, size);
        let mut writer = self.writer(to).await?;
        while let Some(piece) = source.try_next().await? {
            writer.write(piece).await?;
        }
        writer.finish().await.map(drop)
    }

    /// A spooled input that is there.
    pub async fn input(&self, task: TaskId, n: u32) -> Result<Spooled, ArchiveError> {
        self.kept(Key::input(task, n)).await
    }

    /// An object that is there.
    pub async fn kept(&self, key: Key) -> Result<Spooled, ArchiveError> {
        let size_bytes = self.inner.store.head(&key.object()).await?.size;
        Ok(Spooled {
            archive: self.clone(),
            key,
            size_bytes,
        })
    }

    /// Removes everything of a task. Removing what is not there is no error.
    pub async fn remove_task(&self, task: TaskId) -> Result<(), ArchiveError> {
        self.remove_all(task.to_string()).await
    }

    /// Removes a task's outputs as they came; the outputs themselves stay. Removing what is not there
    /// is no error.
    pub async fn remove_made(&self, task: TaskId) -> Result<(), ArchiveError> {
        self.remove(&task.to_string(), key::is_made).await
    }

    /// Removes a task's spooled inputs, and its outputs as they came. Removing what is not there is no error.
    pub async fn remove_inputs(&self, task: TaskId) -> Result<(), ArchiveError> {
        self.remove(&task.to_string(), key::is_spooled).await
    }

    /// Removes an upload; tasks keep what they were given of it. Removing what is not there is no
    /// error.
    pub async fn remove_upload(&self, spool: SpoolId) -> Result<(), ArchiveError> {
        self.remove_all(spool.to_string()).await
    }

    /// The tasks that have anything in the archive, in no order. For finding orphans.
    pub async fn task_ids(&self) -> Result<Vec<TaskId>, ArchiveError> {
        let root = self.inner.root.clone();
        disk::blocking(move || disk::ids(&root)).await
    }

    /// The uploads that have anything in the archive, in no order. For finding orphans.
    pub async fn upload_ids(&self) -> Result<Vec<SpoolId>, ArchiveError> {
        let root = self.inner.root.clone();
        disk::blocking(move || disk::ids(&root)).await
    }

    /// Counts what is there by walking all of it, and takes that for the used bytes.
    ///
    /// What is written or removed meanwhile may be counted wrongly until the next call.
    pub async fn measure(&self) -> Result<u64, ArchiveError> {
        let root = self.inner.root.clone();
        let used = disk::blocking(move || disk::used_bytes(&root)).await?;
        self.inner.used.store(used, Ordering::Relaxed);
        Ok(used)
    }

    /// The bytes of all objects and their sums, as far as known: see [`Archive::measure`].
    pub fn used_bytes(&self) -> u64 {
        self.inner.used.load(Ordering::Relaxed)
    }

    /// Bytes that may still be added: of the permitted ones or of the disk, whichever is less. `None`:
    /// neither is known.
    pub fn free_bytes(&self) -> Option<u64> {
        let permitted = self.inner.max_bytes;
        let permitted = permitted.map(|max| max.saturating_sub(self.used_bytes()));
        let disk = disk::free_bytes(&self.inner.root);
        permitted.into_iter().chain(disk).min()
    }

    /// Whether 95 % of the permitted bytes are used, or the disk itself is about to be full.
    pub fn is_nearly_full(&self) -> bool {
        let over = |max: u64| self.used_bytes() >= max / 100 * NEARLY_FULL_PERCENT;
        self.inner.max_bytes.is_some_and(over)
            || disk::free_bytes(&self.inner.root).is_some_and(|free| free < MIN_FREE_BYTES)
    }

    async fn remove_all(&self, folder: String) -> Result<(), ArchiveError> {
        self.remove(&folder, |_| true).await?;
        let folder = self.inner.root.join(folder);
        disk::blocking(move || disk::remove_folder(&folder)).await
    }

    async fn remove(&self, folder: &str, which: fn(&str) -> bool) -> Result<(), ArchiveError> {
        let folder = object_store::path::Path::from(folder);
        let mut objects = self.inner.store.list(Some(&folder));
        while let Some(object) = objects.try_next().await? {
            if !object.location.filename().is_some_and(which) {
                continue;
            }
            match self.inner.store.delete(&object.location).await {
                Ok(()) => self.count(object.size, 0),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn count(&self, removed: u64, added: u64) {
        let change = |used: u64| Some(used.saturating_sub(removed).saturating_add(added));
        // The closure always gives a value, so the update cannot fail.
        let _ = self
            .inner
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }
}

impl Spooled {
    /// The length in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// A fresh stream of the bytes.
    pub fn open(&self) -> ReadStream {
        self.archive
            .read(self.key, 0, self.size_bytes, self.size_bytes)
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("root", &self.inner.root)
            .finish_non_exhaustive()
    }
}

impl From<object_store::Error> for ArchiveError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<ArchiveError> for std::io::Error {
    fn from(error: ArchiveError) -> Self {
        Self::other(error)
    }
}

fn unavailable(error: &std::io::Error) -> ArchiveError {
    ArchiveError::Unavailable(error.to_string())
}

/// Use of the permitted bytes from which on the archive is nearly full.
const NEARLY_FULL_PERCENT: u64 = 95;
/// Free space of the disk below which the archive is nearly full.
const MIN_FREE_BYTES: u64 = 256 * 1024 * 1024;

#[cfg(test)]
mod tests;
