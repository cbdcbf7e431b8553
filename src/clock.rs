//! The only reader of the wall clock.
//!
//! Everything that decides takes `now` as an argument; whoever drives a decision asks a [`Clock`].
//! No promise depends on the wall clock being right: a jump may only delay. Intervals are measured
//! with tokio's monotonic clock by the loops themselves.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of wall-clock time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Milliseconds since the Unix epoch; 0 when the clock stands before it.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one home of the wall clock"
    )]
    pub fn now_ms(self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}
