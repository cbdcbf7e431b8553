//! A call for several outputs: one task where the model makes so many at once, else several tasks.

use std::sync::Arc;

use super::create::print_of;
use super::{CreateError, NewRequest, Service};
use crate::domain::caller::Caller;
use crate::domain::generation::{Draft, Part};
use crate::domain::id::TaskId;
use crate::domain::task::{Event, State, Task};
use crate::store::StoreError;
use crate::telemetry;

/// Why not every task of a call was made.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotAll {
    /// Why one was not.
    #[source]
    pub error: CreateError,
    /// Those that were made before it. What had not been sent to a provider is cancelled, at no cost;
    /// the others go on.
    pub made: Vec<TaskId>,
}

impl Service {
    /// Makes `count` outputs of what is asked, or finds the tasks that this request made before: one
    /// task where the model makes so many at once, else as many tasks of one output. The first of
    /// several is made only where all of them fit within the limits. The `count` of the draft is set
    /// here.
    ///
    /// Runs detached, as one: a caller who hangs up stops nothing half way.
    pub async fn create_many(
        &self,
        caller: Caller,
        request: NewRequest,
        count: u32,
    ) -> Result<Vec<Arc<Task>>, NotAll> {
        if self.is_draining() {
            let mut request = request;
            let tasks = self.divided(&caller, &mut request, count).await?;
            let first = Part::all(tasks).next().unwrap_or(Part::WHOLE);
            let print = print_of(&request, first);
            return Err(self.drained(&caller, &request, print).await.into());
        }
        let service = self.clone();
        let work =
            telemetry::kept(async move { service.create_parts(caller, request, count).await });
        let gone = |_| CreateError::Store(StoreError::Unavailable("the create died".to_owned()));
        self.parts().shutdown.spawn(work).await.map_err(gone)?
    }

    async fn create_parts(
        &self,
        caller: Caller,
        mut request: NewRequest,
        count: u32,
    ) -> Result<Vec<Arc<Task>>, NotAll> {
        let tasks = self.divided(&caller, &mut request, count).await?;
        let mut made: Vec<Arc<Task>> = Vec::new();
        for part in Part::all(tasks) {
            match self.create_part(&caller, &mut request, part).await {
                Ok(task) => made.push(task),
                Err(error) => {
                    self.take_back(&made).await;
                    let made = made.iter().map(|task| task.id).collect();
                    return Err(NotAll { error, made });
                }
            }
        }
        Ok(made)
    }

    /// The request as each of so many tasks is asked for.
    async fn divided(
        &self,
        caller: &Caller,
        request: &mut NewRequest,
        count: u32,
    ) -> Result<u32, CreateError> {
        request.draft.count = Some(count);
        let tasks = self.tasks_for(caller, &request.draft).await?;
        if tasks > 1 {
            request.draft.count = Some(1);
        }
        Ok(tasks)
    }

    /// How many tasks make the outputs that a draft asks for. What is wrong with it otherwise is said
    /// by the create.
    async fn tasks_for(&self, caller: &Caller, draft: &Draft) -> Result<u32, CreateError> {
        let asked = draft.count.unwrap_or(1);
        if asked == 1 {
            return Ok(1);
        }
        let known = self.completed(&caller.tenant, draft.clone()).await?;
        let Err(wrong) = self.generation(&known) else {
            return Ok(1);
        };
        let single = Draft {
            count: Some(1),
            ..known
        };
        let is_only_count = wrong.iter().all(|field| field.field == "count");
        Ok(if is_only_count && self.generation(&single).is_ok() {
            asked
        } else {
            1
        })
    }

    /// Ends those that no provider has heard of. Nobody is told of a failure: what is not ended goes on
    /// like any other task.
    async fn take_back(&self, made: &[Arc<Task>]) {
        for task in made {
            for _ in 0..MOST_TRIES {
                match self.take_back_one(task.id).await {
                    Ok(()) => break,
                    Err(StoreError::Conflict) => {}
                    Err(error) => {
                        tracing::warn!(task = %task.id, %error, "a part was not taken back");
                        break;
                    }
                }
            }
        }
    }

    async fn take_back_one(&self, id: TaskId) -> Result<(), StoreError> {
        let store = &self.parts().store;
        let Some(task) = store.get(id).await? else {
            return Ok(());
        };
        if !matches!(task.state, State::Queued { .. }) {
            return Ok(());
        }
        // The save counts only for the version that was seen to be queued.
        if let Ok(next) = task.apply(&Event::CancelRequested, self.now()) {
            store.save(next).await?;
        }
        Ok(())
    }
}

impl From<CreateError> for NotAll {
    fn from(error: CreateError) -> Self {
        Self {
            error,
            made: Vec::new(),
        }
    }
}

/// Writes by others that may come between a read of a queued task and its end: claims, at most one of
/// each account.
const MOST_TRIES: usize = 8;
