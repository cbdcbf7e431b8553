//! One task: what it is at a moment, told from timestamps alone.
//!
//! Nothing runs for a task, so a hundred thousand of them cost memory only.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::contract::Order;
use super::marker::Markers;

/// A record of the book.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name.
    pub id: Uuid,
    /// What was ordered.
    pub order: Order,
    /// What the prompt asked to go wrong.
    pub markers: Markers,
    /// When it was accepted, in Unix milliseconds.
    pub accepted_ms: i64,
    /// When it is no longer PENDING.
    pub ready_ms: i64,
    /// When it runs; later than `ready_ms` while it is throttled.
    pub start_ms: i64,
    /// When it ends.
    pub end_ms: i64,
    /// How a DELETE ended it.
    pub removed: Option<Removed>,
    /// Whether it costs something although it failed.
    pub charge_failure: bool,
    /// Reads so far.
    pub polls: u32,
    /// When it was last read.
    pub last_poll_ms: Option<i64>,
    /// Shortest time between two reads.
    pub min_poll_gap_ms: Option<i64>,
}

/// What a DELETE did to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It was not finished.
    Cancelled,
    /// It was finished; its output is gone.
    Deleted,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// Accepted.
    Pending,
    /// Waiting for a slot of its model.
    Throttled,
    /// At work; the share done.
    Running(f64),
    /// Its output may be fetched.
    Succeeded,
    /// It ended with the failure that its prompt asked for.
    Failed,
}

impl Task {
    /// Where it stands at `now`.
    pub fn phase(&self, now_ms: i64) -> Phase {
        if now_ms < self.ready_ms.min(self.start_ms) {
            Phase::Pending
        } else if now_ms < self.start_ms {
            Phase::Throttled
        } else if now_ms < self.end_ms {
            Phase::Running(share(now_ms - self.start_ms, self.end_ms - self.start_ms))
        } else if self.markers.fail.is_some() {
            Phase::Failed
        } else {
            Phase::Succeeded
        }
    }

    /// Whether nothing will change any more.
    pub fn is_over(&self, now_ms: i64) -> bool {
        now_ms >= self.end_ms
    }

    /// Moves the run to `start_ms`, keeping its length.
    pub fn start_at(&mut self, start_ms: i64) {
        self.end_ms = start_ms.saturating_add(self.end_ms - self.start_ms);
        self.start_ms = start_ms;
    }

    /// Counts a read.
    pub fn note_poll(&mut self, now_ms: i64) {
        self.polls = self.polls.saturating_add(1);
        if let Some(last) = self.last_poll_ms.replace(now_ms) {
            let gap = now_ms - last;
            self.min_poll_gap_ms = Some(self.min_poll_gap_ms.map_or(gap, |least| least.min(gap)));
        }
    }

    /// What it costs in the end. What was moderated is not refunded; other failures are.
    pub fn cost(&self) -> u32 {
        let moderated = |code: &str| {
            let kinds = ["SAFETY.", "INPUT_PREPROCESSING.SAFETY."];
            kinds.iter().any(|kind| code.starts_with(kind))
        };
        match &self.markers.fail {
            Some(code) if !moderated(code) && !self.charge_failure => 0,
            _ => self.order.cost,
        }
    }

    /// The status word at `now`, removal included.
    pub fn status(&self, now_ms: i64) -> &str {
        match (self.removed, self.phase(now_ms)) {
            (Some(Removed::Cancelled), _) => "CANCELLED",
            (Some(Removed::Deleted), _) => "DELETED",
            (None, Phase::Pending) => "PENDING",
            (None, Phase::Throttled) => "THROTTLED",
            (None, Phase::Running(_)) => self.markers.odd_status.as_deref().unwrap_or("RUNNING"),
            (None, Phase::Succeeded) => "SUCCEEDED",
            (None, Phase::Failed) => "FAILED",
        }
    }

    /// The object that GET answers; `outputs` are its signed URLs.
    pub fn as_json(&self, now_ms: i64, outputs: &[String]) -> Value {
        let mut object = Map::new();
        object.insert("id".into(), json!(self.id.to_string()));
        object.insert("createdAt".into(), json!(timestamp(self.accepted_ms)));
        object.insert("status".into(), json!(self.status(now_ms)));
        let phase = self.phase(now_ms);
        if let Phase::Running(progress) = phase {
            object.insert("progress".into(), json!(progress));
        }
        if phase == Phase::Succeeded {
            object.insert("output".into(), json!(outputs));
        }
        if let (Phase::Failed, Some(code)) = (phase, &self.markers.fail) {
            object.insert(
                "failure".into(),
                json!(format!("The sandbox was asked to fail: {code}")),
            );
            if !code.is_empty() {
                object.insert("failureCode".into(), json!(code));
            }
        }
        let (name, credits) = if self.is_over(now_ms) {
            ("cost", self.cost())
        } else {
            ("estimatedCost", self.order.credits)
        };
        object.insert(name.into(), json!({ "credits": credits }));
        Value::Object(object)
    }
}

/// RFC 3339 in UTC with milliseconds and `Z`.
pub fn timestamp(unix_ms: i64) -> String {
    let moment = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{moment:.3}")
}

/// The share done, in hundredths, never 1 before the end.
fn share(done_ms: i64, whole_ms: i64) -> f64 {
    let percent = i32::try_from(done_ms.saturating_mul(100) / whole_ms.max(1)).unwrap_or(99);
    f64::from(percent.clamp(0, 99)) / 100.0
}
