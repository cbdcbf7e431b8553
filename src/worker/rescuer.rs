//! Settles what a crash or a lost answer left: parks *submitting*, and decides at deadlines.

use std::sync::Arc;
use std::time::Duration;

use super::Desk;
use crate::domain::task::{Event, Lane, State, Task};
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// Parks every task found in *submitting*. Runs before any dispatcher does: each of them is the
/// work of a process that died.
pub(super) async fn park_all(desk: &Desk) -> Result<(), StoreError> {
    let mut cursor = None;
    loop {
        let page = desk
            .store
            .due(Lane::Settle, Timestamp::NEVER, cursor, PAGE)
            .await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        cursor = Some((last.next_step().1, last.id));
        for task in &page {
            if matches!(task.state, State::Submitting { .. }) {
                park(desk, task, "found submitting after a restart").await;
            }
        }
    }
}

/// Looks at what is due in the lane until the drain.
pub(super) async fn run(desk: Arc<Desk>) {
    loop {
        pass(&desk).await;
        if !desk.next_pass(Lane::Settle, LONGEST_REST).await {
            return;
        }
    }
}

async fn pass(desk: &Desk) {
    let mut cursor = None;
    while let Ok(page) = desk.store.due(Lane::Settle, desk.now(), cursor, PAGE).await {
        let Some(last) = page.last() else { return };
        cursor = Some((last.next_step().1, last.id));
        for task in &page {
            settle(desk, task).await;
        }
    }
}

async fn settle(desk: &Desk, task: &Task) {
    let submit = &desk.settings.submit;
    match task.state {
        State::SubmissionUnknown { .. } => {
            tracing::error!(task = %task.id, policy = ?submit.on_unknown, "submission stays unknown");
            // A failure was logged; the next pass is the retry.
            let _ = desk
                .record(task.id, &Event::DeadlinePassed(submit.on_unknown))
                .await;
        }
        State::Submitting { .. } if desk.now().since(task.times.updated) > submit.quarantine => {
            park(desk, task, "its create was abandoned").await;
        }
        _ => {}
    }
}

async fn park(desk: &Desk, task: &Task, why: &str) {
    let State::Submitting { attempt } = task.state else {
        return;
    };
    let deadline = desk.now().after(desk.settings.submit.unknown_deadline);
    tracing::warn!(task = %task.id, attempt, why, "outcome of the create is unknown");
    let event = Event::Ambiguous {
        attempt,
        evidence: why.to_owned(),
        deadline,
    };
    let _ = desk.record_evidence(task.id, &event).await;
}

/// Tasks read at once.
const PAGE: usize = 256;
/// A pass comes at least so often.
const LONGEST_REST: Duration = Duration::from_secs(5);
