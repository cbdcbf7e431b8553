//! Which loop has to look at a task next, and when.

use super::{Purge, State, Task};
use crate::domain::time::Timestamp;

/// The background loop that owns a task's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The dispatcher: queued tasks, due at their backoff.
    Dispatch,
    /// The rescuer: *submitting* (due at the intent) and unknown submissions (due at the deadline).
    Settle,
    /// Nobody: held for an operator.
    Parked,
    /// The poller: the provider has it.
    Poll,
    /// The archiver: the provider finished.
    Archive,
    /// The poller again: ended here, the real cost is still open; due when the asking stops.
    Book,
    /// The cleaner: objects to remove now.
    Clean,
    /// The cleaner: kept content, due when retention takes it.
    Expire,
    /// The cleaner: nothing but the record is left; due (by age) at its end plus retention.
    Rest,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 9] = [
        Self::Dispatch,
        Self::Settle,
        Self::Parked,
        Self::Poll,
        Self::Archive,
        Self::Book,
        Self::Clean,
        Self::Expire,
        Self::Rest,
    ];

    /// A stable number for the store.
    pub const fn code(self) -> u8 {
        match self {
            Self::Dispatch => 0,
            Self::Settle => 1,
            Self::Parked => 2,
            Self::Poll => 3,
            Self::Archive => 4,
            Self::Book => 5,
            Self::Clean => 6,
            Self::Expire => 7,
            Self::Rest => 8,
        }
    }
}

impl Task {
    /// The lane of the task and when it is due there.
    pub fn next_step(&self) -> (Lane, Timestamp) {
        match &self.state {
            State::Queued { not_before } => (Lane::Dispatch, *not_before),
            State::Submitting { .. } => (Lane::Settle, self.times.updated),
            State::SubmissionUnknown {
                deadline: Some(at), ..
            } => (Lane::Settle, *at),
            State::SubmissionUnknown { deadline: None, .. } => (Lane::Parked, Timestamp::NEVER),
            State::Submitted | State::Throttled | State::Running => {
                (Lane::Poll, self.times.updated)
            }
            State::Archiving => (Lane::Archive, self.times.updated),
            State::Completed | State::Failed(_) | State::Cancelled { .. } => self.last_step(),
        }
    }

    fn last_step(&self) -> (Lane, Timestamp) {
        if self.purge != Purge::Nothing {
            return (Lane::Clean, Timestamp::MIN);
        }
        if let Some(until) = self.unbooked().and_then(|attempt| attempt.book_until) {
            return (Lane::Book, until);
        }
        match self.outputs.iter().map(|output| output.expires).min() {
            Some(expires) => (Lane::Expire, expires),
            None => (
                Lane::Rest,
                self.times.completed.unwrap_or(self.times.updated),
            ),
        }
    }
}
