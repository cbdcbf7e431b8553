//! A transfer must keep a minimal rate, or it holds a place for nothing.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// The rate of one transfer, over windows that follow each other.
pub(super) struct Pace {
    wanted: u64,
    seen: u64,
    window: Duration,
    ends: Instant,
}

/// A window passed with fewer bytes than wanted.
#[derive(Debug)]
pub(super) struct TooSlow;

impl Pace {
    pub(super) fn new(min_rate: u64, window: Duration) -> Self {
        let wanted = min_rate.saturating_mul(u64::try_from(window.as_millis()).unwrap_or(0)) / 1000;
        Self {
            wanted,
            seen: 0,
            window,
            ends: Instant::now() + window,
        }
    }

    pub(super) fn count(&mut self, bytes: usize) {
        self.seen = self.seen.saturating_add(bytes as u64);
    }

    /// Waits for `next`, but not beyond a window that is too poor. `next` must lose nothing when
    /// it is polled across windows.
    pub(super) async fn keep<T>(&mut self, next: impl Future<Output = T>) -> Result<T, TooSlow> {
        let mut next = std::pin::pin!(next);
        loop {
            self.roll()?;
            if let Ok(done) = timeout_at(self.ends, &mut next).await {
                return Ok(done);
            }
        }
    }

    /// Closes windows that have passed.
    fn roll(&mut self) -> Result<(), TooSlow> {
        let now = Instant::now();
        if now < self.ends {
            return Ok(());
        }
        if self.seen < self.wanted {
            return Err(TooSlow);
        }
        self.seen = 0;
        self.ends = now + self.window;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::future::ready;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_noticed_after_a_window() {
        let start = Instant::now();
        let mut pace = Pace::new(100, Duration::from_mins(1));
        assert!(pace.keep(pending::<()>()).await.is_err());
        assert_eq!(start.elapsed(), Duration::from_mins(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_just_kept_is_kept_for_ever_and_just_missed_is_not() {
        for (per_second, lives) in [(100, true), (99, false)] {
            let mut pace = Pace::new(100, Duration::from_secs(10));
            let mut outcome = Ok(());
            for _ in 0..100 {
                outcome = pace
                    .keep(tokio::time::sleep(Duration::from_millis(999)))
                    .await;
                pace.count(per_second);
                if outcome.is_err() {
                    break;
                }
                tokio::time::advance(Duration::from_millis(1)).await;
            }
            assert_eq!(outcome.is_ok(), lives, "{per_second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_transfer_needs_no_rate() {
        let mut pace = Pace::new(u64::MAX, Duration::from_secs(1));
        assert_eq!(pace.keep(ready(7)).await.unwrap(), 7);
    }
}
