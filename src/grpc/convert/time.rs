//! Moments and durations: milliseconds inside, protobuf's pairs of seconds and nanos outside.

use std::time::Duration;

use super::Violations;
use crate::domain::time::Timestamp;

/// A moment as the contract writes it; absent where it never comes or protobuf cannot say it.
pub(super) fn timestamp(at: Timestamp) -> Option<prost_types::Timestamp> {
    let seconds = at.0.div_euclid(1000);
    // Below 1000 · 10⁶, so it fits.
    let nanos = i32::try_from(at.0.rem_euclid(1000) * 1_000_000).ok()?;
    SECONDS
        .contains(&seconds)
        .then_some(prost_types::Timestamp { seconds, nanos })
}

/// A duration as the contract writes it.
pub(super) fn duration(millis: u64) -> prost_types::Duration {
    let whole = Duration::from_millis(millis);
    prost_types::Duration {
        // A u64 of milliseconds is less than 2^63 seconds.
        seconds: i64::try_from(whole.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(whole.subsec_nanos()).unwrap_or_default(),
    }
}

/// A moment of a filter, rounded up: tasks are created at whole milliseconds, and of those at or
/// after (or before) the moment given none is then missed or added.
pub(super) fn read_moment(
    field: &str,
    given: Option<prost_types::Timestamp>,
    found: &mut Violations,
) -> Option<Timestamp> {
    let given = given?;
    let nanos = u32::try_from(given.nanos)
        .ok()
        .filter(|nanos| *nanos < NANOS);
    let moment = nanos
        .filter(|_| SECONDS.contains(&given.seconds))
        .map(|nanos| Timestamp(given.seconds * 1000 + i64::from(nanos.div_ceil(1_000_000))));
    if moment.is_none() {
        found.field(field, "is no timestamp between the years 1 and 9999");
    }
    moment
}

/// A duration of a request; what is negative or malformed is noted.
pub(super) fn read_duration(
    field: &str,
    given: Option<prost_types::Duration>,
    found: &mut Violations,
) -> Option<Duration> {
    let given = given?;
    let seconds = u64::try_from(given.seconds).ok();
    let nanos = u32::try_from(given.nanos)
        .ok()
        .filter(|nanos| *nanos < NANOS);
    let duration = seconds
        .filter(|seconds| *seconds <= LONGEST)
        .zip(nanos)
        .map(|(seconds, nanos)| Duration::new(seconds, nanos));
    if duration.is_none() {
        found.field(field, "must be a duration above 0");
    }
    duration
}

/// Seconds of the years 1 to 9999, which are all that a protobuf timestamp may say.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Seconds of the longest protobuf duration.
const LONGEST: u64 = 315_576_000_000;
/// Nanos of a second.
const NANOS: u32 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_go_out_exactly_and_never_is_absent() {
        let out = |ms| timestamp(Timestamp(ms)).map(|t| (t.seconds, t.nanos));
        assert_eq!(out(0), Some((0, 0)));
        assert_eq!(out(1_790_000_000_123), Some((1_790_000_000, 123_000_000)));
        assert_eq!(out(-1), Some((-1, 999_000_000)));
        assert_eq!(timestamp(Timestamp::NEVER), None);
        assert_eq!(timestamp(Timestamp(i64::MIN)), None);
    }

    #[test]
    fn moments_come_in_rounded_up_to_a_millisecond_or_are_refused() {
        let read = |seconds, nanos| {
            let mut found = Violations::default();
            let given = prost_types::Timestamp { seconds, nanos };
            let read = read_moment("t", Some(given), &mut found);
            assert_eq!(read.is_none(), !found.is_empty());
            read
        };
        assert_eq!(read(5, 0), Some(Timestamp(5000)));
        assert_eq!(read(5, 1), Some(Timestamp(5001)));
        assert_eq!(read(5, 999_999_999), Some(Timestamp(6000)));
        for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)] {
            assert_eq!(read(seconds, nanos), None, "{seconds} {nanos}");
        }
    }

    #[test]
    fn durations_come_in_positive_or_are_refused() {
        let read = |seconds, nanos| {
            let mut found = Violations::default();
            let given = prost_types::Duration { seconds, nanos };
            let read = read_duration("timeout", Some(given), &mut found);
            assert_eq!(read.is_none(), !found.is_empty());
            read
        };
        assert_eq!(read(90, 500_000_000), Some(Duration::from_millis(90_500)));
        for (seconds, nanos) in [
            (-1, 0),
            (0, -1),
            (1, -1),
            (1, 1_000_000_000),
            (i64::MAX, 0),
            (i64::MIN, i32::MIN),
        ] {
            assert_eq!(read(seconds, nanos), None, "{seconds} {nanos}");
        }
    }

    #[test]
    fn lengths_go_out_exactly() {
        assert_eq!(
            (duration(5_041).seconds, duration(5_041).nanos),
            (5, 41_000_000)
        );
    }
}
