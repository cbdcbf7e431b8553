//! `webhooks`: how the ends of tasks are told.

use std::time::Duration;

use super::section::Section;
use super::{DAY, HOUR, MINUTE, SECOND};
use crate::domain::webhook::{Allowed, Origin};

/// How the ends of tasks are told.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// Calls on their way at the same time.
    pub concurrency: usize,
    /// Of them, to one receiver.
    pub per_receiver: usize,
    /// How long one call may take.
    pub timeout: Duration,
    /// The wait after a first failure; later ones grow with it.
    pub first_retry: Duration,
    /// How long a delivery is tried.
    pub give_up: Duration,
}

impl Webhooks {
    pub(super) fn read(section: &Section<'_>) -> (Self, Allowed) {
        let webhooks = Self {
            concurrency: section.count("concurrency", 1..=256),
            per_receiver: section.count("per_receiver", 1..=256),
            timeout: section.duration("timeout", SECOND..=2 * MINUTE),
            first_retry: section.duration("first_retry", Duration::from_millis(50)..=HOUR),
            give_up: section.duration("give_up", MINUTE..=30 * DAY),
        };
        (webhooks, allowed(section))
    }
}

/// The origins that are called as they are.
pub(super) fn allowed(section: &Section<'_>) -> Allowed {
    let mut origins = Vec::new();
    for text in section.texts("allow") {
        match Origin::parse(&text) {
            Ok(origin) => origins.push(origin),
            Err(problem) => section.wrong("allow", &problem),
        }
    }
    origins.into_iter().collect()
}
