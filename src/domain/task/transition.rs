//! The transition function: one `match` on (state, event).
//!
//! Two rules carry the promise of one charge. *Decisions are fenced*: they are legal only from the
//! state they were made for. *Evidence is not*: an id or a proved rejection is taken in any state,
//! and what it cannot change it still records. Finding a task in *submitting* is never a licence to
//! send again: the only way on is [`Event::Ambiguous`].

use std::sync::Arc;

use super::{
    Attempt, AttemptOutcome, Event, Failure, FailureReason, Milestone, Observation, Order, Purge,
    Rejection, Resolution, State, Task, UnknownPolicy, UpstreamStatus, Verdict,
};
use crate::domain::artifact::Artifact;
use crate::domain::generation::InputSource;
use crate::domain::money::Charge;
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
            Event::Claimed {
                deployment,
                account,
            } => self.claimed(deployment, account, now),
            Event::Deferred { not_before, why } => self.defer(*not_before, why),
            Event::Accepted {
                attempt,
                upstream_id,
                estimated,
                book_until,
            } => {
                let late = *book_until;
                self.accepted(*attempt, now, late, |a| a.accept(upstream_id, *estimated))
            }
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
            Event::Observed(seen) => self.observed(seen, now),
            Event::Gone => self.gone(now),
            Event::CancelConfirmed if self.cancel_requested => self.cancel_confirmed(now),
            Event::CancelConfirmed => Step::Illegal,
            Event::TimedOut { book_until } => self.timed_out(*book_until),
            Event::CancelRequested => self.cancel(),
            Event::Archived(outputs) => self.archived(outputs),
            Event::ArchiveFailed(failure) => self.archive_failed(failure, now),
            Event::Booked { attempt, actual } => self.booked(*attempt, *actual),
            Event::Deleted => self.delete(),
            Event::ContentExpired => self.expire_content(),
            Event::Purged => self.purged(),
        }
    }

    /// The intent: the only door to a create call.
    fn claimed(&mut self, deployment: &str, account: &str, now: Timestamp) -> Step {
        let live = self.attempts.iter().any(|a| a.outcome.is_live());
        if live || !matches!(self.state, State::Queued { .. }) {
            return Step::Illegal;
        }
        let number = u32::try_from(self.attempts.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        self.attempts
            .push(Attempt::intended(number, deployment, account, now));
        Step::To(State::Submitting { attempt: number })
    }

    fn defer(&mut self, until: Timestamp, why: &str) -> Step {
        match self.state {
            State::Queued { not_before } if not_before == until => Step::Nothing,
            State::Queued { .. } => {
                why.clone_into(&mut self.status_detail);
                Step::To(State::Queued { not_before: until })
            }
            _ => Step::Illegal,
        }
    }

    fn accepted(
        &mut self,
        number: u32,
        now: Timestamp,
        book_until: Timestamp,
        accept: impl FnOnce(&mut Attempt),
    ) -> Step {
        let open = self.waits_for(number);
        let idle = matches!(self.state, State::Queued { .. });
        let ended = self.state.is_terminal();
        let Some(attempt) = attempt_mut(&mut self.attempts, number) else {
            return Step::Illegal;
        };
        if attempt.upstream_id.is_some() {
            return Step::Nothing;
        }
        let asserted = attempt.outcome == AttemptOutcome::Rejected;
        accept(attempt);
        if open || (idle && asserted) {
            attempt.ended = None;
            self.times.submitted = Some(now);
            return Step::To(State::Submitted);
        }
        // Too late to use: keep the proof and the bill, never a second live attempt.
        attempt.cost.charge = Charge::Charged;
        attempt.book_until = ended.then_some(book_until);
        if asserted {
            attempt.outcome = AttemptOutcome::Rejected;
        }
        Step::Stay
    }

    fn rejected(
        &mut self,
        number: u32,
        rejection: &Rejection,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Step {
        let open = self.waits_for(number);
        let Some(attempt) = attempt_mut(&mut self.attempts, number) else {
            return Step::Illegal;
        };
        if !open && attempt.outcome != AttemptOutcome::Unknown {
            return Step::Nothing;
        }
        attempt.reject(rejection, now);
        match verdict {
            _ if !open => Step::Stay,
            Verdict::Fail(failure) => Step::To(State::Failed(failure.clone())),
            Verdict::Retry(_) if self.cancel_requested => Step::To(self.cancelled_unsent()),
            Verdict::Retry(not_before) => Step::To(State::Queued {
                not_before: *not_before,
            }),
        }
    }

    fn ambiguous(&mut self, number: u32, evidence: &str, deadline: Timestamp) -> Step {
        match self.state {
            State::Submitting { attempt } if attempt == number => {
                self.last_attempt(|a| a.lose(evidence));
                Step::To(State::SubmissionUnknown {
                    attempt,
                    deadline: Some(deadline),
                })
            }
            _ => Step::Nothing,
        }
    }

    fn deadline_passed(&mut self, policy: UnknownPolicy, now: Timestamp) -> Step {
        let State::SubmissionUnknown { attempt, deadline } = self.state else {
            return Step::Illegal;
        };
        match policy {
            UnknownPolicy::Hold if deadline.is_none() => Step::Nothing,
            UnknownPolicy::Hold => Step::To(State::SubmissionUnknown {
                attempt,
                deadline: None,
            }),
            UnknownPolicy::Resubmit if !self.cancel_requested => {
                self.last_attempt(|a| {
                    a.assert_rejected("outcome unknown; resubmitted by policy", now)
                });
                Step::To(State::Queued { not_before: now })
            }
            UnknownPolicy::Fail | UnknownPolicy::Resubmit => Step::To(unknown_outcome(
                "the provider's answer to the create was lost; it may have charged for it",
            )),
        }
    }

    fn resolved(&mut self, resolution: &Resolution, now: Timestamp) -> Step {
        let State::SubmissionUnknown { .. } = self.state else {
            return Step::Illegal;
        };
        match resolution {
            Resolution::Attach { upstream_id } => {
                self.last_attempt(|a| a.accept(upstream_id, None));
                self.times.submitted = Some(now);
                Step::To(State::Submitted)
            }
            Resolution::NotCharged => {
                self.last_attempt(|a| a.assert_rejected("an operator says: not charged", now));
                if self.cancel_requested {
                    return Step::To(self.cancelled_unsent());
                }
                Step::To(State::Queued { not_before: now })
            }
            Resolution::Charged => {
                self.last_attempt(|a| a.cost.charge = Charge::Charged);
                Step::To(unknown_outcome(
                    "an operator says: the provider charged for a lost create",
                ))
            }
        }
    }

    fn observed(&mut self, seen: &Observation, now: Timestamp) -> Step {
        let Some(rank) = self.state.upstream_rank() else {
            let before = matches!(
                self.state,
                State::Queued { .. } | State::Submitting { .. } | State::SubmissionUnknown { .. }
            );
            return if before { Step::Illegal } else { Step::Nothing };
        };
        match &seen.status {
            UpstreamStatus::Throttled if rank < 1 => Step::To(State::Throttled),
            UpstreamStatus::Running if rank < 2 => {
                self.times.started = Some(now);
                Step::To(State::Running)
            }
            UpstreamStatus::Pending
            | UpstreamStatus::Throttled
            | UpstreamStatus::Running
            | UpstreamStatus::Unrecognised(_) => Step::Nothing,
            UpstreamStatus::Succeeded if seen.outputs.is_empty() => {
                self.close_attempt(seen, Charge::Charged, now);
                let message = "the provider finished without an output";
                Step::To(State::Failed(Failure::ours(
                    FailureReason::BadOutput,
                    message,
                )))
            }
            UpstreamStatus::Succeeded => {
                self.last_attempt(|a| a.bill(seen.cost, Charge::Charged));
                Step::To(State::Archiving)
            }
            UpstreamStatus::Failed(failure) => {
                self.close_attempt(seen, Charge::Charged, now);
                Step::To(State::Failed(failure.clone()))
            }
            UpstreamStatus::Cancelled => {
                self.close_attempt(seen, Charge::ChargedOrUnknown, now);
                Step::To(State::Cancelled {
                    before_submit: false,
                })
            }
        }
    }

    fn gone(&mut self, now: Timestamp) -> Step {
        if self.cancel_requested {
            return self.cancel_confirmed(now);
        }
        if self.state.upstream_rank().is_none() {
            return Step::Illegal;
        }
        self.last_attempt(|a| {
            a.bill(None, Charge::ChargedOrUnknown);
            a.end(now);
        });
        let message = "the provider no longer knows the task";
        Step::To(State::Failed(Failure::ours(
            FailureReason::ProviderTaskGone,
            message,
        )))
    }

    fn cancel_confirmed(&mut self, now: Timestamp) -> Step {
        if self.state.upstream_rank().is_none() {
            return Step::Illegal;
        }
        self.last_attempt(|a| {
            a.bill(None, Charge::ChargedOrUnknown);
            a.end(now);
        });
        Step::To(State::Cancelled {
            before_submit: false,
        })
    }

    fn timed_out(&mut self, book_until: Timestamp) -> Step {
        if self.state.upstream_rank().is_none() {
            return Step::Illegal;
        }
        self.last_attempt(|a| {
            a.cost.charge = Charge::ChargedOrUnknown;
            a.book_until = Some(book_until);
        });
        let message =
            "the generation ran longer than its timeout; the provider may still finish it";
        Step::To(State::Failed(Failure::ours(
            FailureReason::TimedOut,
            message,
        )))
    }

    fn cancel(&mut self) -> Step {
        match self.state {
            State::Queued { .. } => Step::To(self.cancelled_unsent()),
            State::Submitting { .. }
            | State::SubmissionUnknown { .. }
            | State::Submitted
            | State::Throttled
            | State::Running
                if !self.cancel_requested =>
            {
                self.cancel_requested = true;
                "cancel requested".clone_into(&mut self.status_detail);
                Step::Stay
            }
            _ => Step::Nothing,
        }
    }

    fn archived(&mut self, outputs: &[Artifact]) -> Step {
        let State::Archiving = self.state else {
            return Step::Illegal;
        };
        self.outputs = outputs.to_vec();
        Step::To(State::Completed)
    }

    fn archive_failed(&mut self, failure: &Failure, now: Timestamp) -> Step {
        let State::Archiving = self.state else {
            return Step::Illegal;
        };
        self.last_attempt(|a| a.end(now));
        self.purge = Purge::All;
        Step::To(State::Failed(failure.clone()))
    }

    fn booked(&mut self, number: u32, actual: Option<crate::domain::money::Millicredits>) -> Step {
        if !self.state.is_terminal() {
            return Step::Illegal;
        }
        match attempt_mut(&mut self.attempts, number) {
            Some(attempt) if attempt.book_until.is_some() => {
                let known = attempt.cost.charge;
                attempt.bill(actual, known);
                attempt.book_until = None;
                Step::Stay
            }
            _ => Step::Nothing,
        }
    }

    fn delete(&mut self) -> Step {
        if !self.state.is_terminal() {
            return Step::Illegal;
        }
        if self.deleted {
            return Step::Nothing;
        }
        self.deleted = true;
        self.outputs.clear();
        self.purge = Purge::All;
        self.order = Arc::new(redacted(&self.order));
        if let State::Failed(failure) = &mut self.state {
            failure.provider_message.clear();
        }
        Step::Stay
    }

    fn expire_content(&mut self) -> Step {
        if !self.state.is_terminal() {
            return Step::Illegal;
        }
        if self.outputs.is_empty() {
            return Step::Nothing;
        }
        self.outputs.clear();
        self.purge = Purge::All;
        "the content's retention has ended".clone_into(&mut self.status_detail);
        Step::Stay
    }

    fn purged(&mut self) -> Step {
        if self.purge == Purge::Nothing {
            return Step::Nothing;
        }
        self.purge = Purge::Nothing;
        Step::Stay
    }

    /// Whether the answer to this attempt is still what the task waits for.
    fn waits_for(&self, number: u32) -> bool {
        matches!(
            self.state,
            State::Submitting { attempt } | State::SubmissionUnknown { attempt, .. }
                if attempt == number
        )
    }

    fn last_attempt(&mut self, change: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = self.attempts.last_mut() {
            change(attempt);
        }
    }

    fn close_attempt(&mut self, seen: &Observation, charge: Charge, now: Timestamp) {
        self.last_attempt(|a| {
            a.bill(seen.cost, charge);
            a.end(now);
        });
    }

    /// Cancelled with no create call open; proved free unless an earlier one was only asserted.
    fn cancelled_unsent(&self) -> State {
        State::Cancelled {
            before_submit: self.cost().charge == Charge::None,
        }
    }

    /// What every terminal state has in common.
    fn on_end(&mut self, now: Timestamp) {
        if !self.state.is_terminal() {
            return;
        }
        self.times.completed = Some(now);
        let spooled = |input: &crate::domain::generation::Input| {
            matches!(input.source, InputSource::Inline { .. })
        };
        if self.purge == Purge::Nothing && self.order.generation.inputs.iter().any(spooled) {
            self.purge = Purge::Inputs;
        }
    }
}

fn attempt_mut(attempts: &mut [Attempt], number: u32) -> Option<&mut Attempt> {
    attempts.iter_mut().find(|attempt| attempt.number == number)
}

fn unknown_outcome(message: &str) -> State {
    State::Failed(Failure::ours(
        FailureReason::SubmissionOutcomeUnknown,
        message,
    ))
}

/// An order without anything the caller wrote but its labels and model.
fn redacted(order: &Order) -> Order {
    let mut kept = order.clone();
    kept.generation.prompt.clear();
    kept.generation.negative_prompt.clear();
    kept.generation.inputs.clear();
    kept.generation.options.clear();
    kept.generation.notes.clear();
    kept
}
