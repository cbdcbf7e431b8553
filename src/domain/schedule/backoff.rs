//! How long to wait after a refusal.

use std::time::Duration;

/// The wait before a create is tried again that was proved not to be taken: 1 s · 2ⁿ and up to a
/// quarter more, at most 60 s. `failures` counts those before this one; `random` is in 0..1.
pub fn retry_backoff(failures: u32, random: f64) -> Duration {
    spread(doubled(RETRY_FIRST, failures, RETRY_MAX), SPREAD, random).min(RETRY_MAX)
}

/// The rest of an account whose quota is used up: 60 s, doubled with each strike in a row up to an
/// hour, and never shorter than what the provider asks for (itself taken for an hour at most).
pub fn quota_cooldown(strikes: u32, retry_after: Option<Duration>) -> Duration {
    let grown = doubled(COOLDOWN_FIRST, strikes.saturating_sub(1), COOLDOWN_MAX);
    grown.max(retry_after.map_or(Duration::ZERO, asked))
}

/// What a provider asks for, within reason.
pub(in crate::domain) fn asked(retry_after: Duration) -> Duration {
    retry_after.clamp(ASKED_MIN, ASKED_MAX)
}

/// `first` · 2ⁿ, at most `max`.
pub(super) fn doubled(first: Duration, times: u32, max: Duration) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(max)
}

/// Up to `share` longer, so that what failed together does not come back together.
pub(in crate::domain) fn spread(base: Duration, share: f64, random: f64) -> Duration {
    let random = if random.is_finite() {
        random.clamp(0.0, 1.0)
    } else {
        0.0
    };
    base.mul_f64(1.0 + share * random)
}

/// How much longer than said a wait may be, as a share of it.
pub(super) const SPREAD: f64 = 0.25;

const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(1);
const COOLDOWN_FIRST: Duration = Duration::from_mins(1);
const COOLDOWN_MAX: Duration = Duration::from_hours(1);
const ASKED_MIN: Duration = Duration::from_secs(1);
const ASKED_MAX: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_waits_twice_as_long_each_time_and_a_minute_at_most() {
        let waits: Vec<_> = (0..8).map(|n| retry_backoff(n, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(retry_backoff(0, 1.0), Duration::from_millis(1250));
        assert_eq!(retry_backoff(u32::MAX, 1.0), RETRY_MAX);
    }

    #[test]
    fn a_quota_rests_a_minute_first_and_an_hour_at_most() {
        let rests: Vec<_> = [0, 1, 2, 3, 6, 7, 40, u32::MAX]
            .map(|n| quota_cooldown(n, None).as_secs())
            .to_vec();
        assert_eq!(rests, [60, 60, 120, 240, 1920, 3600, 3600, 3600]);
    }

    #[test]
    fn a_quota_rests_as_long_as_the_provider_asks_but_not_for_ever() {
        for (asked, expected) in [(5, 60), (90, 90), (3_600, 3_600), (u64::MAX, 3_600)] {
            let rest = quota_cooldown(1, Some(Duration::from_secs(asked)));
            assert_eq!(rest.as_secs(), expected, "{asked}");
        }
    }

    #[test]
    fn what_is_no_number_spreads_nothing() {
        assert_eq!(retry_backoff(1, f64::NAN), Duration::from_secs(2));
        assert_eq!(retry_backoff(1, -3.0), Duration::from_secs(2));
    }
}
