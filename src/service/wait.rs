//! Waiting for the end of tasks, for callers that are answered only then.
//!
//! A wait subscribes, then reads, and is woken by commits: it asks nobody and costs no provider
//! anything. Its one timer is its own end. Dropping it leaves the tasks as they are.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::{LookupError, Service, WatchError};
use crate::domain::id::{TaskId, TenantId};
use crate::domain::task::Task;

/// One of the watches that may be open; given back when dropped.
///
/// Take it before the tasks are made: nothing is paid for that nobody may wait for.
#[derive(Debug)]
pub struct WaitPlace {
    _place: OwnedSemaphorePermit,
}

/// Why a wait ended before its tasks did.
#[derive(Debug, thiserror::Error)]
pub enum WaitEnd {
    /// The time is over.
    #[error("the tasks have not ended in time")]
    TimedOut,
    /// The server is going away.
    #[error("the server is draining")]
    Draining,
    /// A task is gone, or cannot be read.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

impl Service {
    /// A place for one wait.
    ///
    /// # Errors
    /// [`WatchError::TooMany`].
    pub fn wait_place(&self) -> Result<WaitPlace, WatchError> {
        let limit = self.parts().settings.max_watches;
        let place = Arc::clone(&self.inner.watches).try_acquire_owned();
        let place = place.map_err(|_| WatchError::TooMany { limit })?;
        Ok(WaitPlace { _place: place })
    }

    /// The tasks as they ended, in order, waited for `at_most`.
    ///
    /// # Errors
    /// Why they are not waited for any longer; they go on.
    pub async fn wait(
        &self,
        _place: &WaitPlace,
        tenant: &TenantId,
        ids: &[TaskId],
        at_most: Duration,
    ) -> Result<Vec<Arc<Task>>, WaitEnd> {
        let waiting = self.inner.receipts.waiting(ids);
        let end = tokio::select! {
            biased;
            ended = self.all_ended(tenant, ids) => ended.map_err(WaitEnd::from),
            () = self.parts().shutdown.draining() => Err(WaitEnd::Draining),
            () = tokio::time::sleep(at_most) => Err(WaitEnd::TimedOut),
        };
        waiting.end();
        end
    }

    async fn all_ended(
        &self,
        tenant: &TenantId,
        ids: &[TaskId],
    ) -> Result<Vec<Arc<Task>>, LookupError> {
        let mut ended = Vec::with_capacity(ids.len());
        // Every one must end, so it does not matter which is waited for first.
        for id in ids {
            ended.push(self.ended(tenant, *id).await?);
        }
        Ok(ended)
    }

    /// The task when it has ended.
    async fn ended(&self, tenant: &TenantId, id: TaskId) -> Result<Arc<Task>, LookupError> {
        let mut subscription = self.parts().store.changes().subscribe(id);
        // What is committed after this read is told to the subscription.
        let mut task = self.look(tenant, id).await?;
        while !task.state.is_terminal() {
            subscription.changed().await;
            if let Some(latest) = subscription.latest().task {
                task = latest;
            }
        }
        Ok(task)
    }
}
