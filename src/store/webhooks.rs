//! The part of the store that knows who is to be told of ends, and what became of it.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::id::TaskId;
use crate::domain::time::Timestamp;
use crate::domain::webhook::Delivery;

/// A durable outbox of deliveries.
///
/// Nothing adds to it but the write that ends a task ([`TaskStore::save`](super::TaskStore::save)):
/// either both are on disk or neither is. Every method is atomic, and a write that returned `Ok` is on
/// disk. Deliveries go with their task's record, and no record goes while one of its deliveries is
/// pending.
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// Up to `limit` of those to whom anything is pending, in the order of their names, strictly after
    /// `after`. It costs one search in an index for each, however much is pending.
    async fn receivers(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Receiver>, StoreError>;

    /// Up to `limit` of a receiver's pending deliveries that are due at or before `until`, in the
    /// order of (due, task). What makes no sense is left out and logged.
    async fn due_deliveries(
        &self,
        receiver: &str,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// Up to `limit` of a receiver's pending deliveries that were made at or before `until`, due or not.
    /// It looks at each that is pending to the receiver. What makes no sense is left out and logged.
    async fn late_deliveries(
        &self,
        receiver: &str,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// Every delivery of a task, oldest first; none also where there is no such task.
    async fn deliveries(&self, task: TaskId) -> Result<Vec<Delivery>, StoreError>;

    /// Commits what a try brought, if the stored delivery is pending and was tried exactly once less.
    /// Says whether it was: a try that was recorded before counts once.
    async fn settle(&self, next: Delivery) -> Result<bool, StoreError>;

    /// How many deliveries are pending.
    async fn pending_deliveries(&self) -> Result<u64, StoreError>;
}

/// Somebody to whom something is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// As [`receiver`](crate::domain::webhook::receiver) says.
    pub name: String,
    /// When the first of it is due.
    pub first_due: Timestamp,
}
