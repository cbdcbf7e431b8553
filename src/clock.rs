//! The only reader of the wall clock.
//!
//! Everything that decides takes `now` as an argument; whoever drives a decision asks a [`Clock`].
//! The wall clock is read once, at the first question; from then on time goes on at the monotonic
//! clock's pace. So a wall clock that is set, forward or back, moves nothing of this process:
//! no poll, no deadline, no retention. What one process leaves to the next is told by the time since
//! boot, on which both agree.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Milliseconds since the Unix epoch; never less than an earlier answer.
    pub fn now_ms(self) -> i64 {
        let (began, wall) = &*BEGAN;
        i64::try_from((*wall + began.elapsed()).as_millis()).unwrap_or(i64::MAX)
    }
}

/// The time since the machine was booted, its sleep included. All processes of one boot agree on it,
/// however the wall clock is set. `None` where the system does not tell it.
#[cfg(target_os = "linux")]
pub fn since_boot() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    let at = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (at.tv_sec.try_into().ok()?, at.tv_nsec.try_into().ok()?);
    Some(Duration::new(seconds, nanos))
}

/// The time since the machine was booted: the system does not tell it.
#[cfg(not(target_os = "linux"))]
pub fn since_boot() -> Option<Duration> {
    None
}

/// When this process began to count, on both clocks.
static BEGAN: LazyLock<(Instant, Duration)> = LazyLock::new(|| (Instant::now(), wall()));

/// Since the Unix epoch; zero when the clock stands before it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one home of the wall clock"
)]
fn wall() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_at_the_wall_clock_and_never_steps_back() {
        let first = Clock.now_ms();
        let apart = i64::try_from(wall().as_millis()).unwrap_or(0) - first;
        assert!(apart.abs() < 60_000, "{apart}");
        assert!(Clock.now_ms() >= first);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_time_since_boot_goes_on() {
        let first = since_boot().expect("Linux tells it");
        assert!(first > Duration::ZERO && since_boot().is_some_and(|later| later >= first));
    }
}
