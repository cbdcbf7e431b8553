//! The spans of a task after its Create, each made when the commit that ends it is told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, Tracer as _};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::Span;

use super::call::under;
use super::{TRACING, TraceParent};
use crate::clock::Clock;
use crate::domain::task::{Attempt, AttemptOutcome, Task};
use crate::domain::time::Timestamp;

/// A task was committed.
pub fn created(task: &Task) {
    let span = begin(task, "commit", SpanKind::Internal, task.times.created);
    end(span, Timestamp(Clock.now_ms()));
}

/// The first attempt of a task begins.
pub fn queued(task: &Task, attempt: &Attempt) {
    let span = begin(task, "queue", SpanKind::Internal, task.times.created);
    end(span, attempt.started);
}

/// The outcome of an attempt was recorded.
pub fn attempted(task: &Task, attempt: &Attempt, outcome: &'static str) {
    let Some(mut span) = begin(task, "submit", SpanKind::Client, attempt.started) else {
        return;
    };
    span.set_attribute(KeyValue::new("mediagen.outcome", outcome));
    of_attempt(&mut span, attempt);
    if let Some(fault) = attempt.fault {
        span.set_attribute(KeyValue::new("mediagen.fault", fault.as_str()));
    }
    if attempt.outcome != AttemptOutcome::Accepted {
        span.set_status(Status::error(outcome));
    }
    end(Some(span), task.times.updated);
}

/// A task left the provider, which had been asked about it so often.
pub fn generated(task: &Task, attempt: &Attempt, polls: Option<u32>) {
    let from = task.submitted_by(attempt);
    let Some(mut span) = begin(task, "generate", SpanKind::Client, from) else {
        return;
    };
    of_attempt(&mut span, attempt);
    if let Some(polls) = polls {
        span.set_attribute(KeyValue::new("mediagen.polls", i64::from(polls)));
    }
    for milestone in task
        .history
        .iter()
        .filter(|milestone| milestone.time >= from)
    {
        let status = milestone.status.as_str();
        span.add_event_with_timestamp(status, moment(milestone.time), Vec::new());
    }
    end(Some(span), task.times.updated);
}

/// A task's content was copied since a moment, or given up.
pub fn archived(task: &Task, since: Timestamp) {
    let Some(mut span) = begin(task, "archive", SpanKind::Internal, since) else {
        return;
    };
    let bytes: u64 = task.outputs.iter().map(|output| output.size_bytes).sum();
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let outputs = i64::try_from(task.outputs.len()).unwrap_or(i64::MAX);
    span.set_attribute(KeyValue::new("mediagen.outputs", outputs));
    span.set_attribute(KeyValue::new("mediagen.bytes", bytes));
    fault(&mut span, task);
    end(Some(span), task.times.updated);
}

/// A task ended.
pub fn ended(task: &Task) {
    let Some(mut span) = begin(task, "task", SpanKind::Internal, task.times.created) else {
        return;
    };
    let outcome = task.state.name();
    let attempts = i64::try_from(task.attempts.len()).unwrap_or(i64::MAX);
    span.set_attribute(KeyValue::new("mediagen.outcome", outcome));
    span.set_attribute(KeyValue::new("mediagen.attempts", attempts));
    fault(&mut span, task);
    end(Some(span), task.times.updated);
}

/// A span under the task's Create; `None` when the task is not traced.
fn begin(task: &Task, name: &'static str, kind: SpanKind, from: Timestamp) -> Option<Span> {
    let parent = recorded(task)?;
    let tracer = &TRACING.get()?.tracer;
    let builder = SpanBuilder::from_name(name)
        .with_kind(kind)
        .with_start_time(moment(from))
        .with_attributes([
            KeyValue::new("mediagen.task", task.id.to_string()),
            KeyValue::new("mediagen.model", label(&task.order.generation.model)),
        ]);
    Some(tracer.build_with_context(builder, &under(parent, None)))
}

fn recorded(task: &Task) -> Option<TraceParent> {
    task.order.trace.filter(|trace| trace.sampled)
}

fn end(span: Option<Span>, at: Timestamp) {
    if let Some(mut span) = span {
        span.end_with_timestamp(moment(at));
    }
}

fn of_attempt(span: &mut Span, attempt: &Attempt) {
    let number = i64::from(attempt.number);
    span.set_attribute(KeyValue::new("mediagen.attempt", number));
    let deployment = label(&attempt.deployment);
    span.set_attribute(KeyValue::new("mediagen.deployment", deployment));
}

fn fault(span: &mut Span, task: &Task) {
    if let Some(failure) = task.failure() {
        let reason = failure.reason.as_str();
        span.set_attribute(KeyValue::new("mediagen.reason", reason));
        span.set_status(Status::error(reason));
    }
}

/// A name as an attribute holds it.
fn label(name: &str) -> Value {
    Value::from(name.chars().take(LONGEST_NAME).collect::<String>())
}

fn moment(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
}

/// Characters of a name.
const LONGEST_NAME: usize = 128;
