//! The loops' numbers.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::task::UnknownPolicy;

/// The loops' numbers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Creating at a provider.
    pub submit: SubmitSettings,
    /// Asking a provider.
    pub poll: PollSettings,
    /// Copying content.
    pub archive: ArchiveSettings,
    /// Telling of ends.
    pub webhooks: WebhookSettings,
    /// How often each account is asked what it may do and has left.
    pub check_accounts: Duration,
    /// How long content is kept.
    pub keep_content: Duration,
    /// How long a finished task's record is kept.
    pub keep_records: Duration,
    /// Where it is noted when tasks were asked about, for after a restart. `None`: nowhere.
    pub notes: Option<PathBuf>,
}

/// Creating at a provider.
#[derive(Clone, Copy, Debug)]
pub struct SubmitSettings {
    /// How long after its intent a create may still leave.
    pub window: Duration,
    /// How long an unknown submission waits for late evidence.
    pub unknown_deadline: Duration,
    /// What decides it then.
    pub on_unknown: UnknownPolicy,
    /// Create calls for one task at most.
    pub max_attempts: u32,
    /// After this long in *submitting* an answer cannot come any more.
    pub quarantine: Duration,
}

/// Asking a provider.
#[derive(Clone, Copy, Debug)]
pub struct PollSettings {
    /// The least time between two questions about one task.
    pub floor: Duration,
    /// The longest pause after errors.
    pub max_backoff: Duration,
}

impl PollSettings {
    /// How long an answer that ends a paid task must go on before it is believed: a dozen
    /// questions, a minute at most.
    pub(super) fn patience(&self) -> Duration {
        (self.floor * 12).min(Duration::from_mins(1))
    }
}

/// Copying content.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveSettings {
    /// Tasks copied at once.
    pub concurrency: usize,
    /// Bounds of one copy.
    pub limits: super::copy::Limits,
    /// After this long the content is given up.
    pub give_up: Duration,
}

/// Telling receivers of the ends of tasks.
#[derive(Clone, Copy, Debug)]
pub struct WebhookSettings {
    /// Calls on their way at once.
    pub concurrency: usize,
    /// Of them, to one receiver.
    pub per_receiver: usize,
    /// How long one call may take.
    pub timeout: Duration,
    /// The wait after a first failure.
    pub first_retry: Duration,
    /// After this long a receiver is given up; sooner where records are kept for less.
    pub give_up: Duration,
}
