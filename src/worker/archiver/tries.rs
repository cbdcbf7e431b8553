//! What the archiver remembers of the tasks it copies; a restart begins anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::copying::{Copying, Next, Patience, Trouble};
use crate::domain::id::TaskId;
use crate::domain::task::Failure;
use crate::domain::time::Timestamp;

/// The tasks being copied, and those that wait for another try.
pub(super) struct Tries(Mutex<Known>);

struct Known {
    tasks: HashMap<TaskId, Try>,
    /// What the provider was asked before this moment may be unknown here.
    since: Timestamp,
}

#[derive(Clone, Copy)]
struct Try {
    busy: bool,
    not_before: Timestamp,
    copying: Copying,
    /// When the provider was last asked about the task, as far as is known.
    asked: Timestamp,
}

/// A try that runs. Dropping it lets the task be tried again.
pub(super) struct Begun {
    tries: Arc<Tries>,
    id: TaskId,
    ended: bool,
}

impl Tries {
    /// Nothing was tried yet; a process before this one may have asked anything a moment ago.
    pub(super) fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Known {
            tasks: HashMap::new(),
            since: now,
        }))
    }

    /// Begins a try, unless one runs or is to wait. `finished`: when the provider said that it is done. A
    /// task whose URLs nobody has just seen must be read there again first, a floor after the question
    /// before.
    pub(super) fn begin(
        self: &Arc<Self>,
        id: TaskId,
        finished: Timestamp,
        fresh: bool,
        floor: Duration,
        now: Timestamp,
    ) -> Option<Begun> {
        let mut known = self.0.lock();
        // A moment that is yet to come is of a clock that was set back since.
        let finished = Some(finished).filter(|finished| *finished <= now);
        let asked = finished.unwrap_or(known.since).max(known.since);
        match known.tasks.get_mut(&id) {
            Some(known) if known.busy || known.not_before > now => return None,
            Some(known) => known.busy = true,
            None if !fresh && asked.after(floor) > now => return None,
            None => known.add(id, asked, now),
        }
        Some(Begun {
            tries: Arc::clone(self),
            id,
            ended: false,
        })
    }
}

impl Known {
    fn add(&mut self, id: TaskId, asked: Timestamp, now: Timestamp) {
        if self.tasks.len() >= MAX_TRIES {
            self.tasks.retain(|_, known| known.busy);
            self.since = now;
        }
        let begun = Try {
            busy: true,
            not_before: now,
            copying: Copying::default(),
            asked,
        };
        self.tasks.insert(id, begun);
    }
}

impl Begun {
    /// How long to wait before the provider may be asked, which counts as done by then.
    pub(super) fn ask(&self, floor: Duration, now: Timestamp) -> Duration {
        let tasks = &mut self.tries.0.lock().tasks;
        let Some(known) = tasks.get_mut(&self.id) else {
            return floor;
        };
        let wait = known.asked.after(floor).since(now);
        known.asked = now.after(wait);
        wait
    }

    /// The task has ended.
    pub(super) fn end(mut self) {
        self.ended = true;
    }

    /// The try could not be made: the next comes at this moment.
    pub(super) fn put_off(self, until: Timestamp) {
        let tasks = &mut self.tries.0.lock().tasks;
        if let Some(known) = tasks.get_mut(&self.id) {
            known.not_before = until;
        }
    }

    /// The try failed: plans the next one, or says with what the task fails.
    pub(super) fn fail(
        &self,
        trouble: Trouble,
        since: Timestamp,
        patience: Patience,
        now: Timestamp,
    ) -> Option<Failure> {
        let tasks = &mut self.tries.0.lock().tasks;
        let known = tasks.get_mut(&self.id)?;
        let copying = &mut known.copying;
        match copying.failed(trouble, since, patience, now, rand::random()) {
            Next::Again(not_before) => {
                known.not_before = not_before;
                None
            }
            Next::GiveUp(failure) => Some(failure),
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let tasks = &mut self.tries.0.lock().tasks;
        if self.ended {
            tasks.remove(&self.id);
        } else if let Some(known) = tasks.get_mut(&self.id) {
            known.busy = false;
        }
    }
}

/// Tasks remembered, in some 8 MiB; beyond that those that wait are forgotten, and tried sooner
/// than they were to be, though not within the floor.
const MAX_TRIES: usize = 114_688;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::FailureReason;

    const FLOOR: Duration = Duration::from_secs(5);
    const PATIENCE: Patience = Patience {
        floor: FLOOR,
        unusable: Duration::from_mins(1),
        give_up: Duration::from_hours(20),
    };

    fn id() -> TaskId {
        TaskId::new(1, [1; 10])
    }

    fn tries() -> Arc<Tries> {
        Arc::new(Tries::new(Timestamp(0)))
    }

    /// Begins with a task that the provider finished at the start.
    fn begin(tries: &Arc<Tries>, fresh: bool, now: i64) -> Option<Begun> {
        tries.begin(id(), Timestamp(0), fresh, FLOOR, Timestamp(now))
    }

    #[test]
    fn a_task_is_tried_once_at_a_time_and_again_after_a_panic() {
        let tries = tries();
        let begun = begin(&tries, true, 0);
        assert!(begun.is_some());
        assert!(begin(&tries, true, 0).is_none());
        drop(begun);
        assert!(begin(&tries, true, 0).is_some());
    }

    #[test]
    fn only_what_is_tried_or_failed_is_remembered() {
        let tries = tries();
        let known = || tries.0.lock().tasks.len();
        assert!(begin(&tries, false, 1).is_none());
        assert_eq!(known(), 0);
        let begun = begin(&tries, true, 1).unwrap();
        assert_eq!(known(), 1);
        begun.end();
        assert_eq!(known(), 0);
        drop(begin(&tries, true, 1));
        assert_eq!(known(), 1);
    }

    #[test]
    fn without_fresh_urls_the_floor_is_waited_for() {
        let tries = tries();
        assert!(begin(&tries, false, 4_999).is_none());
        assert!(begin(&tries, false, 5_000).is_some());
        // From when the provider finished, if that was later, and not yet to come.
        let later = |id, finished, now| {
            let id = TaskId::new(2, [id; 10]);
            let begun = tries.begin(id, Timestamp(finished), false, FLOOR, Timestamp(now));
            begun.is_some()
        };
        assert_eq!(
            [7_999, 8_000].map(|now| later(1, 3_000, now)),
            [false, true]
        );
        assert!(later(2, -9_000, 5_000));
        assert!(later(3, 90_000, 5_000));
    }

    #[test]
    fn questions_keep_the_floor_between_them() {
        let tries = tries();
        let begun = begin(&tries, true, 0).unwrap();
        assert_eq!(begun.ask(FLOOR, Timestamp(1_000)), Duration::from_secs(4));
        assert_eq!(begun.ask(FLOOR, Timestamp(5_000)), FLOOR);
    }

    #[test]
    fn what_cannot_be_tried_is_put_off() {
        let tries = tries();
        begin(&tries, true, 0).unwrap().put_off(Timestamp(7_000));
        assert!(begin(&tries, true, 6_999).is_none());
        assert!(begin(&tries, true, 7_000).is_some());
    }

    #[test]
    fn a_failed_try_is_followed_by_a_pause_or_by_the_end() {
        let tries = tries();
        let begun = begin(&tries, true, 0).unwrap();
        let (start, late) = (Timestamp(0), Timestamp(0).after(PATIENCE.give_up));
        assert_eq!(begun.fail(Trouble::Passing, start, PATIENCE, start), None);
        drop(begun);
        assert!(begin(&tries, true, 4_999).is_none());
        let begun = begin(&tries, true, late.0).unwrap();
        let failure = begun.fail(Trouble::Passing, start, PATIENCE, late);
        assert_eq!(failure.map(|f| f.reason), Some(FailureReason::OutputLost));
    }

    #[test]
    fn of_too_many_that_failed_those_that_wait_are_forgotten_and_tried_a_floor_later() {
        let tries = tries();
        let number = |n: usize| TaskId::new(i64::try_from(n).unwrap(), [0; 10]);
        let begin = |n, now| tries.begin(number(n), Timestamp(0), false, FLOOR, Timestamp(now));
        let busy = begin(0, 5_000).unwrap();
        for n in 1..MAX_TRIES {
            begin(n, 5_000).unwrap().put_off(Timestamp(60_000));
        }
        assert!(begin(1, 6_000).is_none());
        assert!(begin(MAX_TRIES, 6_000).is_some());
        assert_eq!(tries.0.lock().tasks.len(), 2);
        assert!(begin(1, 10_999).is_none());
        assert!(begin(1, 11_000).is_some());
        assert!(begin(0, 11_000).is_none());
        drop(busy);
        assert!(begin(0, 11_000).is_some());
    }
}
