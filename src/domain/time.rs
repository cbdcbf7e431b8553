//! Points in time as the domain sees them: milliseconds since the Unix epoch, given by the caller.

use std::time::Duration;

/// A wall-clock moment in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The earliest moment; "due at once".
    pub const MIN: Self = Self(0);
    /// A moment that never comes.
    pub const NEVER: Self = Self(i64::MAX);

    /// This moment and `by` later; stays at [`Timestamp::NEVER`] on overflow.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// The time from `earlier` to this moment; zero when the clock went back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// A duration in whole milliseconds, saturating.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
