//! Why a task failed, as a caller sees it, and what a provider's answer to a create means.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::event::Observation;

/// The reason of a terminal failure. The names are part of the public contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// The provider refused the request's fields or media; a changed request may pass.
    InvalidInput,
    /// The provider refused for another definite reason.
    ProviderRejected,
    /// An input was moderated; never retried. Charged, unless the create itself was refused.
    ModeratedInput,
    /// The output was moderated. Charged; never retried.
    ModeratedOutput,
    /// The provider tried and failed.
    GenerationFailed,
    /// The provider no longer knows the task.
    ProviderTaskGone,
    /// The provider finished, but what it made is no usable media.
    BadOutput,
    /// The provider finished, but its output could not be copied before it died.
    OutputLost,
    /// The output is larger than the configured limit.
    OutputTooLarge,
    /// Whether the provider accepted the create could not be found out in time.
    SubmissionOutcomeUnknown,
    /// No deployment could take the task.
    NoDeploymentAvailable,
    /// The task ran longer than its timeout.
    TimedOut,
}

impl FailureReason {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::InvalidInput,
        Self::ProviderRejected,
        Self::ModeratedInput,
        Self::ModeratedOutput,
        Self::GenerationFailed,
        Self::ProviderTaskGone,
        Self::BadOutput,
        Self::OutputLost,
        Self::OutputTooLarge,
        Self::SubmissionOutcomeUnknown,
        Self::NoDeploymentAvailable,
        Self::TimedOut,
    ];

    /// The public name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "INVALID_INPUT",
            Self::ProviderRejected => "PROVIDER_REJECTED",
            Self::ModeratedInput => "MODERATED_INPUT",
            Self::ModeratedOutput => "MODERATED_OUTPUT",
            Self::GenerationFailed => "GENERATION_FAILED",
            Self::ProviderTaskGone => "PROVIDER_TASK_GONE",
            Self::BadOutput => "BAD_OUTPUT",
            Self::OutputLost => "OUTPUT_LOST",
            Self::OutputTooLarge => "OUTPUT_TOO_LARGE",
            Self::SubmissionOutcomeUnknown => "SUBMISSION_OUTCOME_UNKNOWN",
            Self::NoDeploymentAvailable => "NO_DEPLOYMENT_AVAILABLE",
            Self::TimedOut => "TIMED_OUT",
        }
    }

    /// The reason of a public name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// Whether the same request, sent again as a new task, could succeed.
    pub const fn retryable(self) -> bool {
        match self {
            Self::GenerationFailed
            | Self::ProviderTaskGone
            | Self::BadOutput
            | Self::OutputLost
            | Self::SubmissionOutcomeUnknown
            | Self::NoDeploymentAvailable
            | Self::TimedOut => true,
            Self::InvalidInput
            | Self::ProviderRejected
            | Self::ModeratedInput
            | Self::ModeratedOutput
            | Self::OutputTooLarge => false,
        }
    }
}

/// A terminal failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: FailureReason,
    /// A sentence of ours for the caller.
    pub message: String,
    /// The provider's own code, kept whole; empty when it gave none.
    pub provider_code: String,
    /// The provider's own text, shortened and cleaned; empty when it gave none.
    pub provider_message: String,
}

impl Failure {
    /// A failure without words of the provider.
    pub fn ours(reason: FailureReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            provider_code: String::new(),
            provider_message: String::new(),
        }
    }
}

impl Failure {
    /// The provider has forgotten its task.
    pub fn gone() -> Self {
        let message = "the provider no longer knows the task";
        Self::ours(FailureReason::ProviderTaskGone, message)
    }

    /// Whether it is proved that the provider's task has ended, and that neither the request nor its
    /// inputs were to blame: the same request may succeed elsewhere.
    pub fn is_providers_fault(&self) -> bool {
        match self.reason {
            FailureReason::ProviderTaskGone => true,
            FailureReason::GenerationFailed => {
                let code = self.provider_code.to_ascii_uppercase();
                PROVIDERS_FAULTS.iter().any(|known| {
                    let rest = code.strip_prefix(known);
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '_']))
                })
            }
            _ => false,
        }
    }
}

/// How codes of failures begin that are the provider's own; what is not known may be the request's.
const PROVIDERS_FAULTS: [&str; 3] = ["INTERNAL", "THIRD_PARTY.UNAVAILABLE", "SERVER_ERROR"];

/// Whose fault a proved rejection of a create is, which says what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectionKind {
    /// The request itself: no other deployment of the model would take it.
    Caller,
    /// The request's content, as moderation judged it before anything was made: not to be sent
    /// anywhere else.
    Moderated,
    /// The account: its key, its credits, its rights, or our configuration of it.
    Account,
    /// The account's quota: it must cool down.
    Quota,
    /// The provider sheds load.
    Unavailable,
    /// The request provably never left: name resolution, connect or TLS failed.
    NotSent,
}

impl RejectionKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Caller,
        Self::Moderated,
        Self::Account,
        Self::Quota,
        Self::Unavailable,
        Self::NotSent,
    ];

    /// The name in the store and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "CALLER",
            Self::Moderated => "MODERATED",
            Self::Account => "ACCOUNT",
            Self::Quota => "QUOTA",
            Self::Unavailable => "UNAVAILABLE",
            Self::NotSent => "NOT_SENT",
        }
    }

    /// The kind of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A definite answer that no task exists at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Whose fault.
    pub kind: RejectionKind,
    /// What was answered, cleaned and shortened; never a secret.
    pub message: String,
    /// The provider's code or the HTTP status.
    pub code: String,
    /// How long the provider asked to wait, already clamped.
    pub retry_after: Option<Duration>,
}

impl Rejection {
    /// Whether it may be about an address in the request that leads nowhere.
    pub fn may_be_about_inputs(&self) -> bool {
        self.kind == RejectionKind::Caller || self.code == "404"
    }
}

/// What came in the very answer to a create.
#[derive(Clone, PartialEq, Eq)]
pub struct Finished {
    /// What a question would say now.
    pub seen: Observation,
    /// The bytes of outputs, in order, that came with it; empty where there are addresses instead.
    pub outputs: Vec<Bytes>,
}

/// Shows no media.
impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths: Vec<usize> = self.outputs.iter().map(Bytes::len).collect();
        f.debug_struct("Finished")
            .field("status", &self.seen.status)
            .field("outputs", &lengths)
            .finish_non_exhaustive()
    }
}

/// The three outcomes of one create call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// A task exists under this id.
    Accepted {
        /// The provider's task id.
        upstream_id: String,
        /// The price the provider named.
        estimated: Option<crate::domain::money::Millicredits>,
        /// What was made already, of a provider that generates while it is asked; `None`: ask.
        finished: Option<Box<Finished>>,
    },
    /// Proved: no task exists.
    Rejected(Rejection),
    /// Anything else. Never resubmitted by itself.
    Unknown {
        /// What was seen, cleaned and shortened.
        evidence: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_reads_back() {
        for reason in FailureReason::ALL {
            assert_eq!(FailureReason::parse(reason.as_str()), Some(reason));
        }
    }
}
