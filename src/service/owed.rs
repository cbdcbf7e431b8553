//! Repeats that are to come: a client's library sends again what was refused for a while, and that
//! repeat is a first call, for the one before it made nothing.
//!
//! It is sent when the refusal said, and soon. Who has not come by then has given up, and what comes
//! later repeats another call.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use crate::domain::time::Timestamp;

/// How many repeats are to come of each `What`, and until when.
#[derive(Debug)]
pub struct Owed<What: Hash + Eq>(Mutex<LruCache<What, Credit>>);

#[derive(Debug)]
struct Credit {
    count: u32,
    /// When the last of them was refused.
    refused: Timestamp,
    /// When the first of them may come again.
    due: Timestamp,
    until: Timestamp,
}

/// A refusal before a call that may repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When.
    pub at: Timestamp,
    /// Whether the call came no sooner than the refusal said.
    pub is_due: bool,
}

impl<What: Hash + Eq> Default for Owed<What> {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }
}

impl<What: Hash + Eq> Owed<What> {
    /// Notes one that is to come, of what is refused now and told to wait so long.
    pub fn add(&self, what: What, now: Timestamp, wait: Duration) {
        let due = now.after(wait.min(LONGEST_WAIT));
        let until = due.after(LATE);
        let none = || Credit {
            count: 0,
            refused: now,
            due,
            until,
        };
        let mut known = self.0.lock();
        let credit = known.get_or_insert_mut(what, none);
        if credit.until < now {
            *credit = none();
        }
        credit.count = credit.count.saturating_add(1);
        credit.refused = now;
        credit.due = credit.due.min(due);
        credit.until = credit.until.max(until);
    }

    /// Takes one of them for a call that came then, if there is one.
    pub fn take(&self, what: &What, came: Timestamp) -> Option<Refused> {
        let mut known = self.0.lock();
        let credit = known.get_mut(what)?;
        let refused = (came <= credit.until).then_some(Refused {
            at: credit.refused,
            is_due: came >= credit.due,
        });
        credit.count -= 1;
        if credit.count == 0 || refused.is_none() {
            known.pop(what);
        }
        refused
    }
}

/// The longest that libraries wait before a repeat, whatever they are told.
const LONGEST_WAIT: Duration = Duration::from_mins(2);
/// How much later a repeat may come.
const LATE: Duration = Duration::from_secs(15);
/// What is remembered; of more the oldest is forgotten, and its repeats may be given the task of an
/// equal call.
const MOST: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1);
    const WAIT: Duration = Duration::from_secs(10);

    const fn at(at: Timestamp, is_due: bool) -> Refused {
        Refused { at, is_due }
    }

    #[test]
    fn each_refusal_is_owed_to_one_repeat_for_a_while() {
        let owed = Owed::default();
        let later = Timestamp(NOW.after(WAIT).after(LATE).0 + 1);
        assert_eq!(owed.take(&'a', NOW), None);
        owed.add('a', NOW, WAIT);
        owed.add('a', NOW, WAIT);
        assert_eq!(owed.take(&'b', NOW), None);
        let taken = [(); 3].map(|()| owed.take(&'a', NOW));
        assert_eq!(taken, [Some(at(NOW, false)), Some(at(NOW, false)), None]);
        owed.add('a', NOW, WAIT);
        assert_eq!(owed.take(&'a', later), None);
        owed.add('a', NOW, WAIT);
        owed.add('a', later, WAIT);
        assert_eq!(owed.take(&'a', later), Some(at(later, false)));
        assert!(owed.0.lock().is_empty());
    }

    #[test]
    fn a_repeat_is_owed_for_as_long_as_it_was_told_to_wait_and_a_little() {
        for (told, seconds) in [(0, 15), (1, 16), (10, 25), (120, 135), (86_400, 135)] {
            let (told, until) = (Duration::from_secs(told), Duration::from_secs(seconds));
            let owed = Owed::default();
            owed.add('a', NOW, told);
            // A shorter wait of another takes nothing from it.
            owed.add('a', NOW, Duration::ZERO);
            assert_eq!(
                owed.take(&'a', NOW.after(until)),
                Some(at(NOW, true)),
                "{told:?}"
            );
            let over = Timestamp(NOW.after(until).0 + 1);
            assert_eq!(owed.take(&'a', over), None, "{told:?}");
        }
    }
}
