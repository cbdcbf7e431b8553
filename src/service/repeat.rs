//! Creates that a client's library repeats by itself, without an idempotency key, because the answer
//! was lost.
//!
//! What the first of them committed is looked for in the store, so that a repeat finds it after a
//! restart too. One that comes before the first has committed waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::{NewRequest, Service};
use crate::domain::caller::Caller;
use crate::domain::id::TenantId;
use crate::domain::task::Task;
use crate::domain::time::{Timestamp, millis};
use crate::store::{Alike, StoreError};

/// Whose request, and what it asks for.
type Asked = (TenantId, [u8; 32]);

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
            let _guard = waiting.write_owned().await;
            Held::Repeat { _guard }
        } else {
            let _guard = waiting.read_owned().await;
            Held::First { _guard }
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
        if !request.is_repeat {
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
}

/// How long after a create its repeat is known for one: longer than the ten minutes that libraries
/// wait for an answer before they repeat.
const REMEMBERED: Duration = Duration::from_mins(15);

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
}
