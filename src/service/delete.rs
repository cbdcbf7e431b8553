//! Delete: content, prompt and inputs go; a tombstone stays, so that costs stay right and the same
//! `request_id` never pays again.

use super::{LookupError, Service};
use crate::domain::id::{TaskId, TenantId};
use crate::domain::task::Event;
use crate::store::{StoreError, Update, UpdateError, update};

/// Why a task was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// No such task, or deleted already.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// It has not ended; cancel it first.
    #[error("the task has not ended")]
    NotTerminal,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// Deletes an ended task. The bytes go soon after; nothing can be read from now on.
    pub async fn delete(&self, tenant: &TenantId, id: TaskId) -> Result<(), DeleteError> {
        let task = self.status(tenant, id).await?;
        if !task.state.is_terminal() {
            return Err(DeleteError::NotTerminal);
        }
        match update(self.parts().store.as_ref(), id, &Event::Deleted, self.now()).await {
            Ok(Update::Saved(_) | Update::Refused(..)) => Ok(()),
            Err(UpdateError::NotFound) => Err(LookupError::NotFound.into()),
            Err(UpdateError::Store(error)) => Err(error.into()),
        }
    }
}
