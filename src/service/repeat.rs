//! Creates that a client's library repeats by itself, without an idempotency key, because the answer
//! was lost.
//!
//! What the first of them committed is looked for in the store, so that a repeat finds it after a
//! restart too. One that comes before the first has committed waits for it.
//!
//! Of equal calls each is given a task of its own. A library sends a repeat of one number once, so that
//! a task is given to one repeat of each number, and none that a call of that number made; what its
//! caller has read since is no lost answer; and what was refused for a while made nothing, so that its
//! repeat, the one of the next number, is taken for a first call. Whoever does not count his repeats
//! never repeats: two such calls are two tasks.
//!
//! All but the tasks is in memory, and a restart forgets it. So what is refused while the server goes
//! away is not to be repeated where there is an equal task.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::owed::{Owed, Refused};
use super::{CreateError, NewRequest, Service};
use crate::domain::caller::{Caller, KeyId};
use crate::domain::id::{RequestId, TaskId, TenantId};
use crate::domain::task::Task;
use crate::domain::time::{Timestamp, millis};
use crate::store::{Alike, Denied, StoreError};

/// How a client's library counts what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// How often it sent the same before.
    pub number: u32,
    /// When it came.
    pub came: Timestamp,
    /// How long the library waits for an answer before it repeats; `None`: it does not say.
    pub wait: Option<Duration>,
    /// Whether nothing was made of it before.
    pub is_first: bool,
    /// The refusal of what this may be the repeat of, unread; `None`: there was none, lately.
    pub refused: Option<Refused>,
}

impl Sending {
    /// Since when the first call may have made its task, if this is the repeat of that number.
    fn since(&self, number: u32) -> Timestamp {
        let wait = self.wait.unwrap_or_default();
        let wait = wait.clamp(SHORTEST_WAIT, LONGEST_WAIT) + BETWEEN;
        let back = wait.saturating_mul(number).min(LONGEST_WAIT + BETWEEN);
        Timestamp(self.came.0.saturating_sub(millis(back)))
    }
}

/// Whose request, by which key, and what it asks for.
type Asked = (TenantId, Option<KeyId>, [u8; 32]);

/// First calls that will come as repeats of a number: those before were refused.
pub(super) type Refusals = Owed<(Asked, u32)>;

/// Tasks that were given to a repeat, or made by one, and the how-many-th. The repeats of one request
/// come here one at a time.
#[derive(Debug)]
pub(super) struct Given(Mutex<LruCache<TaskId, u32>>);

/// The counted creates without a key that are under way: any number of first ones at once, but each repeat
/// alone. As many entries as there are such creates.
#[derive(Debug, Default)]
pub(super) struct Turns {
    locks: Mutex<HashMap<Asked, Arc<RwLock<()>>>>,
}

/// A create under way.
pub(super) struct Turn {
    turns: Weak<Turns>,
    asked: Asked,
    lock: Option<Arc<RwLock<()>>>,
    held: Option<Held>,
}

enum Held {
    First { _guard: OwnedRwLockReadGuard<()> },
    Repeat { _guard: OwnedRwLockWriteGuard<()> },
}

impl Default for Given {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST_GIVEN)))
    }
}

impl Given {
    /// The first of these open tasks that nothing of this number made or was given; the first of all
    /// where there are more than were looked at.
    fn give(
        &self,
        tasks: &[Arc<Task>],
        number: u32,
        is_open: impl Fn(&Task) -> bool,
    ) -> Option<Arc<Task>> {
        let is_free = |last: Option<u32>| last.is_none_or(|last| last < number);
        let any = || tasks.first().filter(|_| tasks.len() == MOST_ALIKE);
        let free = self.first(tasks, |task, last| is_open(task) && is_free(last));
        let task = free.or_else(any)?;
        self.put(task.id, number);
        Some(Arc::clone(task))
    }

    /// The first of these open tasks that a first call made and no repeat was given.
    fn give_untouched(
        &self,
        tasks: &[Arc<Task>],
        number: u32,
        is_open: impl Fn(&Task) -> bool,
    ) -> Option<Arc<Task>> {
        let task = self.first(tasks, |task, last| is_open(task) && last.is_none())?;
        self.put(task.id, number);
        Some(Arc::clone(task))
    }

    fn first<'a>(
        &self,
        tasks: &'a [Arc<Task>],
        is_meant: impl Fn(&Task, Option<u32>) -> bool,
    ) -> Option<&'a Arc<Task>> {
        let given = self.0.lock();
        let last = |task: &Task| given.peek(&task.id).copied();
        tasks.iter().find(|task| is_meant(task, last(task)))
    }

    /// Notes what a repeat made, or was given.
    fn put(&self, id: TaskId, number: u32) {
        self.0.lock().put(id, number);
    }
}

impl Turns {
    async fn take(self: &Arc<Self>, asked: Asked, is_repeat: bool) -> Turn {
        let lock = Arc::clone(self.locks.lock().entry(asked.clone()).or_default());
        let waiting = Arc::clone(&lock);
        // The turn has the lock from here on: who stops waiting leaves nothing behind.
        let mut turn = Turn {
            turns: Arc::downgrade(self),
            asked,
            lock: Some(lock),
            held: None,
        };
        turn.held = Some(if is_repeat {
            let guard = waiting.write_owned().await;
            Held::Repeat { _guard: guard }
        } else {
            let guard = waiting.read_owned().await;
            Held::First { _guard: guard }
        });
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.turns.upgrade() else {
            return;
        };
        let mut locks = turns.locks.lock();
        // Ours goes under the lock: of two that end at once the second must see itself alone.
        drop((self.held.take(), self.lock.take()));
        let is_alone = |lock: &Arc<RwLock<()>>| Arc::strong_count(lock) == 1;
        if locks.get(&self.asked).is_some_and(is_alone) {
            locks.remove(&self.asked);
        }
    }
}

impl Service {
    /// The turn of a create without a key, to be held until the task is committed. Who does not count
    /// what he sends needs none: nothing repeats it.
    pub(super) async fn turn(
        &self,
        caller: &Caller,
        request: &NewRequest,
        print: [u8; 32],
    ) -> Option<Turn> {
        let is_repeat = !request.sending?.is_first;
        let turns = &self.inner.turns;
        Some(turns.take(asked(caller, print), is_repeat).await)
    }

    /// What the request made when it was first sent, if it is said to be a repeat and did.
    pub(super) async fn repeated(
        &self,
        caller: &Caller,
        request: &NewRequest,
        fingerprint: [u8; 32],
    ) -> Result<Option<Arc<Task>>, StoreError> {
        let Some(sending) = request.sending.filter(|sending| !sending.is_first) else {
            return Ok(None);
        };
        let number = sending.number;
        let refused = self.refused_before(caller, &sending, fingerprint);
        // A library comes when it was told to.
        if refused.is_some_and(|refused| refused.is_due) {
            return Ok(None);
        }
        let alike = alike(caller, Some(fingerprint), sending.since(number));
        let found = self.parts().store.alike(&alike, MOST_ALIKE).await?;
        let (given, receipts) = (&self.inner.given, &self.inner.receipts);
        let found = match refused {
            // What comes sooner repeats what was refused, unless that was given up, and called anew.
            Some(refused) => given.give_untouched(&found, number, |task| {
                task.times.created > refused.at && receipts.may_be_lost(task.id)
            }),
            None => given.give(&found, number, |task| !receipts.is_received(task.id)),
        };
        if let Some(task) = &found {
            tracing::info!(task = %task.id, "a repeat was given the task that it made before");
        }
        Ok(found)
    }

    /// The refusal of what this may be the repeat of. Ask once of a call: it is forgotten.
    fn refused_before(
        &self,
        caller: &Caller,
        sending: &Sending,
        print: [u8; 32],
    ) -> Option<Refused> {
        let read = || {
            let refused = (asked(caller, print), sending.number);
            self.inner.refusals.take(&refused, sending.came)
        };
        sending.refused.or_else(read)
    }

    /// Notes the task of a create without a key, which a library may repeat.
    pub(super) fn note_made(&self, request: &NewRequest, id: TaskId) {
        let Some(Sending { number, .. }) = request.sending else {
            return;
        };
        self.inner.receipts.made(id);
        // Its own repeats have greater numbers.
        if number > 0 {
            self.inner.given.put(id, number);
        }
    }

    /// What a refused create without a key is told; its repeat will be taken for a first call.
    pub(super) async fn refused(
        &self,
        caller: &Caller,
        request: &NewRequest,
        print: [u8; 32],
        error: CreateError,
    ) -> CreateError {
        let (Some(sending), Some(wait)) = (request.sending, repeated_after(&error)) else {
            return error;
        };
        if self.is_mistakable(caller, &sending, Some(print)).await {
            return CreateError::Draining {
                is_mistakable: true,
            };
        }
        let next = (asked(caller, print), sending.number.saturating_add(1));
        self.inner.refusals.add(next, self.now(), wait);
        error
    }

    /// What a create is told that comes while the server goes away.
    pub(super) async fn drained(
        &self,
        caller: &Caller,
        request: &NewRequest,
        print: [u8; 32],
    ) -> CreateError {
        let error = CreateError::Draining {
            is_mistakable: false,
        };
        let is_first = |sending: &Sending| {
            sending.is_first || self.refused_before(caller, sending, print).is_some()
        };
        // What has a key is known by it, and what a repeat made before it finds after the restart.
        if RequestId::parse(&request.request_id).is_some()
            || !request.sending.as_ref().is_some_and(is_first)
        {
            return error;
        }
        self.refused(caller, request, print, error).await
    }

    /// Whether the repeat of a first call that is refused now may be given the task of another call
    /// (of an equal one, if it is known what was asked for): it may come after a restart, when nobody
    /// knows of the refusal any more.
    pub async fn is_mistakable(
        &self,
        caller: &Caller,
        sending: &Sending,
        print: Option<[u8; 32]>,
    ) -> bool {
        if !self.is_draining() {
            return false;
        }
        // What is not known may be. The looks take turns, for many calls are refused at once, and the
        // threads that look read for all others too.
        let turn = tokio::time::timeout(LONGEST_LOOK, self.inner.last_looks.acquire());
        let Ok(Ok(_turn)) = turn.await else {
            return true;
        };
        let since = sending.since(sending.number.saturating_add(1));
        let alike = alike(caller, print, since);
        let found = self.parts().store.alike(&alike, 1).await;
        found.map_or(true, |found| !found.is_empty())
    }
}

/// How long a library waits before it repeats what was refused so; `None`: it does not repeat it.
const fn repeated_after(error: &CreateError) -> Option<Duration> {
    match error {
        // It may be hours away: libraries are told not to wait for it.
        CreateError::Denied(limited) => match limited.denied {
            Denied::Budget(_) => None,
            Denied::QueueFull { .. } | Denied::KeyTasks { .. } => Some(limited.retry_after),
        },
        CreateError::Moderated { retry_after } => Some(*retry_after),
        CreateError::StorageFull
        | CreateError::NoUpstreamAccount
        | CreateError::Draining { .. }
        | CreateError::Archive(_) => Some(LONGEST_TOLD),
        // What is wrong stays wrong, and what the store did not say may have been done.
        CreateError::Invalid(_)
        | CreateError::RequestIdReused(_)
        | CreateError::ModelForbidden(_)
        | CreateError::PriceUnknown { .. }
        | CreateError::Store(_) => None,
    }
}

fn alike(caller: &Caller, fingerprint: Option<[u8; 32]>, since: Timestamp) -> Alike {
    Alike {
        tenant: caller.tenant.clone(),
        key: caller.key.clone(),
        fingerprint,
        since,
    }
}

fn asked(caller: &Caller, print: [u8; 32]) -> Asked {
    (caller.tenant.clone(), caller.key.clone(), print)
}

/// How long libraries wait for an answer unless they say; less counts as this.
const SHORTEST_WAIT: Duration = Duration::from_mins(10);
/// Longer counts as this, and nothing is looked for further back.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// What may pass beside the wait before each repeat: the library's pause, and the body's way.
const BETWEEN: Duration = Duration::from_mins(5);
/// How long a call that is refused in the drain waits for its turn to look for an equal task.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// What a face tells a caller to wait, at most, where the service does not say.
const LONGEST_TOLD: Duration = Duration::from_mins(1);
/// Equal tasks that are looked at for a repeat.
const MOST_ALIKE: usize = 64;
/// Tasks of which it is remembered that they were given to a repeat; of more the oldest are forgotten,
/// and may be given to a repeat of an equal call.
const MOST_GIVEN: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::domain::task::samples::task;

    fn asked(print: u8) -> Asked {
        (TenantId::local(), None, [print; 32])
    }

    #[tokio::test]
    async fn a_repeat_waits_for_every_first_and_for_no_other_request() {
        let turns = Arc::new(Turns::default());
        let one = turns.take(asked(1), false).await;
        let two = turns.take(asked(1), false).await;
        assert!(turns.take(asked(2), true).now_or_never().is_some());
        let mut repeat = Box::pin(turns.take(asked(1), true));
        assert!(repeat.as_mut().now_or_never().is_none());
        drop(one);
        assert!(repeat.as_mut().now_or_never().is_none());
        drop(two);
        drop(repeat.await);
        assert!(turns.locks.lock().is_empty());
    }

    #[tokio::test]
    async fn a_turn_that_nobody_waits_for_any_more_is_forgotten() {
        let turns = Arc::new(Turns::default());
        let first = turns.take(asked(1), false).await;
        let mut repeat = Box::pin(turns.take(asked(1), true));
        assert!(repeat.as_mut().now_or_never().is_none());
        drop(repeat);
        drop(first);
        assert!(turns.locks.lock().is_empty());
    }

    #[test]
    fn a_task_is_given_to_one_repeat_of_each_number() {
        let given = Given::default();
        let tasks: Vec<Arc<Task>> = [task(1), task(2)].map(Arc::new).into();
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        let any = |_: &Task| true;
        let give = |number| given.give(&tasks, number, any).map(|task| task.id);
        assert_eq!(
            [(); 3].map(|()| give(1)),
            [Some(ids[0]), Some(ids[1]), None]
        );
        assert_eq!(
            [(); 3].map(|()| give(2)),
            [Some(ids[0]), Some(ids[1]), None]
        );
        assert_eq!(give(1), None);
        // Where not all were looked at, one of them may be the repeat's own.
        let many = vec![Arc::clone(&tasks[0]); MOST_ALIKE];
        let one = given.give(&many, 1, any).map(|task| task.id);
        assert_eq!(one, Some(ids[0]));
    }

    #[test]
    fn a_repeat_is_given_no_task_that_is_not_open_and_none_that_one_of_its_number_made() {
        let given = Given::default();
        let tasks: Vec<Arc<Task>> = [task(1), task(2), task(3)].map(Arc::new).into();
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        given.put(ids[0], 1);
        let open = |task: &Task| task.id != ids[1];
        let give = |number| given.give(&tasks, number, open).map(|task| task.id);
        assert_eq!([(); 2].map(|()| give(1)), [Some(ids[2]), None]);
        assert_eq!([(); 2].map(|()| give(2)), [Some(ids[0]), Some(ids[2])]);
    }

    #[test]
    fn what_is_owed_to_a_repeat_stands_back_only_for_what_nobody_touched() {
        let given = Given::default();
        let tasks: Vec<Arc<Task>> = [task(1), task(2), task(3)].map(Arc::new).into();
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        given.put(ids[0], 1);
        let open = |task: &Task| task.id != ids[1];
        let give = || given.give_untouched(&tasks, 2, open).map(|task| task.id);
        assert_eq!([(); 2].map(|()| give()), [Some(ids[2]), None]);
        let many = vec![Arc::clone(&tasks[0]); MOST_ALIKE];
        assert_eq!(given.give_untouched(&many, 2, |_| true), None);
    }

    #[test]
    fn a_repeat_is_known_for_as_long_as_the_library_waits_each_time() {
        let minutes = |wait: Option<u64>, number| {
            let came = Timestamp(1_000_000_000_000);
            let sending = Sending {
                number,
                came,
                wait: wait.map(Duration::from_secs),
                is_first: false,
                refused: None,
            };
            came.since(sending.since(number)).as_secs() / 60
        };
        for (wait, number, back) in [
            (None, 1, 15),
            (None, 2, 30),
            (Some(5), 1, 15),
            (Some(600), 2, 30),
            (Some(1_800), 1, 35),
            (Some(1_800), 3, 105),
            (Some(86_400), 1, 24 * 60 + 5),
            (Some(u64::MAX), 1, 24 * 60 + 5),
            (Some(7_200), 8, 8 * 125),
            (None, u32::MAX, 24 * 60 + 5),
        ] {
            assert_eq!(minutes(wait, number), back, "{wait:?} {number}");
        }
    }
}
