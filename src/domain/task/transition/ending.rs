//! The end of a task, and what may still happen to its record.

use std::sync::Arc;

use super::{Step, attempt_mut};
use crate::domain::artifact::Artifact;
use crate::domain::generation::InputSource;
use crate::domain::money::Millicredits;
use crate::domain::task::{Failure, Order, Purge, State, Task};
use crate::domain::time::Timestamp;

impl Task {
    pub(super) fn cancel(&mut self) -> Step {
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

    /// Cancelled with no create call open; proved free unless an earlier one was only asserted.
    pub(super) fn cancelled_unsent(&self) -> State {
        State::Cancelled {
            before_submit: self.is_free_so_far(),
        }
    }

    pub(super) fn archived(&mut self, outputs: &[Artifact], now: Timestamp) -> Step {
        let State::Archiving = self.state else {
            return Step::Illegal;
        };
        self.change_current(|a| a.ended = Some(now));
        self.outputs = outputs.to_vec();
        Step::To(State::Completed)
    }

    pub(super) fn archive_failed(&mut self, failure: &Failure, now: Timestamp) -> Step {
        let State::Archiving = self.state else {
            return Step::Illegal;
        };
        self.change_current(|a| a.end(now));
        self.purge = Purge::All;
        Step::To(State::Failed(failure.clone()))
    }

    pub(super) fn booked(&mut self, number: u32, actual: Option<Millicredits>) -> Step {
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

    pub(super) fn delete(&mut self) -> Step {
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
        // A provider's words may quote the prompt.
        if let State::Failed(failure) = &mut self.state {
            failure.provider_message.clear();
        }
        for attempt in &mut self.attempts {
            attempt.reason.clear();
            attempt.changes.clear();
        }
        Step::Stay
    }

    pub(super) fn expire_content(&mut self) -> Step {
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

    pub(super) fn purged(&mut self, what: Purge) -> Step {
        if self.purge == Purge::Nothing || self.purge != what {
            return Step::Nothing;
        }
        self.purge = Purge::Nothing;
        Step::Stay
    }

    /// What every terminal state has in common.
    pub(super) fn on_end(&mut self, now: Timestamp) {
        if !self.state.is_terminal() {
            return;
        }
        self.times.completed = Some(now);
        self.status_detail = self.order.generation.notes.join(" ");
        let spooled = |input: &crate::domain::generation::Input| {
            matches!(input.source, InputSource::Inline { .. })
        };
        if self.purge == Purge::Nothing && self.order.generation.inputs.iter().any(spooled) {
            self.purge = Purge::Inputs;
        }
    }
}

/// An order without anything the caller wrote but its labels and model.
fn redacted(order: &Order) -> Order {
    let mut kept = order.clone();
    kept.generation.prompt.clear();
    kept.generation.negative_prompt.clear();
    kept.generation.inputs.clear();
    kept.generation.options.clear();
    kept.generation.notes.clear();
    // Who is still to be told stands with the delivery.
    kept.webhook.clear();
    kept
}
