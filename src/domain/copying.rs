//! What a failed copy of a finished task's outputs means: try again, or give the task up?
//!
//! Unusable answers are believed only when they keep coming; whatever may still be had is tried
//! for until the end. Which error is which is the archiver's knowledge.

use std::time::Duration;

use super::schedule::retry_backoff;
use super::task::{Failure, FailureReason};
use super::time::Timestamp;

/// How a try to copy a task's outputs failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// The content may still be had.
    Passing,
    /// The provider gave something that will not do.
    Unusable(Failure),
    /// Nothing will help.
    Final(Failure),
}

/// How long things take before they are believed.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The least time between two tries, which is that between two questions to the provider.
    pub floor: Duration,
    /// How long unusable answers must go on.
    pub unusable: Duration,
    /// After this long the content is given up.
    pub give_up: Duration,
}

/// The tries of one task so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copying {
    failures: u32,
    /// Unusable answers in a row.
    unusable: u32,
    first_unusable: Option<Timestamp>,
}

/// What comes after a failed try.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Another try, not before this moment.
    Again(Timestamp),
    /// The task fails with this.
    GiveUp(Failure),
}

impl Copying {
    /// Judges one more failed try of a task whose content has been waiting since `since`; `random`
    /// is in 0..1.
    pub fn failed(
        &mut self,
        trouble: Trouble,
        since: Timestamp,
        patience: Patience,
        now: Timestamp,
        random: f64,
    ) -> Next {
        self.failures = self.failures.saturating_add(1);
        let pause = retry_backoff(self.failures, random).max(patience.floor);
        let overdue = now.since(since) >= patience.give_up;
        let failure = match trouble {
            Trouble::Final(failure) => Some(failure),
            Trouble::Unusable(failure) => {
                self.unusable = self.unusable.saturating_add(1);
                let first = *self.first_unusable.get_or_insert(now);
                let sure =
                    self.unusable >= UNUSABLE_ANSWERS && now.since(first) >= patience.unusable;
                (sure || overdue).then_some(failure)
            }
            Trouble::Passing => {
                self.unusable = 0;
                self.first_unusable = None;
                overdue.then(|| Failure::ours(FailureReason::OutputLost, GIVEN_UP))
            }
        };
        failure.map_or_else(|| Next::Again(now.after(pause)), Next::GiveUp)
    }
}

/// Unusable answers before they are believed.
const UNUSABLE_ANSWERS: u32 = 3;
const GIVEN_UP: &str = "the output could not be copied before it was given up";

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        floor: Duration::from_secs(5),
        unusable: Duration::from_mins(1),
        give_up: Duration::from_hours(20),
    };

    fn bad() -> Failure {
        Failure::ours(FailureReason::BadOutput, "no media")
    }

    /// Fails once for each (seconds, trouble), and says after which the task was given up.
    fn given_up(tries: &[(i64, Trouble)]) -> Option<usize> {
        let mut copying = Copying::default();
        tries.iter().position(|(at, trouble)| {
            let now = Timestamp(at * 1000);
            let next = copying.failed(trouble.clone(), Timestamp(0), PATIENCE, now, 0.5);
            matches!(next, Next::GiveUp(_))
        })
    }

    #[test]
    fn unusable_answers_are_believed_after_three_and_a_minute() {
        let unusable = || Trouble::Unusable(bad());
        let every_25_s = [25, 50, 75, 100].map(|at| (at, unusable()));
        assert_eq!(given_up(&every_25_s), Some(3));
        let twice_far_apart = [0, 600].map(|at| (at, unusable()));
        assert_eq!(given_up(&twice_far_apart), None);
        let quickly = [1, 2, 3, 4, 5].map(|at| (at, unusable()));
        assert_eq!(given_up(&quickly), None);
    }

    #[test]
    fn a_passing_trouble_between_begins_the_count_anew() {
        let unusable = |at| (at, Trouble::Unusable(bad()));
        let tries = [
            unusable(0),
            unusable(40),
            (50, Trouble::Passing),
            unusable(90),
            unusable(130),
        ];
        assert_eq!(given_up(&tries), None);
    }

    #[test]
    fn what_may_still_be_had_is_given_up_only_at_the_end() {
        let end = 20 * 3600;
        assert_eq!(given_up(&[(end - 1, Trouble::Passing)]), None);
        assert_eq!(given_up(&[(end, Trouble::Passing)]), Some(0));
        assert_eq!(given_up(&[(0, Trouble::Final(bad()))]), Some(0));
        let failed = |trouble| {
            let now = Timestamp(end * 1000);
            Copying::default().failed(trouble, Timestamp(0), PATIENCE, now, 0.5)
        };
        let reason = |next| match next {
            Next::GiveUp(failure) => Some(failure.reason),
            Next::Again(_) => None,
        };
        assert_eq!(
            reason(failed(Trouble::Passing)),
            Some(FailureReason::OutputLost)
        );
        assert_eq!(
            reason(failed(Trouble::Unusable(bad()))),
            Some(FailureReason::BadOutput)
        );
    }

    #[test]
    fn the_next_try_keeps_the_floor_and_comes_ever_later() {
        let mut copying = Copying::default();
        let waits: Vec<i64> = (0..8)
            .map(|_| {
                match copying.failed(Trouble::Passing, Timestamp(0), PATIENCE, Timestamp(0), 0.0) {
                    Next::Again(at) => at.0,
                    Next::GiveUp(_) => 0,
                }
            })
            .collect();
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
        assert_eq!((waits[0], waits[7]), (5_000, 60_000));
    }
}
