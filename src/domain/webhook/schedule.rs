//! How long to wait before a delivery is tried again.

use std::time::Duration;

use crate::domain::schedule::{asked, spread};

/// The wait after a try that failed: `first` (5 s as configured), then 30 s, 2 min, 10 min, 30 min,
/// 1 h, 2 h, 4 h and 8 h from there on, and up to a quarter more; never shorter than what the receiver
/// asks for (itself taken for an hour at most). `failures` counts those before this one; `random` is
/// in 0..1.
pub(super) fn wait(
    failures: u32,
    first: Duration,
    retry_after: Option<Duration>,
    random: f64,
) -> Duration {
    let step = usize::try_from(failures).unwrap_or(usize::MAX);
    let factor = STEPS[step.min(STEPS.len() - 1)];
    let grown = spread(first.saturating_mul(factor).min(LONGEST), SPREAD, random);
    grown.max(retry_after.map_or(Duration::ZERO, asked))
}

/// How many times the first wait each wait is.
const STEPS: [u32; 9] = [1, 6, 24, 120, 360, 720, 1_440, 2_880, 5_760];
/// The longest wait, before chance adds to it.
const LONGEST: Duration = Duration::from_hours(8);
/// How much longer than said a wait may be, as a share of it.
const SPREAD: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(5);

    #[test]
    fn waits_grow_from_seconds_to_hours() {
        let waits: Vec<_> = (0..11)
            .map(|n| wait(n, FIRST, None, 0.0).as_secs())
            .collect();
        let hour = 3_600;
        let expected = [
            5,
            30,
            120,
            600,
            1_800,
            hour,
            2 * hour,
            4 * hour,
            8 * hour,
            8 * hour,
            8 * hour,
        ];
        assert_eq!(waits, expected);
        assert_eq!(wait(0, FIRST, None, 1.0), Duration::from_millis(6_250));
        assert_eq!(wait(u32::MAX, Duration::MAX, None, 0.0), LONGEST);
    }

    #[test]
    fn a_receiver_may_ask_for_longer_within_reason_and_never_for_shorter() {
        let of = |asked, failures| {
            wait(failures, FIRST, Some(Duration::from_secs(asked)), 0.0).as_secs()
        };
        assert_eq!(of(1, 0), 5);
        assert_eq!(of(60, 0), 60);
        assert_eq!(of(60, 2), 120);
        assert_eq!(of(u64::MAX, 0), 3_600);
    }
}
