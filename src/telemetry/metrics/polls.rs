//! How often each task was asked about, and when it was last found unfinished.
//!
//! A provider does not say when a task was done. What is known: it was not when it was last found
//! unfinished. So the lag that is told is the most that it can have been.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::time::Instant;

use lru::LruCache;
use parking_lot::Mutex;

use super::{names, table};

/// What is known of the questions about tasks at providers.
struct Questions {
    /// Those that are asked about; beyond [`MOST`] the ones that were left alone longest are forgotten. It
    /// grows with them: a bounded cache would take room for all at once.
    followed: LruCache<u64, Followed>,
    /// How often those were asked about that ended last.
    ended: LruCache<u64, u32>,
}

/// A task that is asked about.
#[derive(Clone, Copy)]
struct Followed {
    /// When the last question left that found it unfinished.
    unfinished: Instant,
    polls: u32,
}

/// A provider accepted a task at `sent` or later.
pub fn submitted(account: &str, upstream_id: &str, sent: Instant) {
    let followed = Followed {
        unfinished: sent,
        polls: 0,
    };
    let mut questions = QUESTIONS.lock();
    questions.followed.put(key(account, upstream_id), followed);
    if questions.followed.len() > MOST {
        questions.followed.pop_lru();
    }
}

/// A question that left at `sent` found a task unfinished.
pub fn asked(account: &str, upstream_id: &str, sent: Instant) {
    let key = key(account, upstream_id);
    if let Some(known) = QUESTIONS.lock().followed.get_mut(&key) {
        known.polls = known.polls.saturating_add(1);
        known.unfinished = sent;
    }
}

/// A question found a task at its end. Told once; nothing is told of tasks that an earlier process
/// submitted.
pub fn ended(account: &str, upstream_id: &str) {
    let key = key(account, upstream_id);
    let mut questions = QUESTIONS.lock();
    let Some(known) = questions.followed.pop(&key) else {
        return;
    };
    let polls = known.polls.saturating_add(1);
    questions.ended.put(key, polls);
    drop(questions);
    let account = names::account(account);
    table::POLLS.at(&[account]).record(f64::from(polls));
    let lag = known.unfinished.elapsed().as_secs_f64();
    table::LAG.at(&[account]).record(lag);
}

/// How often a task was asked about by this process; of one that ended, as long as that is
/// remembered.
pub fn followed(account: &str, upstream_id: &str) -> Option<u32> {
    let key = key(account, upstream_id);
    let questions = QUESTIONS.lock();
    let followed = questions.followed.peek(&key).map(|known| known.polls);
    followed.or_else(|| questions.ended.peek(&key).copied())
}

/// Names a task in eight bytes: there may be very many.
fn key(account: &str, upstream_id: &str) -> u64 {
    HASHER.hash_one((account, upstream_id))
}

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
static QUESTIONS: LazyLock<Mutex<Questions>> = LazyLock::new(|| {
    Mutex::new(Questions {
        followed: LruCache::unbounded(),
        ended: LruCache::new(MOST_ENDED),
    })
});

/// Tasks remembered; of those beyond, the polls are not told.
const MOST: usize = 1 << 20;
/// Ended tasks remembered, until their end is recorded.
const MOST_ENDED: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");
