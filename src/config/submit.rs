//! `submit` and `poll`: how the provider is called.

use std::time::Duration;

use super::quantity::show_duration;
use super::section::Section;
use super::{DAY, HOUR, MINUTE, SECOND};

/// Settings of the create call.
#[derive(Clone, Debug)]
pub struct Submit {
    /// Submits on their way at the same time; as many more may be uploading inputs.
    pub concurrency: usize,
    /// How long after the intent is committed the request may still leave.
    pub window: Duration,
    /// How long the provider may take to answer.
    pub timeout: Duration,
    /// How long a provider may take that answers when it has finished, as `OpenAI` does for images.
    pub image_timeout: Duration,
    /// When an unknown outcome is given up; at least `window` + `timeout` + 60 s.
    pub unknown_deadline: Duration,
    /// What then happens.
    pub on_unknown_outcome: OnUnknownOutcome,
    /// Submits of one task before it fails.
    pub max_attempts: u32,
    /// Whether a 503 proves that no task was made.
    pub trust_503: bool,
}

/// What happens to a task whose submission stayed unknown until the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknownOutcome {
    /// It fails, as perhaps charged.
    Fail,
    /// It waits for an operator.
    Hold,
    /// It is submitted again, which may pay twice.
    Resubmit,
}

/// Settings of reading tasks at the provider.
#[derive(Clone, Debug)]
pub struct Poll {
    /// Least time between two reads of one task.
    pub interval: Duration,
    /// Reads on their way at the same time.
    pub concurrency: usize,
    /// Longest wait after errors; at least `interval`.
    pub max_backoff: Duration,
}

impl Submit {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let submit = Self {
            concurrency: section.count("concurrency", 1..=256),
            window: section.duration("window", SECOND..=MINUTE),
            timeout: section.duration("timeout", SECOND..=5 * MINUTE),
            image_timeout: section.duration("image_timeout", SECOND..=HOUR),
            unknown_deadline: section.duration("unknown_deadline", SECOND..=DAY),
            on_unknown_outcome: section.choice(
                "on_unknown_outcome",
                &POLICIES,
                OnUnknownOutcome::Fail,
            ),
            max_attempts: section.count("max_attempts", 1..=1_000),
            trust_503: section.flag("trust_503"),
        };
        let least = submit.window + submit.timeout + MINUTE;
        if submit.unknown_deadline < least {
            let text = format!(
                "{} is too short: a submission's answer may arrive as late as submit.window + \
                 submit.timeout + 60s, which is {}; raise unknown_deadline or lower those",
                show_duration(submit.unknown_deadline),
                show_duration(least),
            );
            section.wrong("unknown_deadline", &text);
        }
        submit
    }
}

impl Poll {
    /// `local` says that every account of RunwayML is on this machine, where Runway's own rule does
    /// not hold; `sandbox` that they are in this process.
    pub(super) fn read(section: &Section<'_>, local: bool, sandbox: bool) -> Self {
        let bounds = Duration::from_millis(10)..=HOUR;
        let mut poll = Self {
            interval: section.duration("interval", bounds),
            concurrency: section.count("concurrency", 1..=1_024),
            max_backoff: section.duration("max_backoff", SECOND..=HOUR),
        };
        if sandbox && section.is_default("interval") {
            poll.interval = SANDBOX_INTERVAL;
        }
        if poll.interval < RUNWAYS_FLOOR && !local {
            let text = format!(
                "{} is too often: Runway asks for at least 5s between two reads of a task; less is \
                 taken only where the base URL of every such account is on this machine",
                show_duration(poll.interval),
            );
            section.wrong("interval", &text);
        }
        if poll.max_backoff < poll.interval {
            section.wrong("max_backoff", "is shorter than poll.interval");
        }
        poll
    }
}

const POLICIES: [(&str, OnUnknownOutcome); 3] = [
    ("fail", OnUnknownOutcome::Fail),
    ("hold", OnUnknownOutcome::Hold),
    ("resubmit", OnUnknownOutcome::Resubmit),
];
/// Runway's documentation: not more than once in five seconds.
const RUNWAYS_FLOOR: Duration = Duration::from_secs(5);
/// The sandbox is in this process and finishes within seconds.
const SANDBOX_INTERVAL: Duration = Duration::from_millis(250);
