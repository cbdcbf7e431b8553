//! What happened to each task, by the wall clock, which all processes of a machine share.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Builder;

use super::order::Order;

/// One task. Times are microseconds since the Unix epoch; 0: not so far.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Record {
    pub id: String,
    pub prompt: String,
    pub created: u64,
    /// When it was done here.
    pub done: u64,
    /// When somebody who asked was first told so.
    pub told: u64,
    /// How often it was asked for.
    pub polls: u64,
    /// When it was asked for last.
    pub asked: u64,
    /// When the first copy of its output began.
    pub copy_begun: u64,
    /// When the last byte of a copy was handed over.
    pub copy_ended: u64,
    #[serde(skip)]
    bytes: u64,
}

/// What happened to all tasks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Counts {
    /// Tasks that were made here.
    pub tasks: usize,
    /// Of them, those that somebody asked for.
    pub asked: usize,
    /// How often somebody did.
    pub polls: u64,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug)]
pub enum Phase {
    /// And how far it is, of 1.
    Running(f64),
    Done,
}

/// All tasks.
#[derive(Debug, Default)]
pub struct Book {
    tasks: HashMap<String, Record>,
    counts: Counts,
}

impl Book {
    /// A new task.
    pub fn take(&mut self, prompt: &str) -> String {
        let order = Order::of(prompt);
        let created = now();
        let id = Builder::from_random_bytes(rand::random()).into_uuid();
        let id = id.to_string();
        let record = Record {
            id: id.clone(),
            prompt: prompt.to_owned(),
            created,
            done: created + micros(order.runs),
            told: 0,
            polls: 0,
            asked: 0,
            copy_begun: 0,
            copy_ended: 0,
            bytes: order.bytes,
        };
        self.tasks.insert(id.clone(), record);
        self.counts.tasks += 1;
        id
    }

    /// Answers who asks for a task, with when it was created.
    pub fn ask(&mut self, id: &str) -> Option<(Phase, Timestamp)> {
        let now = now();
        let task = self.tasks.get_mut(id)?;
        task.polls += 1;
        self.counts.polls += 1;
        self.counts.asked += usize::from(task.polls == 1);
        task.asked = now;
        let created = i64::try_from(task.created).ok()?;
        let created = Timestamp::from_microsecond(created).ok()?;
        if now < task.done {
            let whole = task.done - task.created;
            #[expect(clippy::cast_precision_loss, reason = "a share")]
            let share = (now - task.created) as f64 / whole as f64;
            return Some((Phase::Running(share), created));
        }
        if task.told == 0 {
            task.told = now;
        }
        Some((Phase::Done, created))
    }

    /// Forgets it: who asks again is told that there is none.
    pub fn cancel(&mut self, id: &str) {
        self.tasks.remove(id);
    }

    /// Begins a copy of its output, and says how long that is.
    pub fn copied(&mut self, id: &str) -> Option<u64> {
        let task = self.tasks.get_mut(id)?;
        if task.copy_begun == 0 {
            task.copy_begun = now();
        }
        Some(task.bytes)
    }

    /// A copy was handed over to its end.
    pub fn copied_all(&mut self, id: &str) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.copy_ended = now();
        }
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn records(&self) -> Vec<Record> {
        self.tasks.values().cloned().collect()
    }
}

/// Microseconds since the Unix epoch.
pub fn now() -> u64 {
    micros(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
