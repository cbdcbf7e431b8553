//! What must hold for a task to be created or paid for again, checked in the transaction that commits
//! it: callers that race cannot pass a limit together.

use std::sync::Arc;

use crate::domain::caller::Budget;
use crate::domain::task::Task;
use crate::domain::time::Timestamp;

/// What must hold for a task to be created; `None`: no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Tasks waiting in the queue at most, of everybody.
    pub queued: Option<u32>,
    /// The same, of its tenant.
    pub queued_of_tenant: Option<u32>,
    /// The same, of its model as asked.
    pub queued_of_model: Option<u32>,
    /// Tasks of its key that have not ended at most.
    pub tasks_of_key: Option<u32>,
    /// What its key may spend, this task included.
    pub budget: Budget,
}

/// The limit that a task would pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The queue is full.
    #[error("the queue holds {most} tasks, which is all it may")]
    QueueFull {
        /// Whose queue.
        of: QueueOf,
        /// The limit.
        most: u32,
    },
    /// The key has as many unfinished tasks as it may.
    #[error("the key has {most} unfinished tasks, which is all it may")]
    KeyTasks {
        /// The limit.
        most: u32,
    },
    /// The key would spend more than it may.
    #[error("the key's budget would be exceeded")]
    Budget {
        /// When the period ends and the budget begins anew.
        renewed: Timestamp,
    },
}

/// Whose queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOf {
    /// The server's.
    Server,
    /// The tenant's.
    Tenant,
    /// The model's.
    Model,
}

/// What became of a save that a budget bounds.
#[derive(Clone, Debug)]
pub enum Saved {
    /// Committed.
    Committed(Arc<Task>),
    /// The budget does not hold; nothing was written.
    Denied(Denied),
}
