//! Follows a task to its end over as many watches as that takes.
//!
//! A watch that breaks is resumed by revision. One that ends without the terminal task (its
//! revision may have been seen before) is settled by asking once.

use tonic::Status;

use super::client::{Client, MAX_REPEATS, explain, pause, task_of};
use super::failure::{Exit, Failure, is_passing};
use crate::pb::v1::watch_task_response::Event;
use crate::pb::v1::{StatusRequest, Task, TaskStatus, WatchTaskRequest};

/// Reports every task that a watch brings to `seen`, and returns the terminal one.
pub async fn follow(
    client: &mut Client,
    task_id: &str,
    mut after_revision: u64,
    mut seen: impl FnMut(&Task) -> Result<(), Failure>,
) -> Result<Task, Failure> {
    let mut failures = 0;
    loop {
        let (from, mut heard) = (after_revision, false);
        let mut report = |task: &Task| {
            after_revision = after_revision.max(task.revision);
            seen(task)
        };
        let passing = match watch(client, task_id, from, &mut heard, &mut report).await {
            Ok(Some(task)) => return Ok(task),
            Ok(None) => {
                let task = status(client, task_id).await?;
                if is_terminal(&task) {
                    report(&task)?;
                    return Ok(task);
                }
                Failure::new(
                    Exit::Unavailable,
                    "the server ends the watch early each time",
                )
            }
            Err(End::Ours(failure)) => return Err(failure),
            Err(End::Status(status)) if is_passing(&status) => explain(*status),
            Err(End::Status(status)) => return Err(explain(*status)),
        };
        failures = if heard { 0 } else { failures + 1 };
        if failures > MAX_REPEATS {
            return Err(passing);
        }
        tracing::debug!(task_id, %passing, after_revision, "the watch is resumed");
        tokio::time::sleep(pause(failures)).await;
    }
}

/// Whether a task has ended.
pub fn is_terminal(task: &Task) -> bool {
    matches!(
        task.status(),
        TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled
    )
}

/// The task as last committed.
pub async fn status(client: &mut Client, task_id: &str) -> Result<Task, Failure> {
    let request = StatusRequest {
        task_id: task_id.into(),
    };
    let answer = client.status(request).await.map_err(explain)?;
    task_of(answer.into_inner().task)
}

/// Why a watch ended early.
enum End {
    Status(Box<Status>),
    Ours(Failure),
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// One watch. `None` when it ended well without a terminal task; `heard` says whether anything came,
/// be it a heartbeat.
async fn watch(
    client: &mut Client,
    task_id: &str,
    after_revision: u64,
    heard: &mut bool,
    seen: &mut impl FnMut(&Task) -> Result<(), Failure>,
) -> Result<Option<Task>, End> {
    let request = WatchTaskRequest {
        task_id: task_id.into(),
        after_revision,
    };
    let mut stream = client.watch_task(request).await?.into_inner();
    while let Some(message) = stream.message().await? {
        *heard = true;
        let Some(Event::Task(task)) = message.event else {
            continue;
        };
        seen(&task).map_err(End::Ours)?;
        if is_terminal(&task) {
            return Ok(Some(task));
        }
    }
    Ok(None)
}
