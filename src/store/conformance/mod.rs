//! The promises of [`TaskStore`](super::TaskStore), one function each, for every implementation.
//!
//! Each function is given an empty store. What only one implementation promises is tested beside it.

#![expect(
    clippy::missing_panics_doc,
    reason = "a broken promise panics: that is what these functions are for"
)]

pub mod admission;
pub mod costs;
pub mod counts;
pub mod reading;
pub mod uploads;
pub mod webhooks;
pub mod writing;

use std::sync::Arc;

use super::{Created, TaskFilter, TaskStore};
use crate::domain::id::TenantId;
use crate::domain::task::samples::{NOW, situations, task};
use crate::domain::task::{Event, Task};
use crate::domain::time::Timestamp;

/// Commits a new task.
pub async fn create(store: &dyn TaskStore, task: Task) -> Arc<Task> {
    match store.create(task).await.expect("a create") {
        Created::New(task) => task,
        Created::Existing(task) => panic!("{} was there", task.id),
        Created::Denied(denied) => panic!("{denied}"),
    }
}

/// Commits the task after each of `events`.
pub async fn lead(store: &dyn TaskStore, mut task: Arc<Task>, events: &[Event]) -> Arc<Task> {
    for event in own_ids(&task, events) {
        let now = Timestamp(task.times.updated.0 + 1);
        let next = task.apply(&event, now).expect("a legal walk");
        task = store.save(next).await.expect("a save");
    }
    task
}

/// Commits a task in every situation there is.
pub async fn one_of_each(store: &dyn TaskStore) -> Vec<Arc<Task>> {
    let mut tasks = Vec::new();
    for (n, (_, events)) in (1..).zip(situations()) {
        let created = create(store, task(n)).await;
        tasks.push(lead(store, created, &events).await);
    }
    tasks
}

/// A filter that lets every task of a tenant pass.
pub fn every_task_of(tenant: &str) -> TaskFilter {
    TaskFilter {
        tenant: TenantId::named(tenant),
        statuses: Vec::new(),
        models: Vec::new(),
        labels: Vec::new(),
        created_from: None,
        created_before: None,
    }
}

/// The events with ids of the provider that no other task has.
fn own_ids(task: &Task, events: &[Event]) -> Vec<Event> {
    let mut events = events.to_vec();
    for event in &mut events {
        if let Event::Accepted {
            attempt,
            upstream_id,
            ..
        } = event
        {
            *upstream_id = format!("up-{}-{attempt}", task.id);
        }
    }
    events
}

/// A moment after everything that samples hold.
pub const FAR: Timestamp = Timestamp(NOW.0 + 1_000_000_000);
