//! Where tasks are kept.
//!
//! [`TaskStore`] is the contract; [`sqlite`] is the one implementation today, and every promise is
//! one that PostgreSQL can keep as well. [`changes`] is the feed of what was committed. SQL never
//! appears outside this folder, and nothing here calls a provider.

mod admission;
mod census;
pub mod changes;
#[cfg(test)]
pub mod conformance;
mod cost;
mod request;
pub mod sqlite;
mod update;
mod uploads;
mod webhooks;

use std::sync::Arc;

use async_trait::async_trait;

pub use admission::{Admission, Denied, QueueOf, Saved};
pub use census::{Census, Load, Queue};
pub use cost::{CostKey, CostQuery, CostReport, CostRow, CostTotals, Grouping};
pub use update::{Update, UpdateError, update, update_within};
pub use uploads::UploadStore;
pub use webhooks::{Receiver, WebhookStore};

use crate::domain::caller::{Budget, KeyId};
use crate::domain::id::{RequestId, TaskId, TenantId};
use crate::domain::moderation::Ending;
use crate::domain::task::{Lane, Status, Task};
use crate::domain::time::Timestamp;
use changes::Changes;

/// A durable home of tasks.
///
/// Every method is atomic. A write that returned `Ok` is on disk and survives `kill -9`; one that
/// returned an error left nothing, except [`StoreError::Unavailable`] from a write, after which the
/// caller must read to know. Every committed write is announced on [`TaskStore::changes`], in the
/// order of commits, before the method returns.
#[async_trait]
pub trait TaskStore: UploadStore + WebhookStore + Send + Sync + 'static {
    /// Commits a new task at version 1, unless its tenant already has one under its `request_id`:
    /// then that one is returned and nothing is written. Racing duplicates all get the same task.
    ///
    /// A new task is committed only if all of the admission holds in the same transaction; a task
    /// that is there already is returned whatever the admission says.
    async fn admit(&self, task: Task, admission: &Admission) -> Result<Created, StoreError>;

    /// The same without any limit.
    async fn create(&self, task: Task) -> Result<Created, StoreError> {
        self.admit(task, &Admission::default()).await
    }

    /// As [`TaskStore::save`], but only if the next version spends no more than the stored one
    /// ([`Task::committed_spend`]), or the key's budget of the day and the month in which the task
    /// was created holds with what it spends beyond; checked in the same transaction.
    async fn save_within(&self, next: Task, budget: Budget) -> Result<Saved, StoreError>;

    /// Commits the next version of a task, on the condition that the stored one is exactly one
    /// version older. Where that is the end of a task that somebody is to be told of
    /// ([`Delivery::of`](crate::domain::webhook::Delivery::of)), what is due to them is committed
    /// with it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not, or when a unique index refuses the write: a second
    /// live attempt, or a provider's id that already serves another attempt. Nothing is written.
    async fn save(&self, next: Task) -> Result<Arc<Task>, StoreError>;

    /// The task as last committed.
    async fn get(&self, id: TaskId) -> Result<Option<Arc<Task>>, StoreError>;

    /// The task of a tenant's key, as last committed.
    async fn find(
        &self,
        tenant: &TenantId,
        request_id: &RequestId,
    ) -> Result<Option<Arc<Task>>, StoreError>;

    /// Up to `limit` tasks that were made like this one and are not deleted, the newest first.
    async fn alike(&self, alike: &Alike, limit: usize) -> Result<Vec<Arc<Task>>, StoreError>;

    /// Up to `limit` tasks of a lane that are due at or before `until`, in the order of (due, id),
    /// strictly after `after`. Read again from the start, it is what a loop lives on: no other
    /// input is needed to recover. A task whose stored form makes no sense is left out and logged:
    /// it must not keep the others of its lane from their loop.
    async fn due(
        &self,
        lane: Lane,
        until: Timestamp,
        after: Option<(Timestamp, TaskId)>,
        limit: usize,
    ) -> Result<Vec<Arc<Task>>, StoreError>;

    /// Up to `limit` of the tasks of a lane, by when they are due and by id, in that order, strictly after
    /// `after`. It reads no task: a loop that knows most of them looks for the others with it.
    async fn in_lane(
        &self,
        lane: Lane,
        after: Option<(Timestamp, TaskId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TaskId)>, StoreError>;

    /// Every queue that holds something, in the order of (tenant, model), with when its first task is
    /// due. It costs one search in an index for each queue, however many tasks wait.
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError>;

    /// Up to `limit` of the tasks of a tenant that wait for a model, as asked, and are due at or
    /// before `until`: the higher priority first, of one priority the oldest; strictly after
    /// `after`, which is the (priority, id) of the last one of the page before. The tasks of other
    /// tenants and models are not looked at. What makes no sense is left out, as by
    /// [`TaskStore::due`].
    async fn due_for(
        &self,
        tenant: &TenantId,
        model: &str,
        until: Timestamp,
        after: Option<(i32, TaskId)>,
        limit: usize,
    ) -> Result<Vec<Arc<Task>>, StoreError>;

    /// The counts of what has not ended, kept with every write.
    fn census(&self) -> &Arc<Census>;

    /// When the first task of a lane is due; `None` when the lane is empty.
    async fn next_due(&self, lane: Lane) -> Result<Option<Timestamp>, StoreError>;

    /// A page of a tenant's tasks in either order; of deleted ones only the record is left, and they
    /// are not listed.
    async fn list(&self, query: &ListQuery) -> Result<Vec<Arc<Task>>, StoreError>;

    /// Sums what a tenant's tasks cost, deleted ones among them: a page of groups in the order of
    /// their keys, and the sum over all groups. Both are of one moment. The sums are made where the
    /// tasks are: no task is read for it.
    async fn cost_report(&self, query: &CostQuery) -> Result<CostReport, StoreError>;

    /// Whether a provider's task already serves an attempt of the account.
    async fn upstream_in_use(&self, account: &str, upstream_id: &str) -> Result<bool, StoreError>;

    /// How long the last finished tasks of each model ran at the provider: at most `limit` rows of
    /// (model, milliseconds from start to end), newest first.
    async fn run_times(&self, limit: usize) -> Result<Vec<(String, i64)>, StoreError>;

    /// How tasks ended after `since` that completed or were moderated, oldest first: of very many the
    /// last `limit`. Tasks made longer ago than a day before `since` are not looked at.
    async fn endings(&self, since: Timestamp, limit: usize) -> Result<Vec<Ending>, StoreError>;

    /// Forgets tasks for good. Those not at rest ([`Lane::Rest`]), and those whose end is still to be
    /// told to somebody, are left alone.
    async fn remove(&self, ids: Vec<TaskId>) -> Result<usize, StoreError>;

    /// The feed of committed changes.
    fn changes(&self) -> &Arc<Changes>;
}

/// What became of a create.
#[derive(Clone, Debug)]
pub enum Created {
    /// Committed now.
    New(Arc<Task>),
    /// The key was used before; this is its task.
    Existing(Arc<Task>),
    /// A limit does not hold; nothing was written.
    Denied(Denied),
}

/// A request without an idempotency key that may have made a task already.
#[derive(Clone, Debug)]
pub struct Alike {
    /// Whose.
    pub tenant: TenantId,
    /// The API key it came with; `None`: none.
    pub key: Option<KeyId>,
    /// Its digest; `None`: whatever it asked for.
    pub fingerprint: Option<[u8; 32]>,
    /// Only tasks made at or after this are looked at.
    pub since: Timestamp,
}

/// The tasks of one tenant that wait for one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Whose.
    pub tenant: TenantId,
    /// The model as asked.
    pub model: String,
    /// How many, due or not.
    pub queued: u32,
    /// When the first of them is due.
    pub first_due: Timestamp,
}

/// Chooses among a tenant's tasks; all that is set must hold.
#[derive(Clone, Debug)]
pub struct TaskFilter {
    /// Whose.
    pub tenant: TenantId,
    /// Any of these statuses; empty: all.
    pub statuses: Vec<Status>,
    /// Any of these models, as asked; empty: all.
    pub models: Vec<String>,
    /// All of these labels.
    pub labels: Vec<(String, String)>,
    /// Created at or after.
    pub created_from: Option<Timestamp>,
    /// Created before.
    pub created_before: Option<Timestamp>,
}

/// Which tasks a page holds.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Among which.
    pub filter: TaskFilter,
    /// Strictly after this one (the last of the page before), in the order asked for.
    pub after: Option<TaskId>,
    /// In which order.
    pub sorted: Sorted,
    /// At most so many.
    pub limit: usize,
}

/// The order of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sorted {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another write came first, or a unique index refused. Read again and decide again.
    #[error("another write came first")]
    Conflict,
    /// The disk is full.
    #[error("the disk of the store is full")]
    Full,
    /// It cannot be reached or does not answer; a write may or may not have happened.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A stored value makes no sense.
    #[error("the store holds a value that makes no sense: {table}.{column} of {row}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row.
        row: String,
        /// The column.
        column: &'static str,
    },
}
