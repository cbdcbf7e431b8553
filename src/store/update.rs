//! Read, decide, write; again when another write came first.

use std::sync::Arc;

use super::{Saved, StoreError, TaskStore};
use crate::domain::caller::Budget;
use crate::domain::id::TaskId;
use crate::domain::task::{Event, Refusal, Task};
use crate::domain::time::Timestamp;

/// What became of an event.
#[derive(Clone, Debug)]
pub enum Update {
    /// It changed the task; committed.
    Saved(Arc<Task>),
    /// It changes nothing in the task as it stands.
    Refused(Arc<Task>, Refusal),
}

impl Update {
    /// The task as it stands now.
    pub const fn task(&self) -> &Arc<Task> {
        match self {
            Self::Saved(task) | Self::Refused(task, _) => task,
        }
    }
}

/// Why an event could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// There is no such task.
    #[error("there is no such task")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies an event to the task as it stands, however often another write comes first.
///
/// # Errors
/// [`UpdateError::Store`] with [`StoreError::Conflict`] when `MAX_RACES` writes in a row came
/// first, or when a unique index refuses the change for good.
pub async fn update(
    store: &dyn TaskStore,
    id: TaskId,
    event: &Event,
    now: Timestamp,
) -> Result<Update, UpdateError> {
    let mut races = 0;
    loop {
        let task = store.get(id).await?.ok_or(UpdateError::NotFound)?;
        let next = match task.apply(event, now) {
            Ok(next) => next,
            Err(refusal) => return Ok(Update::Refused(task, refusal)),
        };
        match store.save(next).await {
            Ok(saved) => return Ok(Update::Saved(saved)),
            Err(StoreError::Conflict) if races < MAX_RACES => races += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// As [`update`], but only if the key's budget holds with what the event makes the task spend. `None`:
/// it does not; nothing was written.
///
/// # Errors
/// As [`update`].
pub async fn update_within(
    store: &dyn TaskStore,
    id: TaskId,
    event: &Event,
    budget: Budget,
    now: Timestamp,
) -> Result<Option<Update>, UpdateError> {
    let mut races = 0;
    loop {
        let task = store.get(id).await?.ok_or(UpdateError::NotFound)?;
        let next = match task.apply(event, now) {
            Ok(next) => next,
            Err(refusal) => return Ok(Some(Update::Refused(task, refusal))),
        };
        match store.save_within(next, budget).await {
            Ok(Saved::Committed(saved)) => return Ok(Some(Update::Saved(saved))),
            Ok(Saved::Denied(_)) => return Ok(None),
            Err(StoreError::Conflict) if races < MAX_RACES => races += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Far more writers than one task ever has.
const MAX_RACES: u32 = 16;
