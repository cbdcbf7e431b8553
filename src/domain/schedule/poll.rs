//! When to ask a provider about one task again.
//!
//! Each answer of "not yet" is a wasted question, and each moment between the end and the question
//! after it is a lag a caller feels. So: rarely while the task cannot be done, at the floor from
//! when it may be, and in step with the expected end, so that the question comes just after it.

use std::time::Duration;

use super::backoff::{SPREAD, asked, doubled, spread};
use super::run_times::Learned;
use crate::domain::task::Progress;
use crate::domain::time::Timestamp;

/// What the last question brought.
#[derive(Clone, Copy, Debug)]
pub struct PollState {
    /// When the provider took the task.
    pub submitted: Timestamp,
    /// When it was first seen to run.
    pub running_since: Option<Timestamp>,
    /// The provider holds it for the account's concurrency limit.
    pub throttled: bool,
    /// How far it is.
    pub progress: Progress,
    /// Questions without an answer since the last one with.
    pub failures: u32,
    /// How long the provider asked to be left alone.
    pub retry_after: Option<Duration>,
}

/// How often a deployment may be asked about one task.
#[derive(Clone, Copy, Debug)]
pub struct PollPace {
    /// Never sooner than this after the last question.
    pub floor: Duration,
    /// The longest wait after failures, of which more than a minute is ignored.
    pub max_backoff: Duration,
}

/// The moment of the next question, at least [`PollPace::floor`] after `now`, the moment of the
/// last answer. `random` is in 0..1.
pub fn next_poll(
    now: Timestamp,
    state: &PollState,
    pace: &PollPace,
    learned: &Learned,
    random: f64,
) -> Timestamp {
    let wait = if state.failures > 0 || state.retry_after.is_some() {
        after_failure(state, pace, random)
    } else if let Some(since) = state.running_since {
        while_running(
            now.since(since),
            state.progress,
            pace.floor,
            learned,
            random,
        )
    } else {
        before_running(now, state, pace.floor, learned, random)
    };
    now.after(wait.max(pace.floor))
}

fn after_failure(state: &PollState, pace: &PollPace, random: f64) -> Duration {
    let max = pace.max_backoff.min(MAX_BACKOFF).max(pace.floor);
    let grown = spread(doubled(pace.floor, state.failures, max), SPREAD, random).min(max);
    match state.retry_after {
        Some(wish) => grown.max(spread(asked(wish), DENSE_SPREAD, random)),
        None => grown,
    }
}

/// A task that does not run yet is not done before it ran for as long as the shortest do.
fn before_running(
    now: Timestamp,
    state: &PollState,
    floor: Duration,
    learned: &Learned,
    random: f64,
) -> Duration {
    let fresh = now.since(state.submitted) < floor;
    let most = match (state.throttled, learned.earliest) {
        (true, Some(_)) => SPARSE,
        (true, None) => SETTLING,
        (false, Some(_)) if !fresh => SETTLING,
        (false, _) => 1,
    };
    let room = learned.earliest.map_or(floor * SETTLING, |e| e + floor);
    let wait = room.min(floor * most).max(floor);
    spread(wait, SPREAD, random).min((floor * most).max(floor.mul_f64(1.0 + SPREAD)))
}

fn while_running(
    ran: Duration,
    progress: Progress,
    floor: Duration,
    learned: &Learned,
    random: f64,
) -> Duration {
    let left = remaining(ran, progress, floor);
    let quiet = quiet_time(ran, left, learned);
    if quiet > floor {
        // Half the way each time: who comes closer looks more often, lest an early end lie long.
        let wait = quiet.mul_f64(0.5).min(floor * SPARSE).max(floor);
        return spread(wait, DENSE_SPREAD, random).min(quiet + floor);
    }
    in_step(ran, left, floor, random)
}

/// What is left by the provider's own account; `None` when it says too little.
fn remaining(ran: Duration, progress: Progress, floor: Duration) -> Option<Duration> {
    let share = progress.share();
    // Of a task just seen to run it is not known for how long it did.
    let telling = share >= MIN_PROGRESS && ran >= floor;
    telling.then(|| ran.mul_f64((1.0 - share) / share))
}

/// How long the task cannot be done. The earlier of two opinions counts, while both have one.
fn quiet_time(ran: Duration, left: Option<Duration>, learned: &Learned) -> Duration {
    let by_others = learned
        .earliest
        .map_or(Duration::ZERO, |e| e.saturating_sub(ran));
    match left {
        None => by_others,
        Some(left) if by_others.is_zero() => left.mul_f64(TRUST_ALONE),
        Some(left) => by_others.min(left.mul_f64(TRUST)),
    }
}

/// At the floor, stretched a little so that a question falls just after the expected end.
///
/// Extrapolation errs by a share of the whole run: beyond [`STEERABLE`] it errs by more than the
/// stretch is worth, and the floor alone serves better.
fn in_step(ran: Duration, left: Option<Duration>, floor: Duration, random: f64) -> Duration {
    let near = spread(floor, DENSE_SPREAD, random);
    let Some(left) = left.filter(|left| ran + *left <= floor * STEERABLE) else {
        return near;
    };
    let goal = left + floor.mul_f64(MARGIN);
    if goal > near && goal <= floor.mul_f64(STRETCH) {
        goal
    } else {
        near
    }
}

/// The longest backoff, whatever is configured.
const MAX_BACKOFF: Duration = Duration::from_mins(1);
/// A sparse step, in floors.
const SPARSE: u32 = 4;
/// The longest step in which a start may go unnoticed, in floors.
const SETTLING: u32 = 2;
/// Progress below this says nothing about the end.
const MIN_PROGRESS: f64 = 0.05;
/// How much of the extrapolated rest is believed, beside what was learned of others.
const TRUST: f64 = 0.8;
/// The same, when the others say it should be done.
const TRUST_ALONE: f64 = 0.5;
/// Spread at the floor: small, because every bit of it is lag.
const DENSE_SPREAD: f64 = 0.01;
/// The longest run, in floors, whose end is foreseen well enough to steer by.
const STEERABLE: u32 = 10;
/// How long after the expected end to ask, in floors.
const MARGIN: f64 = 0.3;
/// How far a step at the floor may be stretched to meet the expected end.
const STRETCH: f64 = 1.5;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const PACE: PollPace = PollPace {
        floor: Duration::from_secs(5),
        max_backoff: Duration::from_mins(1),
    };
    const SLOW: Learned = Learned {
        earliest: Some(Duration::from_secs(100)),
        usual: Some(Duration::from_mins(2)),
    };

    fn submitted(ago: i64) -> PollState {
        PollState {
            submitted: Timestamp(NOW.0 - ago * 1000),
            running_since: None,
            throttled: false,
            progress: Progress::default(),
            failures: 0,
            retry_after: None,
        }
    }

    fn running(ran: i64, progress: f64) -> PollState {
        PollState {
            running_since: Some(Timestamp(NOW.0 - ran * 1000)),
            progress: Progress::from_share(progress),
            ..submitted(ran)
        }
    }

    fn wait(state: &PollState, learned: &Learned, random: f64) -> i64 {
        (next_poll(NOW, state, &PACE, learned, random).0 - NOW.0) / 1000
    }

    #[test]
    fn a_start_is_noticed_within_two_floors() {
        for learned in [Learned::default(), SLOW] {
            for random in [0.0, 1.0] {
                assert!(wait(&submitted(0), &learned, random) <= 6);
                assert!(wait(&submitted(30), &learned, random) <= 10);
            }
        }
    }

    #[test]
    fn a_held_task_is_asked_about_rarely() {
        let held = PollState {
            throttled: true,
            ..submitted(300)
        };
        assert_eq!(wait(&held, &SLOW, 0.0), 20);
        assert_eq!(wait(&held, &Learned::default(), 0.0), 10);
        let quick = Learned {
            earliest: Some(Duration::from_secs(4)),
            usual: None,
        };
        assert_eq!(wait(&held, &quick, 0.0), 9);
    }

    #[test]
    fn a_task_that_cannot_be_done_is_asked_about_rarely_and_then_at_the_floor() {
        let waits =
            [0, 20, 60, 84, 92, 96, 120, 900].map(|ran| wait(&running(ran, 0.0), &SLOW, 0.0));
        assert_eq!(waits, [20, 20, 20, 8, 5, 5, 5, 5]);
    }

    #[test]
    fn progress_alone_tells_how_long_to_wait() {
        let unknown = Learned::default();
        assert_eq!(wait(&running(20, 0.04), &unknown, 0.0), 5);
        assert_eq!(wait(&running(20, 0.10), &unknown, 0.0), 20);
        assert_eq!(wait(&running(90, 0.90), &unknown, 0.0), 5);
        // Just seen to run: for how long it did is not known.
        assert_eq!(wait(&running(0, 0.50), &unknown, 0.0), 5);
    }

    #[test]
    fn of_two_opinions_the_earlier_counts() {
        assert_eq!(wait(&running(50, 0.9), &SLOW, 0.0), 5);
        assert_eq!(wait(&running(92, 0.1), &SLOW, 0.0), 5);
    }

    #[test]
    fn the_last_question_is_moved_to_just_after_a_near_end() {
        let next = next_poll(NOW, &running(20, 0.8), &PACE, &Learned::default(), 0.0);
        assert_eq!(next.0 - NOW.0, 6_500);
    }

    #[test]
    fn failures_double_the_wait_and_a_wish_is_honoured_within_reason() {
        let failed = |failures, retry_after| PollState {
            failures,
            retry_after,
            ..submitted(30)
        };
        let unknown = Learned::default();
        let waits = [1, 2, 3, 4, 99].map(|n| wait(&failed(n, None), &unknown, 0.0));
        assert_eq!(waits, [10, 20, 40, 60, 60]);
        for (wish, expected) in [(0, 10), (90, 90), (1_000_000, 3_600)] {
            let wish = Some(Duration::from_secs(wish));
            assert_eq!(wait(&failed(1, wish), &unknown, 0.0), expected);
        }
    }

    #[test]
    fn nothing_asks_more_often_than_the_floor() {
        let extremes = [0, 1, 5, 50, 99, 100, 5_000];
        for ran in extremes {
            for share in [0.0, 0.05, 0.5, 0.99, 1.0] {
                for random in [0.0, 0.5, 1.0, f64::NAN] {
                    for learned in [Learned::default(), SLOW] {
                        assert!(wait(&running(ran, share), &learned, random) >= 5);
                        assert!(wait(&submitted(ran), &learned, random) >= 5);
                    }
                }
            }
        }
    }
}
