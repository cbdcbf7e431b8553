//! Before the provider has the task: intent, the answer to the create, and the lack of one.

use super::{Step, attempt_mut};
use crate::domain::money::Charge;
use crate::domain::task::{
    Attempt, AttemptOutcome, Event, Failure, FailureReason, Rejection, Resolution, State, Task,
    UnknownPolicy, Verdict,
};
use crate::domain::time::Timestamp;

impl Task {
    /// The intent: the only door to a create call.
    pub(super) fn claimed(&mut self, claim: &Event, now: Timestamp) -> Step {
        let Event::Claimed {
            deployment,
            account,
            model,
            estimated,
            changes,
        } = claim
        else {
            return Step::Illegal;
        };
        let live = self.attempts.iter().any(|a| a.outcome.is_live());
        if live || !matches!(self.state, State::Queued { .. }) {
            return Step::Illegal;
        }
        let number = self.next_number();
        let mut attempt = Attempt::intended(number, deployment, account, *estimated, now);
        model.clone_into(&mut attempt.model);
        changes.clone_into(&mut attempt.changes);
        self.attempts.push(attempt);
        let notes = self.order.generation.notes.iter().chain([changes]);
        let notes: Vec<&str> = notes
            .map(String::as_str)
            .filter(|n| !n.is_empty())
            .collect();
        self.status_detail = notes.join(" ");
        Step::To(State::Submitting { attempt: number })
    }

    /// A deployment is passed over, on record: never sent, never charged, no try used up.
    pub(super) fn skipped(
        &mut self,
        [deployment, account, model, why]: [&str; 4],
        now: Timestamp,
    ) -> Step {
        let before = |a: &Attempt| {
            let same = a.deployment == deployment && a.account == account && a.model == model;
            same && a.outcome == AttemptOutcome::Skipped
        };
        match self.state {
            State::Queued { .. } if self.attempts.iter().any(before) => Step::Nothing,
            State::Queued { .. } => {
                let number = self.next_number();
                let mut attempt = Attempt::skipped(number, deployment, account, why, now);
                model.clone_into(&mut attempt.model);
                self.attempts.push(attempt);
                Step::Stay
            }
            _ => Step::Illegal,
        }
    }

    fn next_number(&self) -> u32 {
        let made = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX);
        made.saturating_add(1)
    }

    /// Waits without an attempt, and says so.
    pub(super) fn defer(&mut self, until: Timestamp, why: &str) -> Step {
        match self.state {
            State::Queued { not_before } if not_before == until => Step::Nothing,
            State::Queued { .. } => {
                why.clone_into(&mut self.status_detail);
                Step::To(State::Queued { not_before: until })
            }
            _ => Step::Illegal,
        }
    }

    pub(super) fn accepted(
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
        if attempt.outcome == AttemptOutcome::Skipped {
            return Step::Illegal;
        }
        let asserted = attempt.outcome == AttemptOutcome::Rejected;
        accept(attempt);
        if open || (idle && asserted) {
            attempt.ended = None;
            self.times.submitted.get_or_insert(now);
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

    pub(super) fn rejected(
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
        if !open && !attempt.is_unproved() {
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

    pub(super) fn ambiguous(&mut self, number: u32, evidence: &str, deadline: Timestamp) -> Step {
        match self.state {
            State::Submitting { attempt } if attempt == number => {
                self.change_current(|a| a.lose(evidence));
                Step::To(State::SubmissionUnknown {
                    attempt,
                    deadline: Some(deadline),
                })
            }
            _ => Step::Nothing,
        }
    }

    pub(super) fn deadline_passed(&mut self, policy: UnknownPolicy, now: Timestamp) -> Step {
        let State::SubmissionUnknown { attempt, deadline } = self.state else {
            return Step::Illegal;
        };
        match policy {
            UnknownPolicy::Hold if deadline.is_none() => Step::Nothing,
            UnknownPolicy::Hold => Step::To(State::SubmissionUnknown {
                attempt,
                deadline: None,
            }),
            UnknownPolicy::Resubmit if !self.cancel_requested && self.unproved() < MAX_UNPROVED => {
                self.change_current(|a| {
                    a.assert_rejected("outcome unknown; resubmitted by policy", now);
                });
                Step::To(State::Queued { not_before: now })
            }
            UnknownPolicy::Fail | UnknownPolicy::Resubmit => Step::To(unknown_outcome(
                "the provider's answer to the create was lost; it may have charged for it",
            )),
        }
    }

    /// Attempts that somebody wrote off and nothing disproves: each may have been paid.
    fn unproved(&self) -> usize {
        let written_off =
            |a: &&Attempt| a.outcome == AttemptOutcome::Rejected && a.cost.charge != Charge::None;
        self.attempts.iter().filter(written_off).count()
    }

    pub(super) fn resolved(&mut self, resolution: &Resolution, now: Timestamp) -> Step {
        let State::SubmissionUnknown { .. } = self.state else {
            return Step::Illegal;
        };
        match resolution {
            Resolution::Attach { upstream_id } => {
                self.change_current(|a| a.accept(upstream_id, a.cost.estimated));
                self.times.submitted.get_or_insert(now);
                Step::To(State::Submitted)
            }
            Resolution::NotCharged => {
                self.change_current(|a| a.assert_rejected("an operator says: not charged", now));
                if self.cancel_requested {
                    return Step::To(self.cancelled_unsent());
                }
                Step::To(State::Queued { not_before: now })
            }
            Resolution::Charged => {
                self.change_current(|a| a.cost.charge = Charge::Charged);
                Step::To(unknown_outcome(
                    "an operator says: the provider charged for a lost create",
                ))
            }
        }
    }

    /// Whether the answer to this attempt is still what the task waits for.
    pub(super) fn waits_for(&self, number: u32) -> bool {
        matches!(
            self.state,
            State::Submitting { attempt } | State::SubmissionUnknown { attempt, .. }
                if attempt == number
        )
    }
}

fn unknown_outcome(message: &str) -> State {
    State::Failed(Failure::ours(
        FailureReason::SubmissionOutcomeUnknown,
        message,
    ))
}

/// Creates of unknown outcome that the policy `resubmit` writes off before it gives up.
const MAX_UNPROVED: usize = 2;
