//! A task as the contract shows it.

use super::names;
use super::time::{duration, timestamp};
use crate::domain::artifact::Artifact;
use crate::domain::model::spelled;
use crate::domain::money::{Cost, Millicredits, UsdRate};
use crate::domain::task::{Attempt, Failure, Milestone, Progress, State, Task};
use crate::pb::v1;
use crate::service::CancelOutcome;

/// The task; `progress` is what is known between commits, `rate` what a credit costs.
pub(in crate::grpc) fn task(task: &Task, progress: Progress, rate: UsdRate) -> v1::Task {
    let (order, times) = (&task.order, &task.times);
    let generation = &order.generation;
    let revised = task.history.last().map_or(times.updated, |last| last.time);
    v1::Task {
        id: task.id.to_string(),
        request_id: task.request_id.as_str().to_owned(),
        operation: names::operation(generation.operation) as i32,
        model: order.model.clone(),
        deployment: task.deployment().unwrap_or_default().to_owned(),
        status: names::status(task.status()) as i32,
        status_detail: task.status_detail.clone(),
        progress: share(&task.state, progress),
        revision: task.revision,
        create_time: timestamp(times.created),
        submit_time: times.submitted.and_then(timestamp),
        start_time: times.started.and_then(timestamp),
        complete_time: times.completed.and_then(timestamp),
        update_time: timestamp(revised),
        prompt: generation.prompt.clone(),
        seconds: generation.seconds,
        size: generation.size.as_deref().map(spelled).unwrap_or_default(),
        labels: order.labels.clone().into_iter().collect(),
        history: task.history.iter().map(history_entry).collect(),
        outputs: task.outputs.iter().map(output).collect(),
        cost: Some(cost(&task.cost(), rate)),
        error: task.failure().map(task_error),
        attempts: task.attempts.iter().map(|one| attempt(one, rate)).collect(),
    }
}

/// The contract's number of what a cancel achieved.
pub(in crate::grpc) const fn cancel_outcome(outcome: CancelOutcome) -> v1::CancelOutcome {
    match outcome {
        CancelOutcome::BeforeSubmit => v1::CancelOutcome::CancelledBeforeSubmit,
        CancelOutcome::Requested => v1::CancelOutcome::Requested,
        CancelOutcome::Upstream => v1::CancelOutcome::CancelledUpstream,
        CancelOutcome::TooLate => v1::CancelOutcome::TooLate,
    }
}

/// Everything but the copy is done while content is archived; what ended without content came to nothing.
fn share(state: &State, progress: Progress) -> f32 {
    let known = match state {
        State::Archiving | State::Completed => Progress::DONE,
        State::Failed(_) | State::Cancelled { .. } => Progress::default(),
        State::Queued { .. }
        | State::Submitting { .. }
        | State::SubmissionUnknown { .. }
        | State::Submitted
        | State::Throttled
        | State::Running => progress,
    };
    f32::from(known.ten_thousandths()) / f32::from(Progress::DONE.ten_thousandths())
}

fn history_entry(milestone: &Milestone) -> v1::HistoryEntry {
    v1::HistoryEntry {
        revision: milestone.revision,
        status: names::status(milestone.status) as i32,
        time: timestamp(milestone.time),
    }
}

fn output(artifact: &Artifact) -> v1::Output {
    v1::Output {
        index: artifact.index,
        content_type: artifact.content_type.clone(),
        size_bytes: artifact.size_bytes,
        sha256: hex::encode(artifact.sha256),
        width: artifact.width,
        height: artifact.height,
        duration: artifact.duration_ms.map(duration),
        expire_time: timestamp(artifact.expires),
    }
}

/// An amount in credits and dollars.
pub(in crate::grpc) fn cost(cost: &Cost, rate: UsdRate) -> v1::Cost {
    let credits = |amount: Option<Millicredits>| amount.map(|amount| signed(amount.0));
    let dollars =
        |amount: Option<Millicredits>| amount.map(|amount| signed(amount.usd_micros(rate)));
    v1::Cost {
        estimated_millicredits: credits(cost.estimated),
        actual_millicredits: credits(cost.actual),
        estimated_usd_micros: dollars(cost.estimated),
        actual_usd_micros: dollars(cost.actual),
        charge: names::charge(cost.charge) as i32,
    }
}

fn task_error(failure: &Failure) -> v1::TaskError {
    v1::TaskError {
        reason: failure.reason.as_str().to_owned(),
        message: failure.message.clone(),
        provider_code: failure.provider_code.clone(),
        provider_message: failure.provider_message.clone(),
        retryable: failure.reason.retryable(),
    }
}

fn attempt(attempt: &Attempt, rate: UsdRate) -> v1::Attempt {
    v1::Attempt {
        number: attempt.number,
        deployment: attempt.deployment.clone(),
        provider_task_id: attempt.upstream_id.clone().unwrap_or_default(),
        outcome: names::attempt_outcome(attempt.outcome) as i32,
        reason: sentences([&attempt.changes, &attempt.reason]),
        start_time: timestamp(attempt.started),
        end_time: attempt.ended.and_then(timestamp),
        cost: Some(cost(&attempt.cost, rate)),
    }
}

/// Those that say something, one after the other.
fn sentences(all: [&str; 2]) -> String {
    match all {
        [first, ""] => first.to_owned(),
        ["", second] => second.to_owned(),
        [first, second] => format!("{first}; {second}"),
    }
}

/// The contract's integers have a sign; no amount comes near the largest.
pub(in crate::grpc) fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
