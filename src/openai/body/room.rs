//! Room for what of bodies is held in memory, for all calls together.
//!
//! A small body needs none. A larger one that says its length takes room for all of it before it is
//! read on; one that does not, as much again whenever what came fills what it has. Until it has the
//! room nothing more of it is read: its client waits on its own socket. What it took is given back when
//! the call has made of the body what it makes.
//!
//! What is counted are the bytes of bodies. While a request is made of one there are up to three times
//! as many for a moment: a text, its copies for the check, and what its base64 holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::domain::caller::Caller;
use crate::domain::id::TenantId;
use crate::openai::{Problem, refusal};

/// What bodies may take. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub(in crate::openai) struct Room {
    all: Arc<Semaphore>,
    /// What is left to each tenant that has bodies.
    shares: Arc<Mutex<HashMap<TenantId, Arc<Semaphore>>>>,
}

/// The room as one caller may use it.
#[derive(Clone, Debug)]
pub(in crate::openai) struct Share {
    all: Arc<Semaphore>,
    /// Of the tenant; `None`: the server tells no callers apart.
    own: Option<Arc<Semaphore>>,
}

/// What one body took; given back when dropped.
#[derive(Debug, Default)]
pub(in crate::openai) struct Held {
    bytes: usize,
    places: Vec<OwnedSemaphorePermit>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(ALL / UNIT)),
            shares: Arc::default(),
        }
    }
}

impl Room {
    /// What a caller may use of it.
    pub fn of(&self, caller: &Caller) -> Share {
        let own = caller.key.as_ref().map(|_| {
            let mut shares = self.shares.lock();
            if !shares.contains_key(&caller.tenant) {
                shares.retain(|_, share| Arc::strong_count(share) > 1);
            }
            let own = shares.entry(caller.tenant.clone());
            Arc::clone(own.or_insert_with(|| Arc::new(Semaphore::new(SHARE / UNIT))))
        });
        let all = Arc::clone(&self.all);
        Share { all, own }
    }
}

impl Share {
    /// Sees that `held` is enough for a body of which so many bytes are there; `length` is what it says
    /// that it comes to, and `most` what it may.
    ///
    /// # Errors
    /// 503 when there has been no room for a while.
    pub async fn fit(
        &self,
        held: &mut Held,
        there: usize,
        length: Option<usize>,
        most: usize,
    ) -> Result<(), Problem> {
        if there <= SMALL.max(held.bytes) {
            return Ok(());
        }
        let step = there.checked_next_power_of_two().unwrap_or(most).min(most);
        let wanted = length.unwrap_or(step).max(there).min(SHARE);
        let more = wanted.saturating_sub(held.bytes).div_ceil(UNIT);
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        // Of bodies that have some and wait for each other one must give way.
        let patience = if held.bytes == 0 { LONGEST } else { SHORT };
        let places = timeout(patience, self.take(more)).await;
        let places = places.ok().and_then(Result::ok);
        held.places.extend(places.ok_or_else(refusal::no_room)?);
        held.bytes = wanted;
        Ok(())
    }

    /// Takes so many units of the tenant's share, and of all.
    async fn take(&self, units: u32) -> Result<Vec<OwnedSemaphorePermit>, AcquireError> {
        let mut places = Vec::new();
        for of in self.own.iter().chain([&self.all]) {
            places.push(Arc::clone(of).acquire_many_owned(units).await?);
        }
        Ok(places)
    }
}

/// Bytes that all bodies may take together: sixteen of the largest, as the default has it.
const ALL: usize = 256 * 1024 * 1024;
/// Bytes of that for the bodies of one tenant, so that it leaves room to the others.
const SHARE: usize = ALL / 2;
/// Bytes that are counted as one.
const UNIT: usize = 1024;
/// A body that takes no room.
const SMALL: usize = 64 * 1024;
/// How long a body waits for room.
const LONGEST: Duration = Duration::from_mins(1);
/// How long one does that has some.
const SHORT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::domain::caller::KeyId;

    fn keyed(tenant: &str) -> Caller {
        Caller {
            tenant: TenantId::named(tenant),
            key: Some(KeyId::new("k")),
            ..Caller::local()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_for_each_other_and_small_ones_for_nobody() {
        let (room, most) = (Room::default().of(&Caller::local()), ALL / 2);
        let mut held = [Held::default(), Held::default(), Held::default()];
        let [first, second, third] = &mut held;
        let large = async |held: &mut Held, there| room.fit(held, there, Some(most), most).await;
        large(first, SMALL + 1).await.unwrap();
        large(second, SMALL + 1).await.unwrap();
        // What has room has it once.
        large(second, most).await.unwrap();
        large(third, SMALL).await.unwrap();
        let refused = large(third, SMALL + 1).await.unwrap_err();
        assert_eq!(refused.status().as_u16(), 503);
        let given_back = async {
            tokio::time::sleep(LONGEST / 2).await;
            *first = Held::default();
        };
        let (fits, ()) = tokio::join!(large(third, SMALL + 1), given_back);
        fits.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_no_length_takes_room_as_it_comes() {
        let (room, most) = (Room::default(), 16 << 20);
        let share = room.of(&Caller::local());
        let mut held = Held::default();
        for (there, taken) in [
            (SMALL, 0),
            (SMALL + 1, 128 << 10),
            (128 << 10, 128 << 10),
            (200_000, 256 << 10),
            (9 << 20, most),
            (most, most),
        ] {
            share.fit(&mut held, there, None, most).await.unwrap();
            assert_eq!((ALL / UNIT - room.all.available_permits()) * UNIT, taken);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_has_room_and_needs_more_soon_gives_way() {
        let share = Room::default().of(&Caller::local());
        let mut held = [Held::default(), Held::default(), Held::default()];
        let [growing, one, other] = &mut held;
        let rest = ALL / 2 - (64 << 10);
        share.fit(growing, SMALL + 1, None, ALL).await.unwrap();
        for full in [one, other] {
            share.fit(full, rest, Some(rest), ALL).await.unwrap();
        }
        let begun = Instant::now();
        let refused = share.fit(growing, 1 << 20, None, ALL).await;
        assert_eq!(refused.unwrap_err().status().as_u16(), 503);
        assert_eq!(begun.elapsed(), SHORT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_leaves_room_to_the_others() {
        let (room, most) = (Room::default(), 16 << 20);
        let mut held: Vec<Held> = Vec::new();
        let large = async |tenant: &str| {
            let mut held = Held::default();
            let share = room.of(&keyed(tenant));
            let fits = share.fit(&mut held, most, None, most).await;
            fits.map(|()| held)
        };
        for _ in 0..SHARE / most {
            held.push(large("a").await.unwrap());
        }
        large("a").await.unwrap_err();
        drop(large("b").await.unwrap());
        held.pop();
        drop(large("a").await.unwrap());
        drop(held);
        drop(large("c").await.unwrap());
        assert_eq!(room.shares.lock().len(), 1, "who has no body is forgotten");
    }
}
