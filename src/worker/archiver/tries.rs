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
pub(super) struct Tries(Mutex<HashMap<TaskId, Try>>);

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
            copying: Copying::default(),
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
        trouble: Trouble,
        since: Timestamp,
        patience: Patience,
        now: Timestamp,
    ) -> Option<Failure> {
        let mut tries = self.tries.0.lock();
        let known = tries.get_mut(&self.id)?;
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
        let mut tries = self.tries.0.lock();
        if self.ended {
            tries.remove(&self.id);
        } else if let Some(known) = tries.get_mut(&self.id) {
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
