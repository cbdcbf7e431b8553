//! Outputs that came with the acceptance of their create, from a provider that generates while it is
//! asked.
//!
//! Their bytes are in the archive before the acceptance is recorded: a crash after it loses nothing,
//! and a crash before it leaves a create of unknown outcome, like any other. No row ever holds them.

use std::time::Duration;

use super::Desk;
use crate::archive::{ArchiveError, Key};
use crate::domain::id::TaskId;
use crate::domain::task::{Event, Finished, Observation};

/// Keeps the bytes. What cannot be kept is lost: the task then fails with what it cost, for the
/// acceptance is recorded all the same.
pub(super) async fn keep(desk: &Desk, task: TaskId, made: &Finished) {
    for (n, bytes) in (0..).zip(&made.outputs) {
        let key = Key::made(task, n);
        for tried in 1..=TRIES {
            let put = async {
                let mut writer = desk.archive.writer(key).await?;
                writer.write(bytes.clone()).await?;
                writer.finish().await
            };
            let Err::<_, ArchiveError>(error) = put.await else {
                break;
            };
            tracing::error!(%task, tried, %error, "an output that was paid for could not be kept");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Says that the provider has finished, once its acceptance is recorded: the poller need not ask.
/// Should this be lost, it asks.
pub(super) async fn announce(desk: &Desk, task: TaskId, attempt: u32, seen: Observation) {
    desk.outputs.lock().put(task, seen.outputs.clone());
    let _ = desk.record(task, &Event::Observed { attempt, seen }).await;
}

/// How often one output is tried to be kept.
const TRIES: u32 = 3;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);
