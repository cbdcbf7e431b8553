//! Room for what of bodies is held in memory, for all calls together.
//!
//! A small body needs none. A larger one takes what it may come to before it is read on, and until it
//! has that nothing more of it is read: its client waits on its own socket. What it took is given back
//! when the call has made of the body what it makes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::openai::{Problem, refusal};

/// What bodies may take. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub(in crate::openai) struct Room(Arc<Semaphore>);

/// What one body took; given back when dropped.
#[derive(Debug, Default)]
pub(in crate::openai) struct Held(Option<OwnedSemaphorePermit>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL / UNIT)))
    }
}

impl Room {
    /// Sees that `held` is enough for a body of which so many bytes are there, and that may come to so
    /// many.
    ///
    /// # Errors
    /// 503 when there has been no room for a while.
    pub async fn fit(&self, held: &mut Held, there: usize, most: usize) -> Result<(), Problem> {
        if there <= SMALL || held.0.is_some() {
            return Ok(());
        }
        let units = most.min(ALL).div_ceil(UNIT);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let place = timeout(LONGEST, Arc::clone(&self.0).acquire_many_owned(units)).await;
        let place = place.ok().and_then(Result::ok);
        held.0 = Some(place.ok_or_else(refusal::no_room)?);
        Ok(())
    }
}

/// Bytes that all bodies may take together: sixteen of the largest, as the default has it.
const ALL: usize = 256 * 1024 * 1024;
/// Bytes that are counted as one.
const UNIT: usize = 1024;
/// A body that takes no room.
const SMALL: usize = 64 * 1024;
/// How long a body waits for room.
const LONGEST: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_for_each_other_and_small_ones_for_nobody() {
        let (room, most) = (Room::default(), ALL / 2);
        let mut held = [Held::default(), Held::default(), Held::default()];
        let [first, second, third] = &mut held;
        room.fit(first, SMALL + 1, most).await.unwrap();
        room.fit(second, SMALL + 1, most).await.unwrap();
        // What has room has it once.
        room.fit(second, most, most).await.unwrap();
        room.fit(third, SMALL, most).await.unwrap();
        let refused = room.fit(third, SMALL + 1, most).await.unwrap_err();
        assert_eq!(refused.status().as_u16(), 503);
        let given_back = async {
            tokio::time::sleep(LONGEST / 2).await;
            *first = Held::default();
        };
        let (fits, ()) = tokio::join!(room.fit(third, SMALL + 1, most), given_back);
        fits.unwrap();
    }
}
