//! While the provider has the task.

use super::Step;
use crate::domain::money::{Charge, Millicredits};
use crate::domain::task::{Failure, FailureReason, Observation, State, Task, UpstreamStatus};
use crate::domain::time::Timestamp;

impl Task {
    /// Whether the provider has the task, but for another attempt: what is said of a former one
    /// must not touch the one that runs.
    pub(super) fn is_of_the_past(&self, attempt: u32) -> bool {
        let current = self.current_attempt().map(|current| current.number);
        self.state.upstream_rank().is_some() && current != Some(attempt)
    }

    pub(super) fn observed(&mut self, seen: &Observation, now: Timestamp) -> Step {
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
                self.times.started.get_or_insert(now);
                self.change_current(|a| a.running = Some(now));
                Step::To(State::Running)
            }
            UpstreamStatus::Pending
            | UpstreamStatus::Throttled
            | UpstreamStatus::Running
            | UpstreamStatus::Unrecognised(_) => Step::Nothing,
            UpstreamStatus::Succeeded if seen.outputs.is_empty() => {
                self.close_attempt(seen.cost, Charge::Charged, now);
                let message = "the provider finished without an output";
                Step::To(State::Failed(Failure::ours(
                    FailureReason::BadOutput,
                    message,
                )))
            }
            UpstreamStatus::Succeeded => {
                self.change_current(|a| a.bill(seen.cost, Charge::Charged));
                Step::To(State::Archiving)
            }
            UpstreamStatus::Failed(failure) => {
                self.close_attempt(seen.cost, unsaid(failure.reason), now);
                self.change_current(|a| a.fail(failure));
                Step::To(State::Failed(failure.clone()))
            }
            UpstreamStatus::Cancelled => {
                self.close_attempt(seen.cost, Charge::ChargedOrUnknown, now);
                Step::To(State::Cancelled {
                    before_submit: false,
                })
            }
        }
    }

    pub(super) fn gone(&mut self, now: Timestamp) -> Step {
        if self.cancel_requested {
            return self.cancel_confirmed(now);
        }
        if self.state.upstream_rank().is_none() {
            return Step::Illegal;
        }
        self.change_current(|a| {
            a.bill(None, Charge::ChargedOrUnknown);
            a.end(now);
        });
        Step::To(State::Failed(Failure::gone()))
    }

    /// The attempt ends with its bill, and the task waits for another. A cancel that came meanwhile
    /// goes before: the task then ends as it would have.
    pub(super) fn remade(
        &mut self,
        failure: &Failure,
        cost: Option<Millicredits>,
        now: Timestamp,
    ) -> Step {
        if self.state.upstream_rank().is_none() {
            return Step::Illegal;
        }
        if self.cancel_requested && failure.reason == FailureReason::ProviderTaskGone {
            return self.cancel_confirmed(now);
        }
        self.close_attempt(cost, unsaid(failure.reason), now);
        self.change_current(|a| a.fail(failure));
        if self.cancel_requested {
            return Step::To(State::Failed(failure.clone()));
        }
        self.status_detail = format!("to be made again: {}", failure.message);
        Step::To(State::Queued { not_before: now })
    }

    pub(super) fn cancel_confirmed(&mut self, now: Timestamp) -> Step {
        if self.state.upstream_rank().is_none() {
            return Step::Illegal;
        }
        self.change_current(|a| {
            a.bill(None, Charge::ChargedOrUnknown);
            a.end(now);
        });
        Step::To(State::Cancelled {
            before_submit: false,
        })
    }

    pub(super) fn timed_out(&mut self, book_until: Timestamp) -> Step {
        if self.state.upstream_rank().is_none() {
            return Step::Illegal;
        }
        self.change_current(|a| {
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

    pub(super) fn close_attempt(
        &mut self,
        cost: Option<Millicredits>,
        charge: Charge,
        now: Timestamp,
    ) {
        self.change_current(|a| {
            a.bill(cost, charge);
            a.end(now);
        });
    }
}

/// What is known of the bill of a failure for which the provider named no amount: moderated work is
/// charged, as documented; other failures are refunded at its discretion.
const fn unsaid(reason: FailureReason) -> Charge {
    if matches!(
        reason,
        FailureReason::ModeratedInput | FailureReason::ModeratedOutput
    ) {
        Charge::Charged
    } else {
        Charge::ChargedOrUnknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::Event;
    use crate::domain::task::samples;

    /// A task whose generation failed at the provider.
    fn failed(reason: FailureReason, cost: Option<Millicredits>) -> Task {
        let seen = Observation {
            status: UpstreamStatus::Failed(Failure::ours(reason, "no")),
            progress: None,
            outputs: vec![],
            cost,
        };
        let seen = Event::Observed { attempt: 1, seen };
        let events = [samples::claimed(), samples::accepted(1), seen];
        samples::walk(samples::task(1), &events)
    }

    #[test]
    fn what_failed_without_a_named_amount_may_have_been_charged() {
        for reason in [FailureReason::GenerationFailed, FailureReason::InvalidInput] {
            for (cost, charge) in [
                (Some(Millicredits(5_000)), Charge::Charged),
                (None, Charge::ChargedOrUnknown),
                (Some(Millicredits(0)), Charge::None),
            ] {
                let bill = failed(reason, cost).cost();
                assert_eq!((bill.actual, bill.charge), (cost, charge));
            }
        }
    }

    #[test]
    fn what_was_moderated_is_on_the_bill_also_where_the_provider_names_no_amount() {
        for reason in [
            FailureReason::ModeratedInput,
            FailureReason::ModeratedOutput,
        ] {
            for (cost, charge) in [
                (Some(Millicredits(5_000)), Charge::Charged),
                (None, Charge::Charged),
                (Some(Millicredits(0)), Charge::None),
            ] {
                let ended = failed(reason, cost);
                assert!(ended.state.is_terminal());
                assert_eq!(ended.cost().charge, charge, "{cost:?}");
                assert_eq!(ended.cost().actual, cost);
                assert!(!ended.failure().expect("it failed").reason.retryable());
            }
        }
    }
}
