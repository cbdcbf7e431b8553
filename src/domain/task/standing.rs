//! Where a task counts: in a queue, at a provider, or in neither.

use super::{State, Task};

/// Where a task counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// In the queue: no create call is open.
    Waiting,
    /// At a provider, or perhaps there: it may use one of the account's places.
    InFlight {
        /// Where.
        place: Place<'a>,
        /// The provider holds it back for the account's concurrency limit.
        throttled: bool,
    },
    /// In neither, and not ended: its content is being copied, or an operator is to decide.
    Aside,
    /// Nowhere any more.
    Ended,
}

/// Who has a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The account.
    pub account: &'a str,
    /// The model there, by the catalogue's id of it.
    pub model: &'a str,
    /// The deployment.
    pub deployment: &'a str,
}

impl Task {
    /// Where it counts.
    pub fn standing(&self) -> Standing<'_> {
        let throttled = match &self.state {
            State::Queued { .. } => return Standing::Waiting,
            State::SubmissionUnknown { deadline: None, .. } | State::Archiving => {
                return Standing::Aside;
            }
            State::Completed | State::Failed(_) | State::Cancelled { .. } => {
                return Standing::Ended;
            }
            State::Throttled => true,
            State::Submitting { .. }
            | State::SubmissionUnknown { .. }
            | State::Submitted
            | State::Running => false,
        };
        self.current_attempt().map_or(Standing::Aside, |attempt| {
            let place = Place {
                account: &attempt.account,
                model: attempt.model_or(&self.order.generation.model),
                deployment: &attempt.deployment,
            };
            Standing::InFlight { place, throttled }
        })
    }
}
