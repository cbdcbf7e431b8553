//! Submitted → finished at the provider: one question at a time for each task, however many watch.
//!
//! The store says *which* tasks are at a provider; *when* each is asked next lives in memory and is
//! made anew at start, from when it was asked last. A heap holds the next moment of each; an entry out
//! of date is recognised by its turn and dropped.

mod notes;
mod question;
mod ready;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use notes::{Before, Notes};
use question::{Done, Question};
use ready::Ready;

use super::Desk;
use crate::domain::follow::Follow;
use crate::domain::id::TaskId;
use crate::domain::schedule::PollPace;
use crate::domain::task::{Lane, Task};
use crate::domain::time::Timestamp;
use crate::provider::Roster;

/// Follows every task at a provider until the drain.
pub(super) async fn run(desk: Arc<Desk>) {
    let (answers, mut answered) = mpsc::channel(ANSWERS);
    let (floor, now) = (desk.settings.poll.floor, desk.now());
    let folder = desk.settings.notes.clone();
    let open = move || Notes::open(folder.as_deref(), floor, now);
    let opened = spawn_blocking(open).await;
    let (notes, before) = opened.unwrap_or_else(|_| Notes::open(None, floor, now));
    let mut poller = Poller {
        desk,
        notes,
        before: Some(before),
        answers,
        followed: HashMap::new(),
        due: BinaryHeap::new(),
        ready: Ready::default(),
        rescanned: Timestamp::MIN,
        has_missed: true,
        roster: None,
    };
    loop {
        poller.take_new().await;
        poller.take_back();
        poller.start_due();
        let wait = poller.rest();
        let changes = Arc::clone(poller.desk.store.changes());
        let shutdown = poller.desk.shutdown.clone();
        tokio::select! {
            () = shutdown.draining() => return,
            Some((id, follow, done)) = answered.recv() => poller.answered(id, follow, done),
            () = changes.nudged(Lane::Poll) => {}
            () = changes.nudged(Lane::Book) => {}
            () = sleep(wait) => {}
        }
    }
}

struct Poller {
    desk: Arc<Desk>,
    notes: Notes,
    /// What a process before this one asked; until the first pass.
    before: Option<Before>,
    answers: mpsc::Sender<(TaskId, Follow, Done)>,
    followed: HashMap<TaskId, Entry>,
    due: BinaryHeap<Reverse<(Timestamp, TaskId, u32)>>,
    /// Due, but its account had no room.
    ready: Ready,
    rescanned: Timestamp,
    /// Something in the store may be other than is known here.
    has_missed: bool,
    /// The roster of the last pass.
    roster: Option<Arc<Roster>>,
}

/// A followed task. While it is asked about, `follow` is away with the question.
struct Entry {
    follow: Option<Follow>,
    turn: u32,
    asked: Timestamp,
    /// It changed in the store while it was away.
    stale: bool,
}

impl Poller {
    /// Takes up what entered the lanes; now and then reads them whole, so that nothing is missed.
    async fn take_new(&mut self) {
        let now = self.desk.now();
        let entered = [Lane::Poll, Lane::Book].map(|lane| self.desk.store.changes().take(lane));
        let has_overflowed = entered.iter().any(|entered| entered.overflowed);
        self.has_missed |= has_overflowed;
        let before = self.before.take();
        for id in entered.into_iter().flat_map(|entered| entered.ids) {
            self.look_at(id).await;
        }
        if now.since(self.rescanned) < RESCAN && !has_overflowed {
            return;
        }
        // Before the first pass nothing is known: then, and where something was missed, every task is
        // read; else only those that are not known.
        if std::mem::take(&mut self.has_missed) {
            self.scan(Lane::Poll, before.as_ref()).await;
            self.scan(Lane::Book, before.as_ref()).await;
        } else {
            self.look_for_others(Lane::Poll).await;
            self.look_for_others(Lane::Book).await;
        }
        self.rescanned = now;
    }

    async fn look_at(&mut self, id: TaskId) {
        match self.desk.store.get(id).await {
            Ok(Some(task)) => self.take_up(&task, None),
            Ok(None) => self.desk.store.changes().forget_progress(id),
            Err(_) => self.has_missed = true,
        }
    }

    /// Takes up the tasks of a lane that are not known here.
    async fn look_for_others(&mut self, lane: Lane) {
        let mut cursor = None;
        while let Ok(page) = self.desk.store.in_lane(lane, cursor, IDS).await {
            let Some(last) = page.last() else { return };
            cursor = Some(*last);
            for (_, id) in page {
                if !self.followed.contains_key(&id) {
                    self.look_at(id).await;
                }
            }
        }
        self.has_missed = true;
    }

    /// Takes up again what waited for an account that a new roster has.
    fn take_back(&mut self) {
        let roster = self.desk.roster.now();
        let before = self.roster.replace(Arc::clone(&roster));
        let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &roster)) else {
            return;
        };
        let is_back = |follow: &Follow| {
            before.accounts.get(&follow.account).is_none()
                && roster.accounts.get(&follow.account).is_some()
        };
        let waited = self
            .followed
            .iter()
            .filter(|(_, entry)| entry.follow.as_ref().is_some_and(is_back));
        let waited: Vec<TaskId> = waited.map(|(id, _)| *id).collect();
        for id in waited {
            self.hurry(id);
        }
    }

    async fn scan(&mut self, lane: Lane, before: Option<&Before>) {
        let mut cursor = None;
        while let Ok(page) = self
            .desk
            .store
            .due(lane, Timestamp::NEVER, cursor, PAGE)
            .await
        {
            let Some(last) = page.last() else { return };
            cursor = Some((last.next_step().1, last.id));
            for task in &page {
                self.take_up(task, before);
            }
        }
        self.has_missed = true;
    }

    /// Follows a task from now on, if it is to be followed. `before`: it was found at the start.
    fn take_up(&mut self, task: &Task, before: Option<&Before>) {
        let Some(follow) = Follow::of(task) else {
            if task.state.is_terminal() {
                self.desk.store.changes().forget_progress(task.id);
            }
            return;
        };
        match self.followed.get_mut(&task.id) {
            None => {
                let now = self.desk.now();
                let asked = before.map_or(now, |before| before.of(task.id));
                let asked = asked.max(task.times.updated).min(now);
                let entry = Entry {
                    follow: None,
                    turn: 0,
                    asked,
                    stale: false,
                };
                self.followed.insert(task.id, entry);
                // The time of many may have come while no process was there.
                let spread = before.map_or(0.0, |_| rand::random());
                let least = now.after(self.desk.settings.poll.floor.min(CATCH_UP).mul_f64(spread));
                self.plan(task.id, follow, asked, least);
            }
            Some(entry) => match &mut entry.follow {
                None => entry.stale = true,
                Some(known) if follow.cancel_requested && !known.cancel_requested => {
                    known.cancel_requested = true;
                    self.hurry(task.id);
                }
                Some(_) => {}
            },
        }
    }

    /// Plans the next question about a task that was just answered.
    fn put_back(&mut self, id: TaskId, follow: Follow) {
        let now = self.desk.now();
        self.plan(id, follow, now, now);
    }

    /// Plans the next question about a task that was answered then; not for a moment before `least`.
    fn plan(&mut self, id: TaskId, follow: Follow, answered: Timestamp, least: Timestamp) {
        let poll = &self.desk.settings.poll;
        let pace = PollPace {
            floor: poll.floor,
            max_backoff: poll.max_backoff,
        };
        let Some(entry) = self.followed.get_mut(&id) else {
            return;
        };
        let learned = self.desk.run_times.lock().of(&follow.model);
        let at = follow.next_question(entry.asked, answered, &pace, &learned, rand::random());
        let at = at.max(least);
        entry.turn = entry.turn.wrapping_add(1);
        entry.follow = Some(follow);
        self.due.push(Reverse((at, id, entry.turn)));
    }

    /// Brings the next question forward, as far as the floor allows.
    fn hurry(&mut self, id: TaskId) {
        let follow = self
            .followed
            .get_mut(&id)
            .and_then(|entry| entry.follow.take());
        if let Some(follow) = follow {
            self.put_back(id, follow);
        }
    }

    fn start_due(&mut self) {
        let now = self.desk.now();
        while let Some(Reverse((at, id, turn))) = self.due.peek().copied() {
            if at > now {
                break;
            }
            self.due.pop();
            let current = self.followed.get(&id).filter(|entry| entry.turn == turn);
            if let Some(follow) = current.and_then(|entry| entry.follow.as_ref()) {
                self.ready.push(&follow.account, id, turn);
            }
        }
        let mut ready = std::mem::take(&mut self.ready);
        ready.drain(|id, turn| self.ask(id, turn));
        self.ready = ready;
    }

    /// Asks about one task, if it is still its turn; false when its account has no room now.
    fn ask(&mut self, id: TaskId, turn: u32) -> bool {
        let now = self.desk.now();
        let current = self.followed.get_mut(&id);
        let Some(entry) = current.filter(|entry| entry.turn == turn) else {
            return true;
        };
        let Some(follow) = entry.follow.take() else {
            return true;
        };
        let Some(account) = self.desk.account(&follow.account) else {
            self.wait_for_account(id, follow);
            return true;
        };
        if let Some(until) = account.polls_rest_until(now) {
            // Asked too often: all of the account's tasks wait, and not all to the same moment.
            let spread = self.desk.settings.poll.floor.mul_f64(rand::random());
            entry.turn = entry.turn.wrapping_add(1);
            self.due
                .push(Reverse((until.after(spread), id, entry.turn)));
            entry.follow = Some(follow);
            return true;
        }
        let Ok(permit) = account.polls().try_acquire_owned() else {
            entry.follow = Some(follow);
            return false;
        };
        entry.asked = now;
        self.notes.sent(id);
        let (desk, answers) = (Arc::clone(&self.desk), self.answers.clone());
        self.desk.shutdown.spawn(async move {
            let question = Question {
                desk: &desk,
                account: &account,
                id,
            };
            let mut follow = follow;
            // A panic is a bug in this one question: the task is read anew, the others go on.
            let asked = AssertUnwindSafe(question.ask(&mut follow))
                .catch_unwind()
                .await;
            let done = asked.unwrap_or(Done::Again);
            drop(permit);
            // The poller may have left for the drain.
            let _ = answers.send((id, follow, done)).await;
        });
        true
    }

    /// There is nobody to ask, until the account is configured again. A task waits for that, however
    /// long: it is paid for. A bill is given up at its time.
    fn wait_for_account(&mut self, id: TaskId, follow: Follow) {
        let now = self.desk.now();
        let Some(entry) = self.followed.get_mut(&id) else {
            return;
        };
        if follow.book_until.is_some_and(|until| now >= until) {
            let (desk, answers) = (Arc::clone(&self.desk), self.answers.clone());
            self.desk.shutdown.spawn(async move {
                let mut follow = follow;
                let done = question::give_up(&desk, id, &mut follow).await;
                let _ = answers.send((id, follow, done)).await;
            });
            return;
        }
        entry.asked = now;
        entry.turn = entry.turn.wrapping_add(1);
        let rest = MISSING_REST.mul_f64(1.0 + rand::random::<f64>());
        self.due.push(Reverse((now.after(rest), id, entry.turn)));
        entry.follow = Some(follow);
    }

    fn answered(&mut self, id: TaskId, follow: Follow, done: Done) {
        self.notes.answered(id);
        let stale = match self.followed.get_mut(&id) {
            Some(entry) => std::mem::take(&mut entry.stale),
            None => return,
        };
        match done {
            Done::Again => self.put_back(id, follow),
            Done::Lost => self.begin_again(id, &follow),
            Done::Ended => {
                self.followed.remove(&id);
            }
        }
        if stale || matches!(done, Done::Ended) {
            // Whatever it has become (cancel requested, only its bill open) is read anew.
            self.desk.store.changes().remind(Lane::Poll, id);
        }
    }

    /// Follows a task from what it is in the store, as if it had just been found.
    fn begin_again(&mut self, id: TaskId, lost: &Follow) {
        let mut follow = lost.afresh();
        follow.poll.failures = lost.poll.failures.saturating_add(1);
        self.put_back(id, follow);
    }

    fn rest(&self) -> Duration {
        if !self.ready.is_empty() {
            return BUSY_REST;
        }
        let next = self
            .due
            .peek()
            .map(|Reverse((at, ..))| at.since(self.desk.now()));
        next.unwrap_or(LONGEST_REST)
            .clamp(SHORTEST_REST, LONGEST_REST)
    }
}

/// Answers on their way back.
const ANSWERS: usize = 256;
/// Tasks read at once.
const PAGE: usize = 256;
/// Ids read at once.
const IDS: usize = 4096;
/// How often an account that is missing is looked for, at most; at least half as often.
const MISSING_REST: Duration = Duration::from_secs(10);
/// The lanes are read whole this often.
const RESCAN: Duration = Duration::from_secs(30);
/// What came due while no process was there is spread over so long.
const CATCH_UP: Duration = Duration::from_secs(1);
/// A pass comes at least so often.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// The least time between two passes.
const SHORTEST_REST: Duration = Duration::from_millis(1);
/// The time between two passes while accounts are at their limit.
const BUSY_REST: Duration = Duration::from_millis(20);
