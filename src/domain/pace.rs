//! How fast calls may come: so many a minute, all at once if need be, then evenly.
//!
//! One number is kept for each caller (GCRA): the moment at which everything that was let in would
//! have been used up at the even pace. Within any span of `t` minutes at most `n · (1 + t)` calls
//! are let in.

use std::num::NonZeroU32;
use std::time::Duration;

use super::time::Timestamp;

/// What has been let in so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// When all of it is used up, in microseconds since the Unix epoch.
    used_up: i64,
}

impl Pace {
    /// Lets one call in, or says how long to wait until the next may come.
    ///
    /// # Errors
    /// The wait, when `per_minute` calls came too fast. A refused call does not count.
    pub fn admit(&mut self, per_minute: NonZeroU32, now: Timestamp) -> Result<(), Duration> {
        let share = MINUTE.div_euclid(i64::from(per_minute.get())).max(1);
        let now = now.0.saturating_mul(1000);
        let used_up = self.used_up.max(now);
        let latest = now.saturating_add(MINUTE - share);
        if used_up > latest {
            let wait = used_up.saturating_sub(latest);
            return Err(Duration::from_micros(wait.unsigned_abs()));
        }
        self.used_up = used_up.saturating_add(share);
        Ok(())
    }
}

/// In microseconds.
const MINUTE: i64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(pace: &mut Pace, per_minute: u32, now: i64) -> Result<(), Duration> {
        pace.admit(NonZeroU32::new(per_minute).unwrap(), Timestamp(now))
    }

    #[test]
    fn a_minutes_calls_may_come_at_once_and_the_next_must_wait_its_share() {
        for (per_minute, share_ms) in [(1, 60_000), (3, 20_000), (60, 1_000), (600, 100)] {
            let mut pace = Pace::default();
            for _ in 0..per_minute {
                assert_eq!(admitted(&mut pace, per_minute, 1_000_000), Ok(()));
            }
            let wait = admitted(&mut pace, per_minute, 1_000_000).unwrap_err();
            assert_eq!(wait, Duration::from_millis(share_ms), "{per_minute}");
            let later = 1_000_000 + i64::try_from(share_ms).unwrap();
            let early = admitted(&mut pace, per_minute, later - 1).unwrap_err();
            assert_eq!(early, Duration::from_millis(1), "{per_minute}");
            assert_eq!(admitted(&mut pace, per_minute, later), Ok(()));
            assert!(admitted(&mut pace, per_minute, later).is_err());
        }
    }

    #[test]
    fn in_no_span_do_more_come_in_than_the_minute_and_the_span_hold() {
        let (per_minute, mut pace, mut let_in) = (100, Pace::default(), 0);
        for now in 0..300_000 {
            let_in += i32::from(admitted(&mut pace, per_minute, now).is_ok());
        }
        assert!((590..=600).contains(&let_in), "{let_in}");
    }

    #[test]
    fn a_clock_at_its_end_breaks_nothing() {
        let mut pace = Pace::default();
        for now in [i64::MIN, i64::MAX, 0] {
            let _ = admitted(&mut pace, u32::MAX, now);
        }
    }
}
