//! What the archiver remembers of the tasks it copies; a restart begins anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Ended;
use crate::domain::id::TaskId;
use crate::domain::schedule::retry_backoff;
use crate::domain::task::{Failure, FailureReason};
use crate::domain::time::Timestamp;

/// The tasks being copied, and those that wait for another try.
#[derive(Default)]
pub(super) struct Tries(Mutex<HashMap<TaskId, Try>>);

#[derive(Clone, Copy)]
struct Try {
    busy: bool,
    not_before: Timestamp,
    failures: u32,
    /// Answers in a row that were no media, or no outputs at all.
    refusals: u32,
    first_refusal: Option<Timestamp>,
    /// When the provider was last asked about the task, as far as is known.
    asked: Timestamp,
}

/// A try that runs. Dropping it lets the task be tried again.
pub(super) struct Begun {
    tries: Arc<Tries>,
    id: TaskId,
    ended: bool,
}

/// How long things take before they are believed.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// The least time between two questions about one task.
    pub(super) floor: Duration,
    /// How long unusable answers must go on.
    pub(super) refusal: Duration,
    /// After this long the content is given up.
    pub(super) give_up: Duration,
}

impl Tries {
    /// Begins a try, unless one runs or is to wait. A task whose URLs nobody has just seen must be
    /// read at the provider first, and a process before this one may have done so a moment ago.
    pub(super) fn begin(
        self: &Arc<Self>,
        id: TaskId,
        fresh: bool,
        floor: Duration,
        now: Timestamp,
    ) -> Option<Begun> {
        let mut tries = self.0.lock();
        if tries.len() >= MAX_TRIES {
            tries.retain(|_, known| known.busy);
        }
        let known = tries.entry(id).or_insert_with(|| Try {
            busy: false,
            not_before: if fresh { now } else { now.after(floor) },
            failures: 0,
            refusals: 0,
            first_refusal: None,
            asked: now,
        });
        if known.busy || known.not_before > now {
            return None;
        }
        known.busy = true;
        Some(Begun {
            tries: Arc::clone(self),
            id,
            ended: false,
        })
    }
}

impl Begun {
    /// How long to wait before the provider may be asked, which counts as done by then.
    pub(super) fn ask(&self, floor: Duration, now: Timestamp) -> Duration {
        let mut tries = self.tries.0.lock();
        let Some(known) = tries.get_mut(&self.id) else {
            return floor;
        };
        let wait = known.asked.after(floor).since(now);
        known.asked = now.after(wait);
        wait
    }

    /// The try ended the task.
    pub(super) fn end(mut self) {
        self.ended = true;
    }

    /// The try failed: plans the next one, or says with what the task fails.
    pub(super) fn fail(
        &self,
        how: Ended,
        since: Timestamp,
        patience: Patience,
        now: Timestamp,
    ) -> Option<Failure> {
        let mut tries = self.tries.0.lock();
        let known = tries.get_mut(&self.id)?;
        known.failures = known.failures.saturating_add(1);
        let pause = retry_backoff(known.failures, rand::random());
        known.not_before = now.after(pause.max(patience.floor));
        let overdue = now.since(since) >= patience.give_up;
        match how {
            Ended::Hopeless(failure) => Some(failure),
            Ended::Refused(failure) => {
                known.refusals = known.refusals.saturating_add(1);
                let first = *known.first_refusal.get_or_insert(now);
                let sure = known.refusals >= REFUSALS && now.since(first) >= patience.refusal;
                (sure || overdue).then_some(failure)
            }
            Ended::Later => {
                known.refusals = 0;
                known.first_refusal = None;
                let message = "the output could not be copied before it was given up";
                overdue.then(|| Failure::ours(FailureReason::OutputLost, message))
            }
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut tries = self.tries.0.lock();
        if self.ended {
            tries.remove(&self.id);
        } else if let Some(known) = tries.get_mut(&self.id) {
            known.busy = false;
        }
    }
}

/// Unusable answers before they are believed.
const REFUSALS: u32 = 3;
/// Tasks remembered; beyond that those that wait are forgotten, and tried sooner.
const MAX_TRIES: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: Duration = Duration::from_secs(5);
    const PATIENCE: Patience = Patience {
        floor: FLOOR,
        refusal: Duration::from_mins(1),
        give_up: Duration::from_hours(20),
    };

    fn id() -> TaskId {
        TaskId::new(1, [1; 10])
    }

    fn refused() -> Ended {
        Ended::Refused(Failure::ours(FailureReason::BadOutput, "no media"))
    }

    #[test]
    fn a_task_is_tried_once_at_a_time_and_again_after_a_panic() {
        let tries = Arc::new(Tries::default());
        let begun = tries.begin(id(), true, FLOOR, Timestamp(0));
        assert!(begun.is_some());
        assert!(tries.begin(id(), true, FLOOR, Timestamp(0)).is_none());
        drop(begun);
        assert!(tries.begin(id(), true, FLOOR, Timestamp(0)).is_some());
    }

    #[test]
    fn without_fresh_urls_the_floor_is_waited_for() {
        let tries = Arc::new(Tries::default());
        assert!(tries.begin(id(), false, FLOOR, Timestamp(0)).is_none());
        assert!(tries.begin(id(), false, FLOOR, Timestamp(5_000)).is_some());
    }

    #[test]
    fn questions_keep_the_floor_between_them() {
        let tries = Arc::new(Tries::default());
        let begun = tries.begin(id(), true, FLOOR, Timestamp(0)).unwrap();
        assert_eq!(begun.ask(FLOOR, Timestamp(1_000)), Duration::from_secs(4));
        assert_eq!(begun.ask(FLOOR, Timestamp(5_000)), FLOOR);
    }

    #[test]
    fn unusable_answers_are_believed_after_three_and_a_minute() {
        let tries = Arc::new(Tries::default());
        let mut now = Timestamp(0);
        let mut failed = Vec::new();
        for _ in 0..4 {
            now = now.after(Duration::from_secs(25));
            let begun = tries.begin(id(), true, FLOOR, now).unwrap();
            failed.push(begun.fail(refused(), Timestamp(0), PATIENCE, now).is_some());
        }
        assert_eq!(failed, [false, false, false, true]);
    }

    #[test]
    fn what_may_still_be_had_is_given_up_only_at_the_end() {
        let tries = Arc::new(Tries::default());
        let begun = tries.begin(id(), true, FLOOR, Timestamp(0)).unwrap();
        let late = Timestamp(0).after(PATIENCE.give_up);
        assert_eq!(
            begun.fail(Ended::Later, Timestamp(0), PATIENCE, Timestamp(9)),
            None
        );
        let failure = begun.fail(Ended::Later, Timestamp(0), PATIENCE, late);
        assert_eq!(failure.map(|f| f.reason), Some(FailureReason::OutputLost));
    }
}
