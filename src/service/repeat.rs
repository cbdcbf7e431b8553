//! Creates that a client's library repeats by itself, without an idempotency key, because the answer
//! was lost.
//!
//! What the first of them committed is looked for in the store, so that a repeat finds it after a
//! restart too. One that comes before the first has committed waits for it.
//!
//! Libraries repeat what was refused for a while in the same way, and such a repeat must not be given
//! the task of somebody who asked for the same: of equal calls each is given a task of its own. So it
//! is remembered how many were refused, and as many repeats are taken for what they are, first calls.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::{CreateError, NewRequest, Service};
use crate::domain::caller::Caller;
use crate::domain::id::TenantId;
use crate::domain::task::Task;
use crate::domain::time::{Timestamp, millis};
use crate::store::{Alike, StoreError};

/// Whose request, and what it asks for.
type Asked = (TenantId, [u8; 32]);

/// How many calls for the same were refused, and when the last of them was.
#[derive(Debug)]
pub(super) struct Refusals(Mutex<LruCache<Asked, (u32, Timestamp)>>);

/// The creates without a key that are under way: any number of first ones at once, but each repeat
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

impl Default for Refusals {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST_REFUSALS)))
    }
}

impl Refusals {
    fn add(&self, asked: Asked, now: Timestamp) {
        let mut known = self.0.lock();
        let (count, last) = known.get_or_insert_mut(asked, || (0, now));
        *count = if is_recent(*last, now) {
            count.saturating_add(1)
        } else {
            1
        };
        *last = now;
    }

    /// Takes one of them, if there is one.
    fn take(&self, asked: &Asked, now: Timestamp) -> bool {
        let mut known = self.0.lock();
        let Some((count, last)) = known.get_mut(asked) else {
            return false;
        };
        let is_owed = *count > 0 && is_recent(*last, now);
        *count = count.saturating_sub(1);
        if *count == 0 {
            known.pop(asked);
        }
        is_owed
    }
}

fn is_recent(then: Timestamp, now: Timestamp) -> bool {
    now.since(then) <= REPEATED_WITHIN
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
    /// The turn of a create without a key. Hold it until the task is committed.
    pub(super) async fn turn(&self, caller: &Caller, print: [u8; 32], is_repeat: bool) -> Turn {
        let asked = (caller.tenant.clone(), print);
        self.inner.turns.take(asked, is_repeat).await
    }

    /// What the request made when it was first sent, if it is said to be a repeat and did.
    pub(super) async fn repeated(
        &self,
        caller: &Caller,
        request: &NewRequest,
        fingerprint: [u8; 32],
    ) -> Result<Option<Arc<Task>>, StoreError> {
        let asked = (caller.tenant.clone(), fingerprint);
        if !request.is_repeat || self.inner.refusals.take(&asked, self.now()) {
            return Ok(None);
        }
        let alike = Alike {
            tenant: caller.tenant.clone(),
            key: caller.key.clone(),
            fingerprint,
            since: Timestamp(self.now().0.saturating_sub(millis(REMEMBERED))),
        };
        let found = self.parts().store.alike(&alike).await?;
        if let Some(task) = &found {
            tracing::info!(task = %task.id, "a repeat was given the task that it made before");
        }
        Ok(found)
    }

    /// Notes a create without a key that was refused, if a library repeats it.
    pub(super) fn note_refusal(&self, caller: &Caller, print: [u8; 32], error: &CreateError) {
        let is_repeated = match error {
            CreateError::StorageFull
            | CreateError::NoUpstreamAccount
            | CreateError::Moderated { .. }
            | CreateError::Denied(_)
            | CreateError::Draining
            | CreateError::Archive(_) => true,
            // What is wrong stays wrong, and what the store did not say may have been done.
            CreateError::Invalid(_)
            | CreateError::RequestIdReused(_)
            | CreateError::ModelForbidden(_)
            | CreateError::PriceUnknown { .. }
            | CreateError::Store(_) => false,
        };
        if is_repeated {
            let asked = (caller.tenant.clone(), print);
            self.inner.refusals.add(asked, self.now());
        }
    }
}

/// How long after a create its repeat is known for one: longer than the ten minutes that libraries
/// wait for an answer before they repeat.
const REMEMBERED: Duration = Duration::from_mins(15);
/// How long after a refusal its repeat may come: libraries wait two minutes at most.
const REPEATED_WITHIN: Duration = Duration::from_mins(3);
/// Requests whose refusals are remembered; of more the oldest are forgotten, and their repeats may be
/// given the task of an equal call.
const MOST_REFUSALS: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn asked(print: u8) -> Asked {
        (TenantId::local(), [print; 32])
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
    fn each_refusal_is_owed_to_one_repeat_for_a_while() {
        let refusals = Refusals::default();
        let (now, later) = (Timestamp(1), Timestamp(2 + millis(REPEATED_WITHIN)));
        assert!(!refusals.take(&asked(1), now));
        refusals.add(asked(1), now);
        refusals.add(asked(1), now);
        assert!(!refusals.take(&asked(2), now));
        let taken = [(); 3].map(|()| refusals.take(&asked(1), now));
        assert_eq!(taken, [true, true, false]);
        refusals.add(asked(1), now);
        assert!(!refusals.take(&asked(1), later));
        refusals.add(asked(1), later);
        assert!(refusals.take(&asked(1), later));
        assert!(refusals.0.lock().is_empty());
    }
}
