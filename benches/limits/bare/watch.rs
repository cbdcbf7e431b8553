//! Watches with one cell for each task that somebody watches, and no more.

use std::collections::HashMap;
use std::time::SystemTime;

use futures_util::stream;
use mediagen::pb::v1::watch_task_response::Event;
use mediagen::pb::v1::{CreateRequest, Task, TaskStatus, WatchTaskResponse};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Pushed, task};

/// The cells.
#[derive(Default)]
pub struct Topics {
    cells: Mutex<HashMap<String, watch::Sender<Task>>>,
}

impl Topics {
    /// The task as it is, then what it becomes; OK after its end.
    pub fn watch(&self, id: String) -> Pushed<WatchTaskResponse> {
        let mut cells = self.cells.lock();
        let cell = cells
            .entry(id)
            .or_insert_with_key(|id| watch::Sender::new(queued(id)));
        let mut receiver = cell.subscribe();
        receiver.mark_changed();
        Box::pin(stream::unfold(Some(receiver), async |receiver| {
            let mut receiver = receiver?;
            receiver.changed().await.ok()?;
            let task = receiver.borrow_and_update().clone();
            let is_end = task.status() == TaskStatus::Cancelled;
            let message = WatchTaskResponse {
                event: Some(Event::Task(task)),
            };
            Some((Ok(message), (!is_end).then_some(receiver)))
        }))
    }

    /// Ends a task, and tells who watches it. Nothing is written.
    pub fn cancel(&self, id: &str) -> Task {
        let cancelled = Task {
            status: TaskStatus::Cancelled.into(),
            revision: 2,
            update_time: Some(SystemTime::now().into()),
            ..queued(id)
        };
        if let Some(cell) = self.cells.lock().remove(id) {
            cell.send_replace(cancelled.clone());
        }
        cancelled
    }
}

fn queued(id: &str) -> Task {
    let asked = CreateRequest {
        request_id: format!("auto_{id}"),
        model: "gen4.5".to_owned(),
        prompt: "A serene lake at dawn".to_owned(),
        seconds: Some(5),
        size: "1280x720".to_owned(),
        ..CreateRequest::default()
    };
    Task {
        update_time: Some(SystemTime::now().into()),
        ..task(&asked, id.to_owned())
    }
}
