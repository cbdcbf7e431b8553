//! How often each task was asked about, and when it was last found unfinished.
//!
//! A provider does not say when a task was done. What is known: it was not when it was last found
//! unfinished. So the lag that is told is the most that it can have been.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::LazyLock;
use std::time::Instant;

use lru::LruCache;
use parking_lot::Mutex;

use super::{names, table};

/// A task that is asked about.
#[derive(Clone, Copy)]
struct Followed {
    /// When the last question left that found it unfinished.
    unfinished: Instant,
    polls: u32,
    /// Its end was found, and told.
    has_ended: bool,
}

/// A provider accepted a task at `sent` or later.
pub fn submitted(account: &str, upstream_id: &str, sent: Instant) {
    let followed = Followed {
        unfinished: sent,
        polls: 0,
        has_ended: false,
    };
    let mut tasks = FOLLOWED.lock();
    // What a provider gives out twice is still the first one's.
    tasks.get_or_insert(key(account, upstream_id), || followed);
    if tasks.len() > MOST {
        tasks.pop_lru();
    }
}

/// A question that left at `sent` found a task unfinished.
pub fn asked(account: &str, upstream_id: &str, sent: Instant) {
    let key = key(account, upstream_id);
    if let Some(known) = FOLLOWED.lock().get_mut(&key) {
        known.polls = known.polls.saturating_add(1);
        known.unfinished = sent;
    }
}

/// A question found a task at its end. Told once; nothing is told of tasks that an earlier process
/// submitted.
pub fn ended(account: &str, upstream_id: &str) {
    let key = key(account, upstream_id);
    let known = {
        let mut tasks = FOLLOWED.lock();
        let Some(known) = tasks.get_mut(&key).filter(|known| !known.has_ended) else {
            return;
        };
        known.polls = known.polls.saturating_add(1);
        known.has_ended = true;
        *known
    };
    let account = names::account(account);
    table::POLLS.at(&[account]).record(f64::from(known.polls));
    let lag = known.unfinished.elapsed().as_secs_f64();
    table::LAG.at(&[account]).record(lag);
}

/// It is recorded that the provider is done with a task, or we with the provider: whether a question
/// found its end, a cancel brought it about, or it was given up. Forgets it, and says how often it was
/// asked about by this process.
pub fn left(account: &str, upstream_id: &str) -> Option<u32> {
    let known = FOLLOWED.lock().pop(&key(account, upstream_id))?;
    Some(known.polls)
}

/// Names a task in eight bytes: there may be very many.
fn key(account: &str, upstream_id: &str) -> u64 {
    HASHER.hash_one((account, upstream_id))
}

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
/// Beyond [`MOST`] those that were left alone longest are forgotten. It grows with them: a bounded cache
/// would take room for all at once.
static FOLLOWED: LazyLock<Mutex<LruCache<u64, Followed>>> =
    LazyLock::new(|| Mutex::new(LruCache::unbounded()));

/// Tasks remembered; of those beyond, the polls are not told.
const MOST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_forgotten_as_its_end_is_recorded_however_it_came() {
        let names = ["found by a question", "cancelled", "never asked about"];
        for name in names {
            submitted("polls", name, Instant::now());
        }
        asked("polls", names[0], Instant::now());
        ended("polls", names[0]);
        // The record failed, and it was asked about again.
        ended("polls", names[0]);
        asked("polls", names[1], Instant::now());
        assert_eq!(
            names.map(|name| left("polls", name)),
            [Some(2), Some(1), Some(0)]
        );
        assert!(names.iter().all(|name| left("polls", name).is_none()));
    }
}
