//! Commits of tasks, told as metrics and as spans: the one place where the life of a task is
//! watched.
//!
//! [`committed`] sees every committed version in order and compares it with what it saw before. So
//! the loops say nothing themselves, nothing is told that was not committed, and after a restart
//! ([`found`]) counting and tracing go on where they were.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use lru::LruCache;
use metrics::Gauge;
use parking_lot::Mutex;

use super::metrics::{float, left, names, table};
use super::traces;
use crate::domain::id::TaskId;
use crate::domain::money::{Millicredits, UsdRate};
use crate::domain::task::{Attempt, AttemptOutcome, State, Task};
use crate::domain::time::Timestamp;

/// What was last seen of a task.
pub(super) struct Seen {
    state: &'static str,
    /// When it came into this state.
    since: Timestamp,
    created: Timestamp,
    /// The gauge it counts in while it has not ended.
    gauge: Option<Gauge>,
    attempts: Vec<SeenAttempt>,
}

#[derive(Clone, Copy)]
struct SeenAttempt {
    outcome: AttemptOutcome,
    estimated: bool,
    actual: u64,
}

/// A way to generate that was used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Used {
    /// The deployment.
    pub deployment: String,
    /// Its account.
    pub account: String,
    /// The provider's model.
    pub model: String,
}

#[derive(Default)]
struct Tasks {
    seen: HashMap<TaskId, Seen>,
    queued: u64,
    unknown: u64,
}

/// A task was committed. Called once for each version, in order.
pub fn committed(task: &Task) {
    remember_trace(task);
    let mut tasks = TASKS.lock();
    let was = tasks.seen.remove(&task.id);
    if was.is_none() && task.version > 1 {
        // Only its record changes, or its bill has come to be open again.
        tasks.adopt(task);
        return;
    }
    if was.is_none() {
        table::TASKS_CREATED.at(&[model(task)]).increment(1);
        traces::created(task);
    }
    attempts(task, was.as_ref());
    let (state, since) = was
        .as_ref()
        .map_or(("", Timestamp::MIN), |was| (was.state, was.since));
    if state != task.state.name() {
        moved(task, state, since);
    }
    let since = if state == task.state.name() {
        since
    } else {
        task.times.updated
    };
    tasks.leave(was);
    tasks.enter(task, since);
}

/// A task was found in the store at the start. Called before any loop runs.
pub fn found(task: &Task) {
    remember_trace(task);
    TASKS.lock().adopt(task);
}

/// The trace of a task that something happened to lately.
pub(super) fn trace_of(id: TaskId) -> Option<u128> {
    TRACES.lock().get(&id).copied()
}

fn remember_trace(task: &Task) {
    if let (true, Some(trace)) = (traces::is_on(), task.order.trace) {
        TRACES.lock().put(task.id, trace.trace_id);
    }
}

/// The deployments that were used since the start.
pub fn used() -> Vec<Used> {
    USED.lock().iter().map(|(used, ())| used.clone()).collect()
}

/// What a credit costs from now on.
pub fn usd_rate(rate: UsdRate) {
    RATE.store(rate.0, Ordering::Relaxed);
}

/// Sets what changes with time alone.
pub(super) fn look(now: Timestamp) {
    let tasks = TASKS.lock();
    let waiting = tasks.seen.values().filter(|seen| seen.state == QUEUED);
    let oldest = waiting.map(|seen| now.since(seen.created)).max();
    let oldest = oldest.unwrap_or_default().as_secs_f64();
    table::QUEUE_OLDEST.at(&[]).set(oldest);
}

impl Tasks {
    fn adopt(&mut self, task: &Task) {
        self.enter(task, task.times.updated);
    }

    /// Remembers a task as long as something may still happen to it.
    fn enter(&mut self, task: &Task, since: Timestamp) {
        let ended = task.state.is_terminal();
        if (ended && task.unbooked().is_none()) || self.seen.len() >= MOST {
            return;
        }
        let gauge = (!ended).then(|| {
            let deployment = task.attempts.last();
            let deployment = deployment.map_or(NONE, |a| names::deployment(&a.deployment));
            table::TASKS.at(&[task.state.name(), model(task), deployment])
        });
        if let Some(gauge) = &gauge {
            gauge.increment(1.0);
        }
        let seen = Seen {
            state: task.state.name(),
            since,
            created: task.times.created,
            gauge,
            attempts: task.attempts.iter().map(SeenAttempt::of).collect(),
        };
        self.count(seen.state, true);
        if let Some(twice) = self.seen.insert(task.id, seen) {
            self.leave(Some(twice));
        }
    }

    fn leave(&mut self, seen: Option<Seen>) {
        let Some(seen) = seen else { return };
        self.count(seen.state, false);
        if let Some(gauge) = seen.gauge {
            gauge.decrement(1.0);
        }
    }

    fn count(&mut self, state: &str, more: bool) {
        let (count, gauge) = match state {
            QUEUED => (&mut self.queued, &table::QUEUE_DEPTH),
            UNKNOWN => (&mut self.unknown, &table::UNKNOWN_OPEN),
            _ => return,
        };
        *count = if more {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
        gauge.at(&[]).set(float(*count));
    }
}

impl SeenAttempt {
    fn of(attempt: &Attempt) -> Self {
        Self {
            outcome: attempt.outcome,
            estimated: is_spent(attempt.outcome),
            actual: attempt.cost.actual.unwrap_or_default().0,
        }
    }
}

/// Tells what became of the attempts since the task was last seen.
fn attempts(task: &Task, was: Option<&Seen>) {
    for (index, attempt) in task.attempts.iter().enumerate() {
        let known = was.and_then(|was| was.attempts.get(index)).copied();
        if known.is_none() {
            begun(task, attempt);
        }
        let outcome = known.map_or(AttemptOutcome::Pending, |known| known.outcome);
        if outcome != attempt.outcome {
            outcome_of(task, attempt);
        }
        let estimated = known.is_some_and(|known| known.estimated);
        if is_spent(attempt.outcome) && !estimated {
            spend(
                "estimated",
                attempt,
                attempt.cost.estimated.unwrap_or_default().0,
            );
        }
        let before = known.map_or(0, |known| known.actual);
        let actual = attempt.cost.actual.unwrap_or_default().0;
        spend("actual", attempt, actual.saturating_sub(before));
    }
}

fn begun(task: &Task, attempt: &Attempt) {
    let deployment = names::deployment(&attempt.deployment);
    if attempt.number > 1 {
        table::RETRIES.at(&[deployment]).increment(1);
    } else {
        let waited = attempt.started.since(task.times.created);
        table::QUEUE_WAIT
            .at(&[model(task)])
            .record(waited.as_secs_f64());
        traces::queued(task, attempt);
    }
    let used = Used {
        deployment: attempt.deployment.clone(),
        account: attempt.account.clone(),
        model: attempt.model.clone(),
    };
    USED.lock().put(used, ());
}

fn outcome_of(task: &Task, attempt: &Attempt) {
    let deployment = names::deployment(&attempt.deployment);
    let outcome = match attempt.outcome {
        AttemptOutcome::Pending => return,
        AttemptOutcome::Accepted => "accepted",
        AttemptOutcome::Rejected => "rejected",
        AttemptOutcome::Unknown => "unknown",
        AttemptOutcome::Ended => "ended",
        AttemptOutcome::Skipped => "skipped",
    };
    table::ATTEMPTS.at(&[deployment, outcome]).increment(1);
    match (attempt.outcome, attempt.fault) {
        (AttemptOutcome::Unknown, _) => table::UNKNOWN.at(&[deployment]).increment(1),
        (AttemptOutcome::Rejected, Some(fault)) => {
            let labels = [deployment, fault.as_str()];
            table::REJECTIONS.at(&labels).increment(1);
        }
        _ => {}
    }
    if attempt.outcome != AttemptOutcome::Ended {
        traces::attempted(task, attempt, outcome);
    }
}

/// Whether an attempt with this outcome has cost something, as far as is known.
const fn is_spent(outcome: AttemptOutcome) -> bool {
    match outcome {
        AttemptOutcome::Accepted | AttemptOutcome::Unknown | AttemptOutcome::Ended => true,
        AttemptOutcome::Pending | AttemptOutcome::Rejected | AttemptOutcome::Skipped => false,
    }
}

fn spend(kind: &'static str, attempt: &Attempt, millicredits: u64) {
    if millicredits == 0 {
        return;
    }
    let model = names::model(&attempt.model);
    let labels = [kind, model, names::deployment(&attempt.deployment)];
    table::SPEND_CREDITS.at(&labels).increment(millicredits);
    let rate = UsdRate(RATE.load(Ordering::Relaxed));
    let usd = Millicredits(millicredits).usd_micros(rate);
    table::SPEND_USD.at(&labels).increment(usd);
}

/// Tells that a task came from a state, in which it was since a moment, into another.
fn moved(task: &Task, from: &str, since: Timestamp) {
    let now = task.times.updated;
    let at_provider = AT_PROVIDER.contains(&from);
    if at_provider && !AT_PROVIDER.contains(&task.state.name()) {
        let attempt = task.attempts.iter().rev().find(|a| a.upstream_id.is_some());
        if let Some(attempt) = attempt {
            if task.state == State::Archiving {
                let model = names::model(&attempt.model);
                let labels = [model, names::deployment(&attempt.deployment)];
                let took = now.since(task.submitted_by(attempt)).as_secs_f64();
                table::GENERATION.at(&labels).record(took);
            }
            let upstream = attempt.upstream_id.as_deref().unwrap_or_default();
            let polls = left(&attempt.account, upstream);
            traces::generated(task, attempt, polls);
        }
    }
    if from == ARCHIVING {
        let took = now.since(since).as_secs_f64();
        table::ARCHIVING.at(&[task.state.name()]).record(took);
        traces::archived(task, since);
    }
    if task.state.is_terminal() {
        ended(task);
    }
}

fn ended(task: &Task) {
    let outcome = task.state.name();
    let last = task.attempts.last();
    let made = task.current_attempt();
    let model = made.map_or_else(|| model(task), |made| names::model(&made.model));
    let deployment = task.deployment().or(last.map(|last| &*last.deployment));
    let deployment = deployment.map_or(NONE, names::deployment);
    table::TASKS_ENDED
        .at(&[model, deployment, outcome])
        .increment(1);
    if let Some(failure) = task.failure() {
        let labels = [model, failure.reason.as_str()];
        table::TASKS_FAILED.at(&labels).increment(1);
    }
    let took = task.times.updated.since(task.times.created);
    table::TASK_TIME
        .at(&[model, outcome])
        .record(took.as_secs_f64());
    traces::ended(task);
}

fn model(task: &Task) -> &str {
    names::model(&task.order.generation.model)
}

static TASKS: LazyLock<Mutex<Tasks>> = LazyLock::new(Mutex::default);
static USED: LazyLock<Mutex<LruCache<Used, ()>>> =
    LazyLock::new(|| Mutex::new(LruCache::new(MOST_USED)));
static TRACES: LazyLock<Mutex<LruCache<TaskId, u128>>> =
    LazyLock::new(|| Mutex::new(LruCache::new(MOST_TRACES)));
static RATE: AtomicU64 = AtomicU64::new(UsdRate::ONE_CENT.0);

/// The deployment of a task that no attempt was made for.
const NONE: &str = "none";
const QUEUED: &str = "queued";
const UNKNOWN: &str = "submission_unknown";
const ARCHIVING: &str = "archiving";
const AT_PROVIDER: [&str; 3] = ["submitted", "throttled", "running"];
/// Tasks watched at once; those beyond are not counted among the live ones.
const MOST: usize = 1_000_000;
/// Tasks whose trace log lines can name.
const MOST_TRACES: NonZeroUsize = NonZeroUsize::new(65_536).expect("65536 is not zero");
/// Deployments remembered as used.
const MOST_USED: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not zero");
