//! The feed of committed changes: the one channel between the service and the worker.
//!
//! It carries five things. *Commits*: one cell for each watched task holds the latest committed
//! task; a slow reader finds the newest there and nothing queues. *Nudges*: which tasks entered a
//! lane, so that a loop's next pass comes sooner; losing one only delays. *Progress*: how far a
//! running task is, between commits; never stored. *Endings*: which tenants' tasks were moderated. *Notices*: that somebody is to be told
//! of an end, which the store has.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::domain::id::TaskId;
use crate::domain::moderation::Ending;
use crate::domain::task::{Lane, Progress, Task};
use crate::telemetry::tasks;

/// The latest of a watched task.
#[derive(Clone, Debug, Default)]
pub struct Latest {
    /// As last committed since the cell was made; `None` until then.
    pub task: Option<Arc<Task>>,
    /// How far the running generation is.
    pub progress: Progress,
}

/// The feed.
#[derive(Debug, Default)]
pub struct Changes {
    cells: Mutex<HashMap<TaskId, watch::Sender<Latest>>>,
    progress: Mutex<HashMap<TaskId, Progress>>,
    endings: Mutex<VecDeque<Ending>>,
    lanes: [LaneNudge; Lane::ALL.len()],
    notices: Notify,
}

/// What entered a lane since somebody last looked.
#[derive(Debug, Default)]
struct LaneNudge {
    entered: Mutex<Entered>,
    wake: Notify,
    called: Notify,
}

/// The ids that entered a lane.
#[derive(Debug, Default)]
pub struct Entered {
    /// Which, oldest first.
    pub ids: Vec<TaskId>,
    /// More than could be remembered: read the whole lane.
    pub overflowed: bool,
}

/// A subscription to one task. Dropping it frees the cell when nobody else looks.
#[derive(Debug)]
pub struct Subscription {
    feed: Arc<Changes>,
    id: TaskId,
    receiver: watch::Receiver<Latest>,
}

impl Changes {
    /// An empty feed.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Announces a committed task. Called by the store, in the order of commits.
    pub fn committed(&self, task: &Arc<Task>) {
        tasks::committed(task);
        let ended = task.state.is_terminal();
        if ended {
            self.progress.lock().remove(&task.id);
            self.ended(task);
            if !task.order.webhook.is_empty() {
                self.notice();
            }
        }
        if let Some(cell) = self.cells.lock().get(&task.id) {
            cell.send_modify(|latest| latest.task = Some(Arc::clone(task)));
        }
        let (lane, _) = task.next_step();
        let nudge = &self.lanes[usize::from(lane.code())];
        if matches!(lane, Lane::Poll | Lane::Book) {
            nudge.remember(task.id);
        }
        nudge.wake.notify_one();
    }

    fn ended(&self, task: &Task) {
        if let Some(ending) = task.ending() {
            let mut endings = self.endings.lock();
            if endings.len() == MAX_ENDINGS {
                endings.pop_front();
            }
            endings.push_back(ending);
        }
    }

    /// Takes how tasks ended since the last call, oldest first; of very many the last ones.
    pub fn take_endings(&self) -> VecDeque<Ending> {
        std::mem::take(&mut *self.endings.lock())
    }

    /// Tells watchers how far a running task is; a step back is not told.
    pub fn tick(&self, id: TaskId, progress: Progress) {
        {
            let mut known = self.progress.lock();
            let slot = known.entry(id).or_default();
            if progress <= *slot {
                return;
            }
            *slot = progress;
        }
        if let Some(cell) = self.cells.lock().get(&id) {
            cell.send_modify(|latest| latest.progress = progress);
        }
    }

    /// How far a running task is, as far as was told.
    pub fn progress(&self, id: TaskId) -> Progress {
        self.progress.lock().get(&id).copied().unwrap_or_default()
    }

    /// Forgets how far a task is, which has ended. A question that was on its way as it ended may have
    /// told more of it since.
    pub fn forget_progress(&self, id: TaskId) {
        self.progress.lock().remove(&id);
    }

    /// Subscribes to a task. Read the task from the store *after* this call: nothing is then lost.
    pub fn subscribe(self: &Arc<Self>, id: TaskId) -> Subscription {
        let receiver = match self.cells.lock().entry(id) {
            std::collections::hash_map::Entry::Occupied(cell) => cell.get().subscribe(),
            std::collections::hash_map::Entry::Vacant(slot) => slot
                .insert(watch::Sender::new(Latest::default()))
                .subscribe(),
        };
        Subscription {
            feed: Arc::clone(self),
            id,
            receiver,
        }
    }

    /// Takes what entered a lane since the last call. Only the poller's lanes are remembered: the
    /// other loops read their lane from the store.
    pub fn take(&self, lane: Lane) -> Entered {
        std::mem::take(&mut *self.lanes[usize::from(lane.code())].entered.lock())
    }

    /// Puts a task among those that entered a lane, so that its loop looks at it again.
    pub fn remind(&self, lane: Lane, id: TaskId) {
        let nudge = &self.lanes[usize::from(lane.code())];
        nudge.remember(id);
        nudge.wake.notify_one();
    }

    /// Resolves when something entered the lane since the last wait.
    pub async fn nudged(&self, lane: Lane) {
        self.lanes[usize::from(lane.code())].wake.notified().await;
    }

    /// Makes the lane's next pass come now.
    pub fn nudge(&self, lane: Lane) {
        let nudge = &self.lanes[usize::from(lane.code())];
        nudge.called.notify_one();
        nudge.wake.notify_one();
    }

    /// Resolves when a pass of the lane was asked for by [`Changes::nudge`] since the last wait: that
    /// something entered the lane does not count.
    pub async fn called(&self, lane: Lane) {
        self.lanes[usize::from(lane.code())].called.notified().await;
    }

    /// Makes the next look at what is to be told come now.
    pub fn notice(&self) {
        self.notices.notify_one();
    }

    /// Resolves when somebody may have to be told of something since the last wait.
    pub async fn noticed(&self) {
        self.notices.notified().await;
    }

    /// How many tasks are watched.
    pub fn watched(&self) -> usize {
        self.cells.lock().len()
    }
}

impl LaneNudge {
    fn remember(&self, id: TaskId) {
        let mut entered = self.entered.lock();
        if entered.ids.len() < MAX_ENTERED {
            entered.ids.push(id);
        } else {
            entered.overflowed = true;
        }
    }
}

impl Subscription {
    /// Resolves when there is something newer than [`Subscription::latest`] last showed.
    pub async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            // The cell outlives its subscriptions, so this cannot be; never spin if it is.
            std::future::pending::<()>().await;
        }
    }

    /// The latest, marked as seen.
    pub fn latest(&mut self) -> Latest {
        self.receiver.borrow_and_update().clone()
    }

    fn leave(&mut self) {
        let mut cells = self.feed.cells.lock();
        // Ours goes under the lock: of two that leave at once the second must see itself alone.
        self.receiver = watch::Sender::new(Latest::default()).subscribe();
        if cells
            .get(&self.id)
            .is_some_and(|cell| cell.receiver_count() == 0)
        {
            cells.remove(&self.id);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Endings remembered between two looks.
const MAX_ENDINGS: usize = 16_384;
/// Ids remembered for each lane between two looks.
const MAX_ENTERED: usize = 65_536;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::domain::task::samples::{accepted, archived, claimed, succeeded, task, walk};

    /// Between leaving and being gone a subscription must not count any more.
    #[test]
    fn a_cell_is_freed_when_the_last_two_leave_at_once() {
        let feed = Changes::new();
        let (mut one, mut other) = (feed.subscribe(task(1).id), feed.subscribe(task(1).id));
        one.leave();
        assert_eq!(feed.watched(), 1);
        other.leave();
        assert_eq!(feed.watched(), 0);
        drop((one, other));
        assert_eq!(feed.watched(), 0);
    }

    #[test]
    fn a_slow_reader_finds_the_newest_and_nothing_queues() {
        let feed = Changes::new();
        let mut slow = feed.subscribe(task(1).id);
        for events in [vec![], vec![claimed()]] {
            feed.committed(&Arc::new(walk(task(1), &events)));
        }
        let latest = slow.latest().task.expect("a commit");
        assert_eq!(latest.version, 2);
    }

    #[tokio::test]
    async fn what_enters_a_lane_calls_for_no_pass_and_a_nudge_does() {
        let feed = Changes::new();
        let lane = Lane::Dispatch;
        feed.committed(&Arc::new(task(1)));
        feed.nudged(lane).await;
        let mut called = std::pin::pin!(feed.called(lane));
        assert!(called.as_mut().now_or_never().is_none());
        feed.nudge(lane);
        called.await;
        // Who waits for either hears of it too.
        feed.nudged(lane).await;
    }

    #[test]
    fn progress_never_steps_back() {
        let feed = Changes::new();
        let id = task(1).id;
        let mut watch = feed.subscribe(id);
        for share in [0.2, 0.5, 0.3] {
            feed.tick(id, Progress::from_share(share));
        }
        assert_eq!(feed.progress(id), Progress::from_share(0.5));
        assert_eq!(watch.latest().progress, Progress::from_share(0.5));
    }

    #[test]
    fn what_is_told_after_the_end_is_forgotten_with_the_task() {
        let feed = Changes::new();
        let id = task(1).id;
        let events = [claimed(), accepted(1), succeeded(), archived()];
        feed.committed(&Arc::new(walk(task(1), &events)));
        feed.tick(id, Progress::from_share(0.5));
        assert_eq!(feed.progress.lock().len(), 1);
        feed.forget_progress(id);
        assert_eq!(feed.progress(id), Progress::default());
        assert!(feed.progress.lock().is_empty());
    }

    #[test]
    fn more_than_can_be_remembered_says_so() {
        let feed = Changes::new();
        let lane = &feed.lanes[usize::from(Lane::Poll.code())];
        (0..=MAX_ENTERED).for_each(|_| lane.remember(task(1).id));
        let entered = feed.take(Lane::Poll);
        assert!(entered.overflowed && entered.ids.len() == MAX_ENTERED);
        assert!(!feed.take(Lane::Poll).overflowed);
    }
}
