//! `ResolveUnknown`: an operator's word on a create whose answer was lost.

use std::sync::Arc;
use std::time::Duration;

use super::{LookupError, Service};
use crate::domain::id::{TaskId, TenantId};
use crate::domain::task::{Event, Resolution, State, Task};
use crate::provider::{ProviderError, ProviderErrorKind};
use crate::store::{StoreError, Update, UpdateError, update};

/// Why it was not settled.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// No such task.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The task's submission is not unknown.
    #[error("the task's submission is not unknown")]
    NotUnknown,
    /// The lost create may still arrive; wait so long.
    #[error("the lost create may still arrive; wait {} s", .0.as_secs())]
    Quarantine(Duration),
    /// The provider's task serves another attempt.
    #[error("the provider's task serves another attempt")]
    UpstreamIdInUse,
    /// The account does not know such a task.
    #[error("the provider does not know that task")]
    UpstreamIdUnknown,
    /// The provider could not be asked.
    #[error("the provider could not be asked")]
    Provider(#[source] ProviderError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// Settles an unknown submission.
    pub async fn resolve(
        &self,
        tenant: &TenantId,
        id: TaskId,
        resolution: Resolution,
    ) -> Result<Arc<Task>, ResolveError> {
        let task = self.look(tenant, id).await?;
        let State::SubmissionUnknown { .. } = task.state else {
            return Err(ResolveError::NotUnknown);
        };
        match &resolution {
            Resolution::Attach { upstream_id } => self.check_upstream(&task, upstream_id).await?,
            Resolution::NotCharged => self.check_quarantine(&task)?,
            Resolution::Charged => {}
        }
        let event = Event::Resolved(resolution.clone());
        match update(self.parts().store.as_ref(), id, &event, self.now()).await {
            Ok(Update::Saved(task)) => {
                tracing::warn!(task = %id, ?resolution, "an operator settled an unknown submission");
                Ok(task)
            }
            Ok(Update::Refused(..)) => Err(ResolveError::NotUnknown),
            Err(UpdateError::NotFound) => Err(LookupError::NotFound.into()),
            Err(UpdateError::Store(StoreError::Conflict)) => Err(ResolveError::UpstreamIdInUse),
            Err(UpdateError::Store(error)) => Err(error.into()),
        }
    }

    /// A provider's task may be attached only if it exists and serves nobody else.
    async fn check_upstream(&self, task: &Task, upstream_id: &str) -> Result<(), ResolveError> {
        let account = task
            .current_attempt()
            .map_or("", |attempt| attempt.account.as_str());
        if self
            .parts()
            .store
            .upstream_in_use(account, upstream_id)
            .await?
        {
            return Err(ResolveError::UpstreamIdInUse);
        }
        let account = self
            .roster()
            .accounts
            .get(account)
            .ok_or(ResolveError::UpstreamIdUnknown)?;
        match account.provider().observe(upstream_id).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ProviderErrorKind::NotFound => {
                Err(ResolveError::UpstreamIdUnknown)
            }
            Err(error) => Err(ResolveError::Provider(error)),
        }
    }

    fn check_quarantine(&self, task: &Task) -> Result<(), ResolveError> {
        let Some(attempt) = task.current_attempt() else {
            return Err(ResolveError::NotUnknown);
        };
        let over = attempt.started.after(self.parts().settings.quarantine);
        let left = over.since(self.now());
        if left.is_zero() {
            Ok(())
        } else {
            Err(ResolveError::Quarantine(left))
        }
    }
}
