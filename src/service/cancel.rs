//! Cancel: best effort, idempotent, and never an error on an ended task.

use std::sync::Arc;

use super::{LookupError, Service};
use crate::domain::id::{TaskId, TenantId};
use crate::domain::task::{Event, State, Task};
use crate::store::{StoreError, Update, UpdateError, update};

/// What a cancel achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The task never reached a provider: proved free.
    BeforeSubmit,
    /// Recorded; the worker will cancel at the provider. Watch the task for the end.
    Requested,
    /// It was cancelled at the provider; it may have been charged.
    Upstream,
    /// The task had ended (cancelled or not), or its content was being copied already.
    TooLate,
}

/// A cancel's result.
#[derive(Clone, Debug)]
pub struct Cancelled {
    /// The task as it stands.
    pub task: Arc<Task>,
    /// What was achieved.
    pub outcome: CancelOutcome,
}

/// Why a cancel could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// No such task.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// Asks for the end of a task. Runs detached, like a create.
    pub async fn cancel(&self, tenant: TenantId, id: TaskId) -> Result<Cancelled, CancelError> {
        self.status(&tenant, id).await?;
        let service = self.clone();
        let work = async move {
            let store = service.parts().store.as_ref();
            update(store, id, &Event::CancelRequested, service.now()).await
        };
        let gone = |_| StoreError::Unavailable("the cancel died".to_owned());
        let updated = self.parts().shutdown.spawn(work).await.map_err(gone)?;
        let updated = updated.map_err(CancelError::from)?;
        let task = Arc::clone(updated.task());
        let outcome = match &updated {
            // It had ended before: whoever ended it, this call did nothing.
            Update::Refused(task, _) if task.state.is_terminal() => CancelOutcome::TooLate,
            Update::Refused(..) | Update::Saved(_) => outcome(&task.state),
        };
        tracing::info!(task = %id, ?outcome, "cancel asked for");
        Ok(Cancelled { task, outcome })
    }
}

const fn outcome(state: &State) -> CancelOutcome {
    match state {
        State::Cancelled {
            before_submit: true,
        } => CancelOutcome::BeforeSubmit,
        State::Cancelled {
            before_submit: false,
        } => CancelOutcome::Upstream,
        State::Archiving | State::Completed | State::Failed(_) => CancelOutcome::TooLate,
        State::Queued { .. }
        | State::Submitting { .. }
        | State::SubmissionUnknown { .. }
        | State::Submitted
        | State::Throttled
        | State::Running => CancelOutcome::Requested,
    }
}

impl From<UpdateError> for CancelError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::NotFound => Self::Lookup(LookupError::NotFound),
            UpdateError::Store(error) => Self::Store(error),
        }
    }
}
