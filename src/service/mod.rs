//! What every face offers: create, status, watch, download, upload, cancel, list, delete, resolve, and
//! what things cost, before and after.
//!
//! A face converts, calls, converts. Everything here is scoped to a tenant: another tenant's task
//! is one that does not exist.

mod cancel;
mod commit;
mod cost;
mod create;
mod delete;
mod deliveries;
mod download;
mod estimate;
mod frame;
mod gauges;
mod inputs;
mod lent;
mod limits;
mod list;
mod many;
mod models;
mod owed;
mod page;
mod receipts;
mod repeat;
mod resolve;
mod spool;
mod upload;
mod wait;
mod watch;

use std::sync::Arc;
use std::time::Duration;

pub use cancel::{CancelError, CancelOutcome, Cancelled};
pub use cost::{CostError, CostRequest, Costs};
pub use create::{CreateError, NewRequest};
pub use delete::DeleteError;
pub use download::{Download, DownloadEnd, DownloadError, DownloadRequest, Output};
pub use estimate::{Estimate, EstimateError};
pub use lent::Lent;
pub use limits::Limited;
pub use list::{ListError, ListRequest, Page, WalkError, WalkPage, WalkRequest};
pub use many::NotAll;
pub use models::ListedModel;
pub use owed::Owed;
pub use page::{PageKey, TaskFilters};
pub use repeat::Sending;
pub use resolve::ResolveError;
pub use upload::{UploadError, UploadPart};
pub use wait::{WaitEnd, WaitPlace};
pub use watch::{WatchEnd, WatchError, WatchEvent};

/// What the errors of this module carry from below, for a face that says them in its own words.
pub use crate::archive::{ArchiveError, Piece};
pub use crate::provider::{ProviderError, ProviderErrorKind};
/// What a cost report is made of.
pub use crate::store::{CostKey, CostRow, CostTotals, Grouping};
pub use crate::store::{Denied, QueueOf, Sorted, StoreError};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::archive::Archive;
use crate::clock::Clock;
use crate::domain::generation::Limits;
use crate::domain::id::{TaskId, TenantId};
use crate::domain::moderation::Moderation;
use crate::domain::money::UsdRate;
use crate::domain::task::{Progress, Task};
use crate::domain::time::Timestamp;
use crate::domain::webhook::SigningKey;
use crate::provider::{LiveRoster, Roster};
use crate::shutdown::Shutdown;
use crate::store::TaskStore;

/// The service: one value, shared by every face.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

/// What the service stands on.
pub struct Parts {
    /// Where tasks are kept.
    pub store: Arc<dyn TaskStore>,
    /// Where content is kept.
    pub archive: Arc<Archive>,
    /// What can be generated, by whom and for whom.
    pub roster: Arc<LiveRoster>,
    /// The life of the process.
    pub shutdown: Shutdown,
    /// Numbers.
    pub settings: Settings,
}

/// The service's numbers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What a credit costs, for callers that count in dollars.
    pub usd_rate: UsdRate,
    /// Bounds of a request's parts.
    pub limits: Limits,
    /// A task's timeout when the caller names none.
    pub task_timeout: Duration,
    /// How long a create that may have been sent keeps its task from being submitted again.
    pub quarantine: Duration,
    /// The longest silence on a watch.
    pub heartbeat: Duration,
    /// The longest life of a watch stream.
    pub watch_max_age: Duration,
    /// How long a download may go on once the drain has begun.
    pub download_drain: Duration,
    /// How long a watcher may take for one message before its stream is ended.
    pub watch_reader_timeout: Duration,
    /// Watches open at once.
    pub max_watches: usize,
    /// How long a downloader may take for one message before its stream is ended.
    pub download_reader_timeout: Duration,
    /// Downloads open at once.
    pub max_downloads: usize,
    /// Bytes of one message of a download at most.
    pub chunk: usize,
    /// Uploads open at once.
    pub max_uploads: usize,
    /// How long an uploader may take for one message before its stream is ended.
    pub upload_idle: Duration,
    /// How long one upload may take in all.
    pub upload_timeout: Duration,
    /// How long an upload can be named by a create.
    pub keep_uploads: Duration,
    /// What the secrets of webhooks are derived from.
    pub signing: SigningKey,
    /// What page tokens are sealed with.
    pub page_key: PageKey,
}

struct Inner {
    parts: Parts,
    clock: Clock,
    beats: watch::Beats,
    watches: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    signed: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    moderation: Mutex<Moderation>,
    turns: Arc<repeat::Turns>,
    refusals: repeat::Refusals,
    given: repeat::Given,
    receipts: receipts::Receipts,
    last_looks: Semaphore,
}

/// No such task, as far as this tenant is concerned.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// Unknown, or somebody else's.
    #[error("there is no such task")]
    NotFound,
    /// Deleted; only a tombstone is left.
    #[error("the task was deleted")]
    Deleted,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// A service on its parts. Starts the one heartbeat timer that all watches share.
    pub fn new(parts: Parts) -> Self {
        let settings = &parts.settings;
        let beats = watch::Beats::start(&parts.shutdown, settings.heartbeat);
        let watches = Arc::new(Semaphore::new(settings.max_watches));
        let downloads = Arc::new(Semaphore::new(settings.max_downloads));
        let signed = Arc::new(Semaphore::new(settings.max_downloads.div_ceil(2)));
        let uploads = Arc::new(Semaphore::new(settings.max_uploads));
        Self {
            inner: Arc::new(Inner {
                parts,
                clock: Clock,
                beats,
                watches,
                downloads,
                signed,
                uploads,
                moderation: Mutex::default(),
                turns: Arc::default(),
                refusals: repeat::Refusals::default(),
                given: repeat::Given::default(),
                receipts: receipts::Receipts::default(),
                last_looks: Semaphore::new(1),
            }),
        }
    }

    /// The task as last committed, for a caller who asks for it by its id.
    pub async fn status(&self, tenant: &TenantId, id: TaskId) -> Result<Arc<Task>, LookupError> {
        let task = self.look(tenant, id).await?;
        self.inner.receipts.read(&task);
        Ok(task)
    }

    /// The same where it is not the caller who asks.
    async fn look(&self, tenant: &TenantId, id: TaskId) -> Result<Arc<Task>, LookupError> {
        let found = self.inner.parts.store.get(id).await?;
        let task = found
            .filter(|task| task.tenant == *tenant)
            .ok_or(LookupError::NotFound)?;
        if task.deleted {
            Err(LookupError::Deleted)
        } else {
            Ok(task)
        }
    }

    /// How far a running task is, between commits.
    pub fn progress(&self, id: TaskId) -> Progress {
        self.inner.parts.store.changes().progress(id)
    }

    /// What a credit costs.
    pub fn usd_rate(&self) -> UsdRate {
        self.parts().settings.usd_rate
    }

    /// Whether the service takes nothing new.
    pub fn is_draining(&self) -> bool {
        self.inner.parts.shutdown.is_draining()
    }

    /// Resolves when the service takes nothing new.
    pub async fn draining(&self) {
        self.inner.parts.shutdown.draining().await;
    }

    /// The time that the service goes by.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.inner.clock.now_ms())
    }

    fn roster(&self) -> Arc<Roster> {
        self.inner.parts.roster.now()
    }

    fn parts(&self) -> &Parts {
        &self.inner.parts
    }
}
