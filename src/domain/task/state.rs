//! The states of a task, and what a caller sees of them.

use super::failure::Failure;
use crate::domain::time::Timestamp;

/// Where a task stands. Each variant carries only what is true in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Committed; no create call is open.
    Queued {
        /// Not before this moment is it offered to a deployment.
        not_before: Timestamp,
    },
    /// The intent of an attempt is committed; its create call may have left.
    Submitting {
        /// The attempt's number.
        attempt: u32,
    },
    /// The answer to an attempt's create was lost or ambiguous.
    SubmissionUnknown {
        /// The attempt's number.
        attempt: u32,
        /// When the deployment's policy decides; `None` holds until an operator does.
        deadline: Option<Timestamp>,
    },
    /// The provider has a task and has not begun.
    Submitted,
    /// The provider holds it for the account's concurrency limit.
    Throttled,
    /// The provider generates.
    Running,
    /// The provider finished; the content is being copied.
    Archiving,
    /// The content is in the archive, hashed and verified. Final.
    Completed,
    /// Final.
    Failed(Failure),
    /// Cancelled before or during generation. Final.
    Cancelled {
        /// Proved that no create call was ever accepted.
        before_submit: bool,
    },
}

/// What a caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Waiting: for a deployment or at the provider.
    Queued,
    /// Held by the provider for the account's concurrency limit.
    Throttled,
    /// Being generated, or its content being copied.
    InProgress,
    /// Done; the content can be downloaded.
    Completed,
    /// Failed for good.
    Failed,
    /// Cancelled for good.
    Cancelled,
    /// Whether the provider accepted the create is not known yet.
    SubmissionUnknown,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Throttled,
        Self::InProgress,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::SubmissionUnknown,
    ];

    /// The public name, without the enum's prefix.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Throttled => "THROTTLED",
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::SubmissionUnknown => "SUBMISSION_UNKNOWN",
        }
    }

    /// The status of a public name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// How far a live task is for a caller, who never sees it go back. `None`: the end, or a
    /// submission of which nothing is known, which may come at any time and be settled again.
    pub(super) const fn rank(self) -> Option<u8> {
        match self {
            Self::Queued => Some(0),
            Self::Throttled => Some(1),
            Self::InProgress => Some(2),
            Self::Completed | Self::Failed | Self::Cancelled | Self::SubmissionUnknown => None,
        }
    }

    /// Whether it never changes again.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl State {
    /// What a caller sees.
    pub const fn status(&self) -> Status {
        match self {
            Self::Queued { .. } | Self::Submitting { .. } | Self::Submitted => Status::Queued,
            Self::SubmissionUnknown { .. } => Status::SubmissionUnknown,
            Self::Throttled => Status::Throttled,
            Self::Running | Self::Archiving => Status::InProgress,
            Self::Completed => Status::Completed,
            Self::Failed(_) => Status::Failed,
            Self::Cancelled { .. } => Status::Cancelled,
        }
    }

    /// The name in the store and in logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Submitting { .. } => "submitting",
            Self::SubmissionUnknown { .. } => "submission_unknown",
            Self::Submitted => "submitted",
            Self::Throttled => "throttled",
            Self::Running => "running",
            Self::Archiving => "archiving",
            Self::Completed => "completed",
            Self::Failed(_) => "failed",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// Whether it never changes again.
    pub const fn is_terminal(&self) -> bool {
        self.status().is_terminal()
    }

    /// How far the provider is with it; a step back is never taken.
    pub(super) const fn upstream_rank(&self) -> Option<u8> {
        match self {
            Self::Submitted => Some(0),
            Self::Throttled => Some(1),
            Self::Running => Some(2),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_reads_back() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
    }
}
