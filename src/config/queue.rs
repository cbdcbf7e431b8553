//! `queue` and `moderation`: what is not taken although it could be done.

use super::section::Section;
use super::{DAY, MINUTE};
use crate::domain::moderation::ModerationLimits;

/// Tasks that may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Of everybody; a create beyond is refused.
    pub max_length: u32,
}

impl Queue {
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self {
            max_length: section.count("max_length", 1..=10_000_000),
        }
    }
}

/// How much moderated work of a tenant is too much; `None`: any is let pass.
pub(super) fn moderation(section: &Section<'_>) -> Option<ModerationLimits> {
    let limits = ModerationLimits {
        window: section.duration("window", MINUTE..=DAY),
        least: section.count("min_moderated", 0..=1_000),
        percent: section.count("max_percent", 1..=100),
        cooldown: section.duration("cooldown", MINUTE..=DAY),
    };
    (limits.least > 0).then_some(limits)
}
