//! Repeats that are to come: a client's library sends again what was refused for a while, and that
//! repeat is a first call, for the one before it made nothing.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use crate::domain::time::Timestamp;

/// How many repeats are to come of each `What`, and since when.
#[derive(Debug)]
pub struct Owed<What: Hash + Eq>(Mutex<LruCache<What, (u32, Timestamp)>>);

impl<What: Hash + Eq> Default for Owed<What> {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }
}

impl<What: Hash + Eq> Owed<What> {
    /// Notes one that is to come.
    pub fn add(&self, what: What, now: Timestamp) {
        let mut known = self.0.lock();
        let (count, last) = known.get_or_insert_mut(what, || (0, now));
        *count = if is_recent(*last, now) {
            count.saturating_add(1)
        } else {
            1
        };
        *last = now;
    }

    /// Takes one of them, if there is one.
    pub fn take(&self, what: &What, now: Timestamp) -> bool {
        let mut known = self.0.lock();
        let Some((count, last)) = known.get_mut(what) else {
            return false;
        };
        let is_owed = is_recent(*last, now);
        *count = if is_owed { *count - 1 } else { 0 };
        if *count == 0 {
            known.pop(what);
        }
        is_owed
    }
}

fn is_recent(then: Timestamp, now: Timestamp) -> bool {
    now.since(then) <= WITHIN
}

/// How long after a refusal its repeat may come: libraries wait two minutes at most.
const WITHIN: Duration = Duration::from_mins(3);
/// What is remembered; of more the oldest is forgotten, and its repeats may be given the task of an
/// equal call.
const MOST: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::millis;

    #[test]
    fn each_refusal_is_owed_to_one_repeat_for_a_while() {
        let owed = Owed::default();
        let (now, later) = (Timestamp(1), Timestamp(2 + millis(WITHIN)));
        assert!(!owed.take(&'a', now));
        owed.add('a', now);
        owed.add('a', now);
        assert!(!owed.take(&'b', now));
        let taken = [(); 3].map(|()| owed.take(&'a', now));
        assert_eq!(taken, [true, true, false]);
        owed.add('a', now);
        assert!(!owed.take(&'a', later));
        owed.add('a', later);
        assert!(owed.take(&'a', later));
        assert!(owed.0.lock().is_empty());
    }
}
