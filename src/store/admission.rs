//! What must hold for a task to be created or paid for again, checked in the transaction that commits
//! it: callers that race cannot pass a limit together.

use std::sync::Arc;

use super::census::Census;
use crate::domain::caller::Budget;
use crate::domain::money::Millicredits;
use crate::domain::spending::Exceeded;
use crate::domain::task::Task;

/// What must hold for a task to be created; `None`: no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Tasks waiting in the queue at most, of everybody.
    pub queued: Option<u32>,
    /// The same, of its tenant.
    pub queued_of_tenant: Option<u32>,
    /// The same, of its model by any of its names.
    pub queued_of_model: Option<u32>,
    /// The other names that mean its model.
    pub model_names: Vec<String>,
    /// Tasks of its key that have not ended at most.
    pub tasks_of_key: Option<u32>,
    /// What its key may spend, this task included.
    pub budget: Budget,
    /// How many tasks like this one its call makes after it: it is let in only where they fit too.
    pub more: u32,
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
    #[error("the key's budget of the {} would be exceeded", .0.period.as_str())]
    Budget(Exceeded),
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

impl Admission {
    /// Lets nothing in that is not there already.
    pub fn closed() -> Self {
        Self {
            queued: Some(0),
            ..Self::default()
        }
    }

    /// What a task that spends `one` and those after it spend together.
    pub fn spend(&self, one: Millicredits) -> Millicredits {
        let all = u64::from(self.more).saturating_add(1);
        Millicredits(one.0.saturating_mul(all))
    }

    /// The first limit but the budget that one more task would pass. The store asks this in the
    /// transaction; before it, the answer may be out of date.
    pub fn passed(&self, task: &Task, census: &Census) -> Option<Denied> {
        let full = |of, most: Option<u32>, queued: &dyn Fn() -> u32| {
            most.filter(|most| queued().saturating_add(self.more) >= *most)
                .map(|most| Denied::QueueFull { of, most })
        };
        let of_model = || {
            let others = self.model_names.iter().filter(|n| **n != task.order.model);
            let names = others.map(String::as_str).chain([&*task.order.model]);
            names.fold(0, |sum: u32, name| {
                sum.saturating_add(census.queued_of_model(name))
            })
        };
        let of_key = || {
            let key = task.key.as_ref()?;
            let most = self.tasks_of_key?;
            let unfinished = census.unfinished_of_key(key).saturating_add(self.more);
            (unfinished >= most).then_some(Denied::KeyTasks { most })
        };
        full(QueueOf::Server, self.queued, &|| census.queued())
            .or_else(|| {
                full(QueueOf::Tenant, self.queued_of_tenant, &|| {
                    census.queued_of_tenant(&task.tenant)
                })
            })
            .or_else(|| full(QueueOf::Model, self.queued_of_model, &of_model))
            .or_else(of_key)
    }
}
