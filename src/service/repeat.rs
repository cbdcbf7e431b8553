//! Creates that a client's library repeats by itself, without an idempotency key, because the answer
//! was lost.
//!
//! What the first of them committed is looked for in the store, so that a repeat finds it after a
//! restart too. One that comes before the first has committed waits for it.
//!
//! Of equal calls each is given a task of its own. A library sends a repeat of one number once, so that
//! a task is given to one repeat of each number; and what was refused for a while made nothing, so
//! that its repeat, the one of the next number, is taken for a first call. Whoever does not count his
//! repeats never repeats: two such calls are two tasks.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::owed::Owed;
use super::{CreateError, NewRequest, Service};
use crate::domain::caller::{Caller, KeyId};
use crate::domain::id::{TaskId, TenantId};
use crate::domain::task::Task;
use crate::domain::time::{Timestamp, millis};
use crate::store::{Alike, Denied, StoreError};

/// How a client's library counts what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// How often it sent the same before.
    pub number: u32,
    /// Whether nothing was made of that.
    pub is_first: bool,
}

/// Whose request, by which key, and what it asks for.
type Asked = (TenantId, Option<KeyId>, [u8; 32]);

/// First calls that will come as repeats of a number: those before were refused.
pub(super) type Refusals = Owed<(Asked, u32)>;

/// Tasks that were given to a repeat, and to the how-many-th.
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
    /// The first of these tasks that no repeat of this number was given; the first of all where there
    /// are more than were looked at.
    fn give(&self, tasks: &[Arc<Task>], number: u32) -> Option<Arc<Task>> {
        let mut given = self.0.lock();
        let is_free = |task: &&Arc<Task>| given.peek(&task.id).is_none_or(|last| *last < number);
        let free = tasks.iter().find(is_free);
        let any = || tasks.first().filter(|_| tasks.len() == MOST_ALIKE);
        let task = free.or_else(any)?;
        given.put(task.id, number);
        Some(Arc::clone(task))
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
        let Some(Sending { number, is_first }) = request.sending else {
            return Ok(None);
        };
        let refused = (asked(caller, fingerprint), number);
        if is_first || self.inner.refusals.take(&refused, self.now()) {
            return Ok(None);
        }
        let alike = Alike {
            tenant: caller.tenant.clone(),
            key: caller.key.clone(),
            fingerprint: Some(fingerprint),
            since: Timestamp(self.now().0.saturating_sub(millis(REMEMBERED))),
        };
        let found = self.parts().store.alike(&alike, MOST_ALIKE).await?;
        let found = self.inner.given.give(&found, number);
        if let Some(task) = &found {
            tracing::info!(task = %task.id, "a repeat was given the task that it made before");
        }
        Ok(found)
    }

    /// Notes a create without a key that was refused, if a library will repeat it.
    pub(super) fn note_refusal(
        &self,
        caller: &Caller,
        request: &NewRequest,
        print: [u8; 32],
        error: &CreateError,
    ) {
        let is_repeated = match error {
            // It may be hours away: libraries are told not to wait for it.
            CreateError::Denied(limited) => !matches!(limited.denied, Denied::Budget(_)),
            CreateError::StorageFull
            | CreateError::NoUpstreamAccount
            | CreateError::Moderated { .. }
            | CreateError::Draining
            | CreateError::Archive(_) => true,
            // What is wrong stays wrong, and what the store did not say may have been done.
            CreateError::Invalid(_)
            | CreateError::RequestIdReused(_)
            | CreateError::ModelForbidden(_)
            | CreateError::PriceUnknown { .. }
            | CreateError::Store(_) => false,
        };
        if let Some(Sending { number, .. }) = request.sending
            && is_repeated
        {
            let next = (asked(caller, print), number.saturating_add(1));
            self.inner.refusals.add(next, self.now());
        }
    }
}

fn asked(caller: &Caller, print: [u8; 32]) -> Asked {
    (caller.tenant.clone(), caller.key.clone(), print)
}

/// How long after a create its repeat is known for one: longer than the ten minutes that libraries
/// wait for an answer before they repeat.
const REMEMBERED: Duration = Duration::from_mins(15);
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
        let give = |number| given.give(&tasks, number).map(|task| task.id);
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
        assert_eq!(given.give(&many, 1).map(|task| task.id), Some(ids[0]));
    }
}
