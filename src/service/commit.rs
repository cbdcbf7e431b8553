//! The last step of a create: the inputs are kept, and the task is committed or found to be there.

use std::sync::Arc;

use super::Service;
use super::create::CreateError;
use crate::domain::caller::Caller;
use crate::domain::generation::Draft;
use crate::domain::task::Task;
use crate::store::{Admission, Created, StoreError};
use crate::telemetry::request;

impl Service {
    /// Keeps the inputs and commits the task.
    pub(super) async fn keep(
        &self,
        task: Task,
        draft: &Draft,
        admission: Admission,
        caller: &Caller,
    ) -> Result<Arc<Task>, CreateError> {
        // Nothing is written to disk for a create that can be seen to be denied. It is asked for all
        // the same, for it may be the repeat of one that was let in meanwhile.
        let early = admission.passed(&task, self.parts().store.census());
        let Some(denied) = early.filter(|_| !draft.inputs.is_empty()) else {
            self.spool(task.id, draft).await?;
            return self.commit(task, &admission, caller).await;
        };
        let asked = task.order.model.clone();
        match self.commit(task, &Admission::closed(), caller).await {
            Err(CreateError::Denied(_)) => {
                Err(CreateError::Denied(self.limited(denied, caller, &asked)))
            }
            found => found,
        }
    }

    async fn commit(
        &self,
        task: Task,
        admission: &Admission,
        caller: &Caller,
    ) -> Result<Arc<Task>, CreateError> {
        let (id, print) = (task.id, task.fingerprint);
        let order = Arc::clone(&task.order);
        let spooled = !order.generation.inputs.is_empty();
        match self.parts().store.admit(task, admission).await {
            Ok(Created::New(task)) => {
                let request = request::current();
                tracing::info!(task = %id, model = task.order.model, request, "created");
                Ok(task)
            }
            Ok(Created::Denied(denied)) => {
                if spooled {
                    self.unspool(id).await;
                }
                let limited = self.limited(denied, caller, &order.model);
                Err(CreateError::Denied(limited))
            }
            Ok(Created::Existing(task)) => {
                if spooled {
                    self.unspool(id).await;
                }
                same_or_reused(task, &print)
            }
            // Whether it was committed is not known: its inputs must stay.
            Err(error @ StoreError::Unavailable(_)) => Err(error.into()),
            Err(error) => {
                if spooled {
                    self.unspool(id).await;
                }
                Err(match error {
                    StoreError::Full => CreateError::StorageFull,
                    other => other.into(),
                })
            }
        }
    }
}

/// The task of a key, if it is of this request.
pub(super) fn same_or_reused(task: Arc<Task>, print: &[u8; 32]) -> Result<Arc<Task>, CreateError> {
    if task.fingerprint == *print {
        Ok(task)
    } else {
        Err(CreateError::RequestIdReused(task.id))
    }
}
