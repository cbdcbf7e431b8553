//! What can happen to a task.

use super::Purge;
use super::failure::{Failure, Rejection};
use crate::domain::artifact::Artifact;
use crate::domain::money::Millicredits;
use crate::domain::time::Timestamp;

/// One thing that happened, or was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The dispatcher chose a deployment and is about to send the create.
    Claimed {
        /// The deployment.
        deployment: String,
        /// The account behind it.
        account: String,
        /// The model there, by the catalogue's id of it.
        model: String,
        /// The most that the attempt may cost there; `None`: not known.
        estimated: Option<Millicredits>,
        /// What is asked for there otherwise than by the caller, for people; empty: nothing.
        changes: String,
    },
    /// A deployment whose turn it was does not take the request; it was not asked.
    Skipped {
        /// The deployment.
        deployment: String,
        /// The account behind it.
        account: String,
        /// The model there, by the catalogue's id of it.
        model: String,
        /// Why, for people.
        why: String,
    },
    /// No deployment may be tried before a moment.
    Deferred {
        /// The moment.
        not_before: Timestamp,
        /// Why, for people.
        why: String,
    },
    /// Evidence: the provider answered the attempt's create with an id.
    Accepted {
        /// The attempt's number.
        attempt: u32,
        /// The provider's task id.
        upstream_id: String,
        /// The price it named.
        estimated: Option<Millicredits>,
        /// Until when the real cost is asked for, should the task have ended already.
        book_until: Timestamp,
    },
    /// Evidence: no task exists for the attempt.
    Rejected {
        /// The attempt's number.
        attempt: u32,
        /// What was answered.
        rejection: Rejection,
        /// What follows.
        verdict: Verdict,
    },
    /// The answer to the attempt's create proves nothing.
    Ambiguous {
        /// The attempt's number.
        attempt: u32,
        /// What was seen.
        evidence: String,
        /// When the policy decides.
        deadline: Timestamp,
    },
    /// The deadline of an unknown submission passed.
    DeadlinePassed(UnknownPolicy),
    /// An operator settled an unknown submission.
    Resolved(Resolution),
    /// No deployment will take the task.
    NoRoute(Failure),
    /// The provider was asked and said where its task stands.
    Observed {
        /// The number of the attempt whose task it is.
        attempt: u32,
        /// What it said.
        seen: Observation,
    },
    /// The provider repeatedly did not know the task.
    Gone {
        /// The number of the attempt whose task it was.
        attempt: u32,
    },
    /// The provider's task ended by the provider's fault, and the group's policy lets the task be
    /// made again.
    Remade {
        /// The number of the attempt that ended.
        attempt: u32,
        /// How it ended; the task's own end, should it be cancelled meanwhile.
        failure: Failure,
        /// The price, if the provider named one.
        cost: Option<Millicredits>,
    },
    /// The provider confirmed a cancel, or forgot the task after one.
    CancelConfirmed {
        /// The number of the attempt whose task it was.
        attempt: u32,
    },
    /// The task ran longer than its timeout.
    TimedOut {
        /// The number of the attempt that runs.
        attempt: u32,
        /// Until when the real cost is asked for.
        book_until: Timestamp,
    },
    /// The caller asked to cancel.
    CancelRequested,
    /// The content is in the archive, verified.
    Archived(Vec<Artifact>),
    /// The content cannot be had.
    ArchiveFailed(Failure),
    /// The provider's final price of an ended attempt; `None`: it will never be known.
    Booked {
        /// The attempt's number.
        attempt: u32,
        /// The price.
        actual: Option<Millicredits>,
    },
    /// The caller deleted the task.
    Deleted,
    /// Retention took the content; the record stays.
    ContentExpired,
    /// So much of the task is gone from the archive; more may have to go by now.
    Purged(Purge),
}

/// What follows a proved rejection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again, not before this moment.
    Retry(Timestamp),
    /// Give up.
    Fail(Failure),
}

/// What a deployment does with a submission that stays unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownPolicy {
    /// Fail the task; the charge is unknown.
    #[default]
    Fail,
    /// Keep it until an operator resolves it.
    Hold,
    /// Submit again, accepting that it may be paid twice.
    Resubmit,
}

/// How an operator settles an unknown submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The provider has the task, under this id.
    Attach {
        /// The provider's task id, already checked by reading it.
        upstream_id: String,
    },
    /// The provider took nothing: it may be submitted again.
    NotCharged,
    /// The provider charged, and the task is lost.
    Charged,
}

/// What the provider says of its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Where it stands.
    pub status: UpstreamStatus,
    /// How far it is.
    pub progress: Option<Progress>,
    /// The price, so far or final.
    pub cost: Option<Millicredits>,
    /// Where the outputs are: signed, short-lived, secret.
    pub outputs: Vec<String>,
}

/// The provider's status, in the field's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamStatus {
    /// Accepted, not begun.
    Pending,
    /// Held for the account's concurrency limit.
    Throttled,
    /// Being generated.
    Running,
    /// Finished with outputs.
    Succeeded,
    /// Finished without.
    Failed(Failure),
    /// Cancelled at the provider.
    Cancelled,
    /// A word we do not know: neither an end nor a failure.
    Unrecognised(String),
}

/// How far a generation is: 0 to 10,000 ten-thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Progress(u16);

impl Progress {
    /// Done.
    pub const DONE: Self = Self(10_000);

    /// From a share of 1; clamps, and takes what is no number for nothing.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is clamped to 0..=10000 first"
    )]
    pub fn from_share(share: f64) -> Self {
        if share.is_nan() {
            Self(0)
        } else {
            Self((share.clamp(0.0, 1.0) * 10_000.0) as u16)
        }
    }

    /// As ten-thousandths.
    pub const fn ten_thousandths(self) -> u16 {
        self.0
    }

    /// As a share of 1.
    pub fn share(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }
}

impl Event {
    /// The name in tables and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Claimed { .. } => "claimed",
            Self::Skipped { .. } => "skipped",
            Self::Deferred { .. } => "deferred",
            Self::Accepted { .. } => "accepted",
            Self::Rejected {
                verdict: Verdict::Retry(_),
                ..
            } => "rejected-retry",
            Self::Rejected {
                verdict: Verdict::Fail(_),
                ..
            } => "rejected-final",
            Self::Ambiguous { .. } => "ambiguous",
            Self::DeadlinePassed(UnknownPolicy::Fail) => "deadline-fail",
            Self::DeadlinePassed(UnknownPolicy::Hold) => "deadline-hold",
            Self::DeadlinePassed(UnknownPolicy::Resubmit) => "deadline-resubmit",
            Self::Resolved(Resolution::Attach { .. }) => "resolve-attach",
            Self::Resolved(Resolution::NotCharged) => "resolve-not-charged",
            Self::Resolved(Resolution::Charged) => "resolve-charged",
            Self::NoRoute(_) => "no-route",
            Self::Observed { seen, .. } => seen.status.name(),
            Self::Gone { .. } => "gone",
            Self::Remade { .. } => "remade",
            Self::CancelConfirmed { .. } => "cancel-confirmed",
            Self::TimedOut { .. } => "timed-out",
            Self::CancelRequested => "cancel-requested",
            Self::Archived(_) => "archived",
            Self::ArchiveFailed(_) => "archive-failed",
            Self::Booked { .. } => "booked",
            Self::Deleted => "deleted",
            Self::ContentExpired => "content-expired",
            Self::Purged(_) => "purged",
        }
    }
}

impl UpstreamStatus {
    const fn name(&self) -> &'static str {
        match self {
            Self::Pending => "seen-pending",
            Self::Throttled => "seen-throttled",
            Self::Running => "seen-running",
            Self::Succeeded => "seen-succeeded",
            Self::Failed(_) => "seen-failed",
            Self::Cancelled => "seen-cancelled",
            Self::Unrecognised(_) => "seen-unrecognised",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_clamped() {
        for (share, expected) in [
            (-1.0, 0),
            (0.0, 0),
            (0.5, 5_000),
            (1.0, 10_000),
            (1e308, 10_000),
            (f64::NAN, 0),
        ] {
            assert_eq!(
                Progress::from_share(share).ten_thousandths(),
                expected,
                "{share}"
            );
        }
    }
}
