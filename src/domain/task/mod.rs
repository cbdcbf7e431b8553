//! The life of a task: its states, its events, and the one function that joins them.
//!
//! [`Task::apply`] is the only maker of states. It is pure; whoever drives it saves the result on
//! the condition that the stored version is still the one it started from.

mod attempt;
mod event;
mod failure;
mod lane;
#[cfg(test)]
mod protocol_model;
mod remake;
#[cfg(test)]
pub(crate) mod samples;
mod spend;
mod standing;
mod state;
mod transition;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use attempt::{Attempt, AttemptOutcome};
pub use event::{Event, Observation, Progress, Resolution, UnknownPolicy, UpstreamStatus, Verdict};
pub use failure::{Failure, FailureReason, Finished, Rejection, RejectionKind, SubmitOutcome};
pub use lane::Lane;
pub use remake::remake;
pub use standing::{Place, Standing};
pub use state::{State, Status};
pub use transition::Refusal;
pub use verdict::{Trials, verdict};

use crate::domain::artifact::Artifact;
use crate::domain::caller::KeyId;
use crate::domain::generation::Generation;
use crate::domain::id::{RequestId, TaskId, TenantId};
use crate::domain::money::{Charge, Cost, Millicredits};
use crate::domain::time::Timestamp;
use crate::domain::trace::TraceParent;

/// A task: what was asked, where it stands, and everything that happened to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name.
    pub id: TaskId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The caller's idempotency key.
    pub request_id: RequestId,
    /// Digest of the request, to tell a repeat from another request under the same key.
    pub fingerprint: [u8; 32],
    /// The API key that it was created with, whose budget it counts against; `None`: none.
    pub key: Option<KeyId>,
    /// What was asked.
    pub order: Arc<Order>,
    /// The most that one attempt may cost by our own reckoning at Create; `None`: not known. Never
    /// changes, whatever else is removed of the task.
    pub estimate: Option<Millicredits>,
    /// The most that one attempt may cost at the dearest deployment that routing may choose, which
    /// is what a budget holds back for it; `None`: not known. Never changes.
    pub reserve: Option<Millicredits>,
    /// Where it stands.
    pub state: State,
    /// 1, 2, 3… one for each committed change until the terminal one.
    pub revision: u64,
    /// Counts every write, also those after the end; what a conditional write compares.
    pub version: u64,
    /// A sentence for people.
    pub status_detail: String,
    /// The caller asked to cancel.
    pub cancel_requested: bool,
    /// Every create call, oldest first.
    pub attempts: Vec<Attempt>,
    /// What is kept, once completed.
    pub outputs: Vec<Artifact>,
    /// One entry for each revision.
    pub history: Vec<Milestone>,
    /// When things happened.
    pub times: Times,
    /// What the archive must still give up.
    pub purge: Purge,
    /// The caller deleted it: only a tombstone is left.
    pub deleted: bool,
}

/// What a caller asked for; immutable until it is redacted.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The model's name as the caller wrote it, or the default that stood in.
    pub model: String,
    /// The validated request.
    pub generation: Generation,
    /// The caller's labels.
    pub labels: BTreeMap<String, String>,
    /// Limit of the time in generation at the provider.
    pub timeout: Duration,
    /// Among the tenant's waiting tasks the higher goes first; 0 is usual.
    pub priority: i32,
    /// Who is told of its end, an address that was checked; empty: nobody.
    pub webhook: String,
    /// The trace that the task's Create belongs to; `None`: none.
    pub trace: Option<TraceParent>,
}

/// One committed change, as a caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// The revision it made.
    pub revision: u64,
    /// The status from then on.
    pub status: Status,
    /// When.
    pub time: Timestamp,
}

/// When things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Committed.
    pub created: Timestamp,
    /// Accepted by a provider.
    pub submitted: Option<Timestamp>,
    /// Generation seen to run.
    pub started: Option<Timestamp>,
    /// Reached its terminal state.
    pub completed: Option<Timestamp>,
    /// Last write.
    pub updated: Timestamp,
}

/// What the cleaner must remove from the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purge {
    /// Nothing.
    #[default]
    Nothing,
    /// The spooled inputs.
    Inputs,
    /// Everything of the task.
    All,
}

/// What a new task is made of.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Its name.
    pub id: TaskId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The caller's key, or the one made for it.
    pub request_id: RequestId,
    /// Digest of the request.
    pub fingerprint: [u8; 32],
    /// The API key that it is created with.
    pub key: Option<KeyId>,
    /// What was asked.
    pub order: Order,
    /// The most that it may cost by the price rules; `None`: not known.
    pub estimate: Option<Millicredits>,
    /// The most that one attempt may cost at the dearest deployment; `None`: not known.
    pub reserve: Option<Millicredits>,
    /// What was assumed or passed on unchecked, for people.
    pub status_detail: String,
}

impl Task {
    /// A queued task at revision 1.
    pub fn create(new: NewTask, now: Timestamp) -> Self {
        Self {
            id: new.id,
            tenant: new.tenant,
            request_id: new.request_id,
            fingerprint: new.fingerprint,
            order: Arc::new(new.order),
            key: new.key,
            estimate: new.estimate,
            reserve: new.reserve,
            state: State::Queued { not_before: now },
            revision: 1,
            version: 1,
            status_detail: new.status_detail,
            cancel_requested: false,
            attempts: Vec::new(),
            outputs: Vec::new(),
            history: vec![Milestone {
                revision: 1,
                status: Status::Queued,
                time: now,
            }],
            times: Times {
                created: now,
                updated: now,
                ..Times::default()
            },
            purge: Purge::Nothing,
            deleted: false,
        }
    }

    /// What a caller sees of the state. It never goes back: a task that is made again keeps showing
    /// how far it was.
    pub fn status(&self) -> Status {
        let status = self.state.status();
        let Some(rank) = status.rank() else {
            return status;
        };
        let shown = self.history.iter().map(|entry| entry.status);
        let farthest = shown.filter(|shown| shown.rank() > Some(rank));
        farthest.max_by_key(|shown| shown.rank()).unwrap_or(status)
    }

    /// How long the provider worked on it, over all attempts that have ended.
    pub fn ran(&self) -> Duration {
        self.attempts.iter().filter_map(Attempt::ran).sum()
    }

    /// How often it was made again after a failure at a provider.
    pub fn remakes(&self) -> u32 {
        let ended = |attempt: &&Attempt| attempt.outcome == AttemptOutcome::Ended;
        let ends = self.attempts.iter().filter(ended).count();
        u32::try_from(ends).unwrap_or(u32::MAX)
    }

    /// The bill: all attempts, and before the end the one that is still to be made.
    ///
    /// A task that ended uncharged keeps its estimate beside [`Charge::None`]: what it would have
    /// cost.
    pub fn cost(&self) -> Cost {
        let attempts = self.attempts.iter().map(|attempt| &attempt.cost);
        let next = Cost {
            estimated: self.estimate,
            actual: None,
            charge: Charge::Estimated,
        };
        if matches!(self.state, State::Queued { .. }) {
            return attempt::total(attempts.chain([&next]));
        }
        let mut sum = attempt::total(attempts);
        if sum == Cost::default() {
            sum.estimated = self.estimate;
        }
        sum
    }

    /// Whether it is proved that no attempt so far was charged.
    pub(super) fn is_free_so_far(&self) -> bool {
        attempt::total(self.attempts.iter().map(|attempt| &attempt.cost)).charge == Charge::None
    }

    /// The deployment that accepted the task last; `None`: none did so far.
    pub fn deployment(&self) -> Option<&str> {
        let took = |attempt: &&Attempt| match attempt.outcome {
            AttemptOutcome::Accepted | AttemptOutcome::Ended => true,
            AttemptOutcome::Pending
            | AttemptOutcome::Rejected
            | AttemptOutcome::Unknown
            | AttemptOutcome::Skipped => false,
        };
        let serving = self.attempts.iter().rfind(took);
        serving.map(|attempt| attempt.deployment.as_str())
    }

    /// From when on the provider has had what an attempt made, as far as is known.
    pub fn submitted_by(&self, attempt: &Attempt) -> Timestamp {
        // The task keeps the time of the first attempt that was taken.
        let first = self.times.submitted.unwrap_or(attempt.started);
        first.max(attempt.started)
    }

    /// The attempt that serves the task now or did last.
    ///
    /// Not always the newest: an id that arrives late brings an older one back.
    pub fn current_attempt(&self) -> Option<&Attempt> {
        let newest = |wanted: fn(AttemptOutcome) -> bool| {
            self.attempts.iter().rev().find(|a| wanted(a.outcome))
        };
        newest(AttemptOutcome::is_live)
            .or_else(|| newest(|outcome| outcome == AttemptOutcome::Ended))
            .or_else(|| self.attempts.last())
    }

    /// The failure of a failed task.
    pub const fn failure(&self) -> Option<&Failure> {
        match &self.state {
            State::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// The attempt whose real cost is still asked for after the end.
    pub fn unbooked(&self) -> Option<&Attempt> {
        let ended = self.state.is_terminal();
        self.attempts
            .iter()
            .find(|a| ended && a.book_until.is_some() && a.upstream_id.is_some())
    }
}
