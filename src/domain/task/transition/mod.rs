//! The transition function: one `match` on (state, event).
//!
//! Two rules carry the promise of one charge. *Decisions are fenced*: they are legal only from the
//! state they were made for. *Evidence is not*: an id or a proved rejection is taken in any state,
//! and what it cannot change it still records. Finding a task in *submitting* is never a licence to
//! send again: the only way on is [`Event::Ambiguous`].

mod ending;
mod submit;
mod upstream;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod table;

use super::{Attempt, Event, Milestone, State, Task};
use crate::domain::time::Timestamp;

/// Why an event changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// True already, or too late to matter. Nothing to save, nothing wrong.
    #[error("`{event}` changes nothing in `{state}`")]
    NoChange {
        /// The state's name.
        state: &'static str,
        /// The event's name.
        event: &'static str,
    },
    /// The event may not happen in this state: a lost race, or a bug.
    #[error("`{event}` is illegal in `{state}`")]
    Illegal {
        /// The state's name.
        state: &'static str,
        /// The event's name.
        event: &'static str,
    },
}

/// What a step does to the task beside the fields it already changed.
enum Step {
    /// Moves on.
    To(State),
    /// Stays, with something changed.
    Stay,
    /// Nothing happens, and that is right.
    Nothing,
    /// It cannot happen here.
    Illegal,
}

impl Task {
    /// The task after `event`, one version later.
    ///
    /// A live task also gains a revision and a history entry; an ended one keeps its status, error,
    /// history and revision for ever, whatever is still learned about its bill.
    ///
    /// # Errors
    /// [`Refusal`] when nothing changes; the task is then exactly as before.
    pub fn apply(&self, event: &Event, now: Timestamp) -> Result<Self, Refusal> {
        let (state, name) = (self.state.name(), event.name());
        let mut next = self.clone();
        match next.step(event, now) {
            Step::To(to) => {
                next.state = to;
                next.on_end(now);
            }
            Step::Stay => {}
            Step::Nothing => return Err(Refusal::NoChange { state, event: name }),
            Step::Illegal => return Err(Refusal::Illegal { state, event: name }),
        }
        next.version += 1;
        next.times.updated = now;
        if !self.state.is_terminal() {
            next.revision += 1;
            let status = next.status();
            next.history.push(Milestone {
                revision: next.revision,
                status,
                time: now,
            });
        }
        Ok(next)
    }

    fn step(&mut self, event: &Event, now: Timestamp) -> Step {
        match event {
            Event::Deferred { not_before, why } => self.defer(*not_before, why),
            Event::Claimed { .. } => self.claimed(event, now),
            Event::Skipped {
                deployment,
                account,
                model,
                why,
            } => self.skipped([deployment, account, model, why], now),
            Event::Accepted {
                attempt,
                upstream_id,
                estimated,
                book_until,
            } => self.accepted(*attempt, now, *book_until, |a| {
                a.accept(upstream_id, estimated.or(a.cost.estimated));
            }),
            Event::Rejected {
                attempt,
                rejection,
                verdict,
            } => self.rejected(*attempt, rejection, verdict, now),
            Event::Ambiguous {
                attempt,
                evidence,
                deadline,
            } => self.ambiguous(*attempt, evidence, *deadline),
            Event::DeadlinePassed(policy) => self.deadline_passed(*policy, now),
            Event::Resolved(resolution) => self.resolved(resolution, now),
            Event::NoRoute(failure) => match self.state {
                State::Queued { .. } => Step::To(State::Failed(failure.clone())),
                _ => Step::Illegal,
            },
            Event::Observed { attempt, .. }
            | Event::Gone { attempt }
            | Event::Remade { attempt, .. }
            | Event::CancelConfirmed { attempt }
            | Event::TimedOut { attempt, .. }
                if self.is_of_the_past(*attempt) =>
            {
                Step::Nothing
            }
            Event::Observed { seen, .. } => self.observed(seen, now),
            Event::Gone { .. } => self.gone(now),
            Event::Remade { failure, cost, .. } => self.remade(failure, *cost, now),
            Event::CancelConfirmed { .. } if self.cancel_requested => self.cancel_confirmed(now),
            Event::CancelConfirmed { .. } => Step::Illegal,
            Event::TimedOut { book_until, .. } => self.timed_out(*book_until),
            Event::CancelRequested => self.cancel(),
            Event::Archived(outputs) => self.archived(outputs, now),
            Event::ArchiveFailed(failure) => self.archive_failed(failure, now),
            Event::Booked { attempt, actual } => self.booked(*attempt, *actual),
            Event::Deleted => self.delete(),
            Event::ContentExpired => self.expire_content(),
            Event::Purged(what) => self.purged(*what),
        }
    }

    fn change_current(&mut self, change: impl FnOnce(&mut Attempt)) {
        let number = self.current_attempt().map(|attempt| attempt.number);
        if let Some(attempt) = number.and_then(|n| attempt_mut(&mut self.attempts, n)) {
            change(attempt);
        }
    }
}

fn attempt_mut(attempts: &mut [Attempt], number: u32) -> Option<&mut Attempt> {
    attempts.iter_mut().find(|attempt| attempt.number == number)
}
