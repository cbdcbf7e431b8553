//! When one model of one account is left alone after faults: pure, with `now` passed in.
//!
//! Faults in a row open it for a while; the while doubles with each opening that follows, up to a
//! bound, and a random share is added so that what broke together does not come back together. After
//! the while one task at a time may go: it is a real task, never a probe that somebody pays for. A
//! successful poll cuts a grown while to the first one, for the provider answers again.

use std::time::Duration;

use super::BreakerSettings;
use crate::domain::time::Timestamp;

/// What counts faults of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    faults: u32,
    /// How often it opened since it was last closed.
    openings: u32,
    opened: Option<Open>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    /// Nothing goes before.
    until: Timestamp,
    /// The end of the first, shortest while.
    soonest: Timestamp,
    /// A task that was let through, and until when it counts as on its way.
    trial: Option<Timestamp>,
}

impl Breaker {
    /// A create went through: it is closed, and nothing is remembered.
    pub fn close(&mut self) {
        *self = Self::default();
    }

    /// One more fault; `random` is in 0..1.
    pub fn fault(&mut self, settings: BreakerSettings, now: Timestamp, random: f64) {
        if let Some(open) = &self.opened
            && now < open.until
        {
            // It was sent before it opened.
            return;
        }
        self.faults = self.faults.saturating_add(1);
        if self.opened.is_none() && self.faults < settings.allowed_fails.max(1) {
            return;
        }
        let first = settings.cooldown;
        let factor = 1_u32.checked_shl(self.openings).unwrap_or(u32::MAX);
        let grown = first.saturating_mul(factor).min(LONGEST.max(first));
        let random = if random.is_finite() { random } else { 0.0 };
        let spread = |base: Duration| base.mul_f64(1.0 + SPREAD * random.clamp(0.0, 1.0));
        self.openings = self.openings.saturating_add(1);
        self.opened = Some(Open {
            until: now.after(spread(grown)),
            soonest: now.after(spread(first)),
            trial: None,
        });
    }

    /// The provider answered a question: a grown while is cut to the first.
    pub fn answered(&mut self) {
        if let Some(open) = &mut self.opened {
            open.until = open.until.min(open.soonest);
        }
        self.openings = self.openings.min(1);
    }

    /// Until when nothing goes; `None`: something may. It is `now` while a task that was let through
    /// is on its way: its answer may come at any moment.
    pub fn closed_until(&self, now: Timestamp) -> Option<Timestamp> {
        let open = self.opened?;
        if now < open.until {
            return Some(open.until);
        }
        open.trial.filter(|until| now < *until).map(|_| now)
    }

    /// A task goes: while it is on its way no other does, until the breaker is closed.
    pub fn went(&mut self, now: Timestamp) {
        if let Some(open) = &mut self.opened {
            open.trial = Some(now.after(TRIAL));
        }
    }

    /// The task that went said nothing of the provider: another may go in its place.
    pub fn said_nothing(&mut self) {
        if let Some(open) = &mut self.opened {
            open.trial = None;
        }
    }
}

/// The longest while, unless the first is longer.
const LONGEST: Duration = Duration::from_mins(10);
/// How much longer than said a while may be, as a share of it.
const SPREAD: f64 = 0.25;
/// For how long a task that was let through keeps others back: longer than any create takes.
const TRIAL: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings {
        allowed_fails: 3,
        cooldown: Duration::from_secs(5),
    };
    const NOW: Timestamp = Timestamp(1_000_000);

    fn seconds(breaker: &Breaker, now: Timestamp) -> Option<i64> {
        Some((breaker.closed_until(now)?.0 - now.0) / 1000)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            breaker.fault(SETTINGS, NOW, 0.0);
        }
        breaker
    }

    #[test]
    fn it_opens_at_so_many_faults_in_a_row_and_no_sooner() {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            breaker.fault(SETTINGS, NOW, 0.0);
            assert_eq!(breaker.closed_until(NOW), None);
        }
        breaker.close();
        for expected in [None, None, Some(5)] {
            breaker.fault(SETTINGS, NOW, 0.0);
            assert_eq!(seconds(&breaker, NOW), expected);
        }
    }

    #[test]
    fn each_while_is_twice_the_one_before_up_to_a_bound() {
        let (mut breaker, mut now) = (opened(), NOW);
        let mut whiles = Vec::new();
        for _ in 0..10 {
            whiles.extend(seconds(&breaker, now));
            now = breaker.closed_until(now).expect("it is open");
            breaker.fault(SETTINGS, now, 0.0);
        }
        assert_eq!(whiles, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
    }

    #[test]
    fn faults_of_creates_that_were_on_their_way_together_open_it_once() {
        let mut breaker = opened();
        let first = breaker.closed_until(NOW);
        for _ in 0..20 {
            breaker.fault(SETTINGS, Timestamp(NOW.0 + 1), 0.0);
        }
        assert_eq!(breaker.closed_until(NOW), first);
    }

    #[test]
    fn after_the_while_one_task_at_a_time_may_go() {
        let mut breaker = opened();
        let after = NOW.after(Duration::from_secs(5));
        assert_eq!(breaker.closed_until(after), None);
        breaker.went(after);
        assert_eq!(breaker.closed_until(after), Some(after), "at any moment");
        breaker.said_nothing();
        assert_eq!(breaker.closed_until(after), None);
        breaker.went(after);
        breaker.close();
        assert_eq!(breaker.closed_until(after), None);
        breaker.went(after);
        assert_eq!(breaker.closed_until(after), None, "closed, all may go");
    }

    #[test]
    fn a_task_that_never_came_back_does_not_keep_it_open() {
        let mut breaker = opened();
        let after = NOW.after(Duration::from_secs(5));
        breaker.went(after);
        assert_eq!(breaker.closed_until(after.after(TRIAL)), None);
    }

    #[test]
    fn a_poll_that_is_answered_cuts_a_grown_while_and_never_the_first() {
        let mut breaker = opened();
        breaker.answered();
        assert_eq!(seconds(&breaker, NOW), Some(5));
        let mut now = NOW;
        for _ in 0..4 {
            now = breaker.closed_until(now).expect("it is open");
            breaker.fault(SETTINGS, now, 0.0);
        }
        assert!(seconds(&breaker, now) > Some(20));
        breaker.answered();
        assert_eq!(seconds(&breaker, now), Some(5));
    }

    #[test]
    fn a_random_share_is_added_and_nonsense_adds_nothing() {
        for (random, ms) in [(0.0, 5_000), (1.0, 6_250), (7.0, 6_250), (f64::NAN, 5_000)] {
            let mut breaker = Breaker::default();
            for _ in 0..3 {
                breaker.fault(SETTINGS, NOW, random);
            }
            assert_eq!(breaker.closed_until(NOW), Some(Timestamp(NOW.0 + ms)));
        }
    }
}
