//! All tasks of the sandbox, its account and its counters.
//!
//! A record outlives its task: cancelled and deleted ones stay for the ledger until the oldest
//! records are dropped to keep the bound.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::config::Config;
use super::contract::Order;
use super::lane::Lane;
use super::marker::Markers;
use super::task::{Removed, Task, timestamp};

/// One accepted create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// The task's id, a UUID.
    pub id: String,
    /// The model asked for.
    pub model: String,
    /// The endpoint's path.
    pub endpoint: String,
    /// The prompt, cut to 500 characters.
    pub prompt_text: String,
    /// PENDING, THROTTLED, RUNNING, SUCCEEDED, FAILED, and CANCELLED or DELETED after a DELETE.
    pub status: String,
    /// When it was accepted, RFC 3339.
    pub accepted_at: String,
    /// The most that it costs, in credits.
    pub credits: u32,
    /// Reads so far.
    pub polls: u32,
    /// Shortest time between two reads.
    pub min_poll_gap_ms: Option<i64>,
}

/// What was asked of the sandbox so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Creates that became a task.
    pub creates_accepted: u64,
    /// Creates that did not.
    pub creates_refused: u64,
    /// Reads of a task, those answered 404 included.
    pub polls: u64,
    /// DELETEs that ended an unfinished task.
    pub cancelled: u64,
    /// DELETEs that removed a finished task and its output.
    pub deleted: u64,
    /// DELETEs answered 404.
    pub deletes_unknown: u64,
    /// Requests for an output file.
    pub downloads: u64,
    /// Files uploaded.
    pub uploads: u64,
    /// Reads of the organization.
    pub organization_reads: u64,
    /// Shortest time between two reads of the same task.
    pub min_poll_gap_ms: Option<i64>,
}

/// Why a create is refused although its body is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The account cannot pay for it.
    NoCredits,
    /// The model has had its tasks of the day.
    DailyCap,
}

/// Everything the sandbox remembers about tasks.
#[derive(Debug)]
pub struct Book {
    config: Config,
    tasks: HashMap<Uuid, Task>,
    order: VecDeque<Uuid>,
    lanes: BTreeMap<String, Lane>,
    /// When the tasks of the last 24 hours were accepted, by model. Cancelled ones count.
    days: BTreeMap<String, VecDeque<i64>>,
    credits: i64,
    /// Counters; the faces add to them.
    pub counts: Counts,
}

impl Book {
    /// An empty book.
    pub fn new(config: &Config) -> Self {
        Self {
            credits: config.credits,
            config: config.clone(),
            tasks: HashMap::new(),
            order: VecDeque::new(),
            lanes: BTreeMap::new(),
            days: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// Credits left.
    pub fn credits(&self) -> i64 {
        self.credits
    }

    /// Tasks of the model that were accepted within the last 24 hours.
    pub fn used_today(&mut self, model: &str, now_ms: i64) -> u32 {
        let Some(day) = self.days.get_mut(model) else {
            return 0;
        };
        while day.front().is_some_and(|first| now_ms - first >= DAY_MS) {
            day.pop_front();
        }
        u32::try_from(day.len()).unwrap_or(u32::MAX)
    }

    /// Puts so many credits on the account, whatever it had.
    pub fn set_credits(&mut self, credits: i64) {
        self.credits = credits;
    }

    /// Takes an order: the money, a slot, a record.
    pub fn accept(
        &mut self,
        order: Order,
        markers: Markers,
        now_ms: i64,
    ) -> Result<&Task, Refused> {
        let price = i64::from(order.credits);
        if self.credits < price {
            return Err(Refused::NoCredits);
        }
        let used = self.used_today(&order.model, now_ms);
        if self
            .config
            .daily_cap_per_model
            .is_some_and(|cap| used >= cap)
        {
            return Err(Refused::DailyCap);
        }
        let day = self.days.entry(order.model.clone()).or_default();
        day.push_back(now_ms);
        if day.len() > self.config.max_tasks.max(1) {
            day.pop_front();
        }
        self.credits -= price;
        self.counts.creates_accepted += 1;
        self.drop_oldest();
        let task = self.plan(order, markers, now_ms);
        self.order.push_back(task.id);
        Ok(self.tasks.entry(task.id).insert_entry(task).into_mut())
    }

    /// The task, unless a DELETE removed it.
    pub fn live(&mut self, id: Uuid) -> Option<&mut Task> {
        self.tasks
            .get_mut(&id)
            .filter(|task| task.removed.is_none())
    }

    /// Counts a read and gives the task with the number of reads before this one.
    pub fn poll(&mut self, id: Uuid, now_ms: i64) -> Option<(Task, u32)> {
        self.counts.polls += 1;
        let task = self.live(id)?;
        let before = task.polls;
        task.note_poll(now_ms);
        let task = task.clone();
        let gap = task.min_poll_gap_ms.or(self.counts.min_poll_gap_ms);
        let least = self.counts.min_poll_gap_ms.or(gap);
        self.counts.min_poll_gap_ms = gap.min(least);
        Some((task, before))
    }

    /// Cancels an unfinished task, deletes a finished one; `None` when there is no such task.
    pub fn remove(&mut self, id: Uuid, now_ms: i64) -> Option<Removed> {
        let Some(task) = self.live(id) else {
            self.counts.deletes_unknown += 1;
            return None;
        };
        let (over, started) = (task.is_over(now_ms), now_ms >= task.start_ms);
        let removed = if over {
            Removed::Deleted
        } else {
            Removed::Cancelled
        };
        task.removed = Some(removed);
        let (model, credits) = (task.order.model.clone(), i64::from(task.order.credits));
        match removed {
            Removed::Deleted => self.counts.deleted += 1,
            Removed::Cancelled => self.counts.cancelled += 1,
        }
        if !over {
            self.credits += if started { 0 } else { credits };
            self.plan_again(&model, now_ms);
        }
        Some(removed)
    }

    /// Every record, oldest first.
    pub fn ledger(&self, now_ms: i64) -> Vec<LedgerEntry> {
        let tasks = self.order.iter().filter_map(|id| self.tasks.get(id));
        tasks.map(|task| entry(task, now_ms)).collect()
    }

    fn plan(&mut self, order: Order, mut markers: Markers, now_ms: i64) -> Task {
        markers.fail = markers.fail.or_else(|| self.config.fail_with.clone());
        let ready_ms = now_ms + millis(self.config.task_pending);
        let length = millis(markers.running.unwrap_or(self.config.task_running));
        let earliest = ready_ms + millis(markers.throttled.unwrap_or_default());
        let start_ms = match self.config.concurrency_per_model {
            Some(slots) => self
                .lanes
                .entry(order.model.clone())
                .or_default()
                .plan(slots, earliest, length),
            None => earliest,
        };
        Task {
            id: uuid::Builder::from_random_bytes(rand::random()).into_uuid(),
            order,
            markers,
            accepted_ms: now_ms,
            ready_ms,
            start_ms,
            end_ms: start_ms.saturating_add(length),
            removed: None,
            charge_failure: self.config.charge_failures,
            polls: 0,
            last_poll_ms: None,
            min_poll_gap_ms: None,
        }
    }

    /// A slot became free before its time: those that wait move up, in order.
    fn plan_again(&mut self, model: &str, now_ms: i64) {
        let Some(slots) = self.config.concurrency_per_model else {
            return;
        };
        let mut lane = Lane::default();
        for id in &self.order {
            let Some(task) = self.tasks.get_mut(id) else {
                continue;
            };
            if task.removed.is_some() || task.is_over(now_ms) || task.order.model != model {
                continue;
            }
            let held = millis(task.markers.throttled.unwrap_or_default());
            let started = task.start_ms <= now_ms;
            let earliest = if started {
                task.start_ms
            } else {
                (task.ready_ms + held).max(now_ms)
            };
            let start = lane.plan(slots, earliest, task.end_ms - task.start_ms);
            if !started {
                task.start_at(start);
            }
        }
        self.lanes.insert(model.to_owned(), lane);
    }

    fn drop_oldest(&mut self) {
        while self.order.len() >= self.config.max_tasks.max(1) {
            if let Some(id) = self.order.pop_front() {
                self.tasks.remove(&id);
            }
        }
    }
}

/// The ledger's view of one task.
pub fn entry(task: &Task, now_ms: i64) -> LedgerEntry {
    LedgerEntry {
        id: task.id.to_string(),
        model: task.order.model.clone(),
        endpoint: task.order.endpoint.to_owned(),
        prompt_text: task.order.prompt.clone(),
        status: task.status(now_ms).to_owned(),
        accepted_at: timestamp(task.accepted_ms),
        credits: task.order.credits,
        polls: task.polls,
        min_poll_gap_ms: task.min_poll_gap_ms,
    }
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 8)
}
