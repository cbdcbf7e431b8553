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
#[derive(Default)]
pub(super) struct Tries(Mutex<Known>);

#[derive(Default)]
struct Known {
    tasks: HashMap<TaskId, Try>,
    /// The number of the look at the lane that is under way.
    look: u64,
}

#[derive(Clone, Copy)]
struct Try {
    busy: bool,
    /// The last look at the lane that found it.
    look: u64,
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
    /// The lane is about to be read from its beginning.
    pub(super) fn look(&self) {
        let mut known = self.0.lock();
        known.look = known.look.wrapping_add(1);
    }

    /// The lane was read to its end. What was not found in it is forgotten: it has ended, be it since
    /// a look before read it.
    pub(super) fn looked(&self) {
        let Known { tasks, look } = &mut *self.0.lock();
        tasks.retain(|_, known| known.busy || known.look == *look);
    }

    /// Begins a try, unless one runs or is to wait. A task whose URLs nobody has just seen must be
    /// read at the provider first, and a process before this one may have done so a moment ago.
    pub(super) fn begin(
        self: &Arc<Self>,
        id: TaskId,
        fresh: bool,
        floor: Duration,
        now: Timestamp,
    ) -> Option<Begun> {
        let Known { tasks, look } = &mut *self.0.lock();
        if tasks.len() >= MAX_TRIES {
            tasks.retain(|_, known| known.busy);
        }
        let known = tasks.entry(id).or_insert_with(|| Try {
            busy: false,
            look: *look,
            not_before: if fresh { now } else { now.after(floor) },
            copying: Copying::default(),
            asked: now,
        });
        known.look = *look;
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
        let tasks = &mut self.tries.0.lock().tasks;
        let Some(known) = tasks.get_mut(&self.id) else {
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

/// Tasks remembered; beyond that those that wait are forgotten, and tried sooner.
const MAX_TRIES: usize = 16_384;

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
    fn a_task_that_a_look_finds_no_more_is_forgotten_and_one_that_waits_is_not() {
        let tries = Arc::new(Tries::default());
        let known = || tries.0.lock().tasks.len();
        let other = TaskId::new(2, [2; 10]);
        tries.look();
        let begun = tries.begin(id(), true, FLOOR, Timestamp(0)).unwrap();
        assert!(tries.begin(other, false, FLOOR, Timestamp(0)).is_none());
        tries.looked();
        tries.look();
        assert!(tries.begin(other, false, FLOOR, Timestamp(1)).is_none());
        begun.end();
        // It was read before it ended.
        assert!(tries.begin(id(), false, FLOOR, Timestamp(1)).is_none());
        tries.looked();
        assert_eq!(known(), 2);
        tries.look();
        assert!(tries.begin(other, false, FLOOR, Timestamp(2)).is_none());
        tries.looked();
        assert_eq!(known(), 1);
        // The floor that it waits for was not begun anew.
        assert!(tries.begin(other, false, FLOOR, Timestamp(5_000)).is_some());
    }

    #[test]
    fn what_is_tried_is_known_though_no_look_finds_it() {
        let tries = Arc::new(Tries::default());
        tries.look();
        let begun = tries.begin(id(), true, FLOOR, Timestamp(0)).unwrap();
        tries.look();
        tries.looked();
        let again = begun.fail(Trouble::Passing, Timestamp(0), PATIENCE, Timestamp(0));
        assert_eq!(again, None);
        drop(begun);
        assert!(tries.begin(id(), true, FLOOR, Timestamp(1)).is_none());
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
    fn a_failed_try_is_followed_by_a_pause_or_by_the_end() {
        let tries = Arc::new(Tries::default());
        let begun = tries.begin(id(), true, FLOOR, Timestamp(0)).unwrap();
        let (start, late) = (Timestamp(0), Timestamp(0).after(PATIENCE.give_up));
        assert_eq!(begun.fail(Trouble::Passing, start, PATIENCE, start), None);
        drop(begun);
        assert!(tries.begin(id(), true, FLOOR, Timestamp(4_999)).is_none());
        let begun = tries.begin(id(), true, FLOOR, late).unwrap();
        let failure = begun.fail(Trouble::Passing, start, PATIENCE, late);
        assert_eq!(failure.map(|f| f.reason), Some(FailureReason::OutputLost));
    }
}
