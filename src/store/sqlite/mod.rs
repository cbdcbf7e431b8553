//! Tasks in one SQLite file.
//!
//! One writer thread owns the only writing connection and joins waiting writes into one
//! transaction, so that concurrent creates share an fsync; each write has a savepoint of its own,
//! so that one refused does not disturb the rest. WAL with `synchronous=FULL`: a commit survives
//! `kill -9` always, and power loss where the disk honours fsync. One process owns the file; a lock
//! file beside it says so.

mod clauses;
mod cost;
mod decode;
mod lock;
mod read;
mod readers;
mod rows;
mod schema;
mod spend;
mod uploads;
mod waiting;
mod webhooks;
mod write;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use async_trait::async_trait;
use lru::LruCache;
use parking_lot::Mutex;
use rusqlite::Connection;

use super::changes::Changes;
use super::{
    Admission, Alike, Census, CostQuery, CostReport, Created, ListQuery, Saved, StoreError,
    TaskStore, Waiting,
};
use crate::domain::caller::Budget;
use crate::domain::id::{RequestId, TaskId, TenantId};
use crate::domain::moderation::Ending;
use crate::domain::task::{Lane, Task};
use crate::domain::time::Timestamp;
use lock::FileLock;
use readers::Readers;
use write::Writer;

/// A store in one file.
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    /// Apart from the others: a report over a million tasks keeps no reader of one task waiting.
    reporter: Readers,
    recent: Arc<Recent>,
    census: Arc<Census>,
    changes: Arc<Changes>,
    _lock: FileLock,
}

/// Why a file could not be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("another process uses the store at {}; one process owns a store", .0.display())]
    InUse(PathBuf),
    /// A newer program wrote it.
    #[error("the store at {} has schema {found}, newer than this program's {known}", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// The file or its folder cannot be used.
    #[error("cannot use {}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no sound SQLite file.
    #[error("cannot open the store at {}; it is left as it is", .path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl SqliteStore {
    /// Opens or makes the store at `path`; the folder must exist. At most `group_commit_max` writes
    /// share one fsync.
    ///
    /// # Errors
    /// [`OpenError`]; a damaged or newer file is never replaced.
    pub fn open(path: &Path, group_commit_max: usize) -> Result<Self, OpenError> {
        let lock = FileLock::take(path)?;
        Self::with(schema::open(path)?, lock, path, group_commit_max)
    }

    /// A store over the writing connection to the file.
    fn with(
        connection: Connection,
        lock: FileLock,
        path: &Path,
        group_commit_max: usize,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Database {
            path: path.to_owned(),
            source,
        };
        let changes = Changes::new();
        let recent = Arc::new(Recent::default());
        let unstarted = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        let readers = |count| {
            let open = |_| schema::open_reader(path);
            let connections = (0..count).map(open).collect::<Result<_, _>>();
            Readers::start(connections.map_err(failed)?).map_err(unstarted)
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let (readers, reporter) = (readers(cores.clamp(READERS.0, READERS.1))?, readers(1)?);
        let census = Arc::new(waiting::census(&connection).map_err(failed)?);
        let kept = Kept {
            changes: Arc::clone(&changes),
            recent: Arc::clone(&recent),
            census: Arc::clone(&census),
        };
        let writer = Writer::start(connection, kept, group_commit_max);
        let writer = writer.map_err(unstarted)?;
        Ok(Self {
            writer,
            readers,
            reporter,
            recent,
            census,
            changes,
            _lock: lock,
        })
    }

    /// How many transactions were tried since the start: writes beyond that shared one.
    pub fn transactions(&self) -> u64 {
        self.writer.transactions()
    }
}

#[async_trait]
impl TaskStore for SqliteStore {
    async fn admit(&self, task: Task, admission: &Admission) -> Result<Created, StoreError> {
        self.writer.create(task, admission.clone()).await
    }

    async fn save_within(&self, next: Task, budget: Budget) -> Result<Saved, StoreError> {
        self.writer.save(next, budget).await
    }

    async fn save(&self, next: Task) -> Result<Arc<Task>, StoreError> {
        match self.writer.save(next, Budget::default()).await? {
            Saved::Committed(task) => Ok(task),
            Saved::Denied(_) => Err(StoreError::Conflict),
        }
    }

    async fn get(&self, id: TaskId) -> Result<Option<Arc<Task>>, StoreError> {
        if let Some(task) = self.recent.get(id) {
            return Ok(Some(task));
        }
        self.readers.run(move |c| read::by_id(c, id)).await
    }

    async fn find(
        &self,
        tenant: &TenantId,
        request_id: &RequestId,
    ) -> Result<Option<Arc<Task>>, StoreError> {
        let (tenant, key) = (tenant.clone(), request_id.clone());
        self.readers
            .run(move |c| read::by_request(c, &tenant, &key))
            .await
    }

    async fn alike(&self, alike: &Alike, limit: usize) -> Result<Vec<Arc<Task>>, StoreError> {
        let alike = alike.clone();
        self.readers
            .run(move |c| read::alike(c, &alike, limit))
            .await
    }

    async fn due(
        &self,
        lane: Lane,
        until: Timestamp,
        after: Option<(Timestamp, TaskId)>,
        limit: usize,
    ) -> Result<Vec<Arc<Task>>, StoreError> {
        self.readers
            .run(move |c| read::due(c, lane, until, after, limit))
            .await
    }

    async fn in_lane(
        &self,
        lane: Lane,
        after: Option<(Timestamp, TaskId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TaskId)>, StoreError> {
        self.readers
            .run(move |c| read::in_lane(c, lane, after, limit))
            .await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let queues = self.census.queues();
        if queues.is_empty() {
            return Ok(Vec::new());
        }
        self.readers.run(move |c| waiting::first(c, queues)).await
    }

    async fn due_for(
        &self,
        tenant: &TenantId,
        model: &str,
        until: Timestamp,
        after: Option<(i32, TaskId)>,
        limit: usize,
    ) -> Result<Vec<Arc<Task>>, StoreError> {
        let (tenant, model) = (tenant.clone(), model.to_owned());
        self.readers
            .run(move |c| waiting::due(c, (&tenant, &model), until, after, limit))
            .await
    }

    fn census(&self) -> &Arc<Census> {
        &self.census
    }

    async fn next_due(&self, lane: Lane) -> Result<Option<Timestamp>, StoreError> {
        self.readers.run(move |c| read::next_due(c, lane)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Arc<Task>>, StoreError> {
        let query = query.clone();
        self.readers.run(move |c| read::list(c, &query)).await
    }

    async fn cost_report(&self, query: &CostQuery) -> Result<CostReport, StoreError> {
        let query = query.clone();
        self.reporter.run(move |c| cost::report(c, &query)).await
    }

    async fn upstream_in_use(&self, account: &str, upstream_id: &str) -> Result<bool, StoreError> {
        let (account, upstream_id) = (account.to_owned(), upstream_id.to_owned());
        self.readers
            .run(move |c| read::upstream_in_use(c, &account, &upstream_id))
            .await
    }

    async fn run_times(&self, limit: usize) -> Result<Vec<(String, i64)>, StoreError> {
        self.readers.run(move |c| read::run_times(c, limit)).await
    }

    async fn endings(&self, since: Timestamp, limit: usize) -> Result<Vec<Ending>, StoreError> {
        self.readers
            .run(move |c| read::endings(c, since, limit))
            .await
    }

    async fn remove(&self, ids: Vec<TaskId>) -> Result<usize, StoreError> {
        self.writer.remove(ids).await
    }

    fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }
}

/// What the writer keeps in step with the file.
struct Kept {
    changes: Arc<Changes>,
    recent: Arc<Recent>,
    census: Arc<Census>,
}

impl Kept {
    fn announce(&self, task: &Arc<Task>) {
        self.recent.put(task);
        self.changes.committed(task);
    }
}

/// The tasks written last, so that the reads that follow a write cost no query.
///
/// Only the writer thread adds to it, in the order of commits: what is found here is what was last
/// committed.
struct Recent(Mutex<LruCache<TaskId, Arc<Task>>>);

impl Default for Recent {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(RECENT)))
    }
}

impl Recent {
    fn get(&self, id: TaskId) -> Option<Arc<Task>> {
        self.0.lock().get(&id).cloned()
    }

    fn put(&self, task: &Arc<Task>) {
        self.0.lock().put(task.id, Arc::clone(task));
    }

    fn forget(&self, id: TaskId) {
        self.0.lock().pop(&id);
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => Self::Conflict,
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// The fewest and the most reading connections; there are as many as cores. More would not answer sooner
/// from the page cache, and each has a thread and memory of its own.
const READERS: (usize, usize) = (2, 4);
/// Tasks kept in memory, of some 2 KiB each: they serve the reads that follow a write.
const RECENT: NonZeroUsize = NonZeroUsize::new(256).expect("256 is not zero");

#[cfg(test)]
mod tests;
