//! How often each task was asked about, and when it was last found unfinished.
//!
//! A provider does not say when a task was done. What is known: it was not when it was last found
//! unfinished. So the lag that is told is the most that it can have been.

use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::time::Instant;

use lru::LruCache;
use parking_lot::Mutex;

use super::{names, table};

/// What is known of the questions about one task of a provider.
#[derive(Clone, Copy)]
struct Followed {
    /// When the last question left that found it unfinished.
    unfinished: Instant,
    polls: u32,
    ended: bool,
}

/// A provider accepted a task at `sent` or later.
pub fn submitted(account: &str, upstream_id: &str, sent: Instant) {
    let followed = Followed {
        unfinished: sent,
        polls: 0,
        ended: false,
    };
    FOLLOWED.lock().put(key(account, upstream_id), followed);
}

/// A question that left at `sent` found a task unfinished.
pub fn asked(account: &str, upstream_id: &str, sent: Instant) {
    let mut followed = FOLLOWED.lock();
    if let Some(known) = followed.get_mut(&key(account, upstream_id)) {
        known.polls = known.polls.saturating_add(1);
        known.unfinished = sent;
    }
}

/// A question found a task at its end. Told once; nothing is told of tasks that an earlier process
/// submitted.
pub fn ended(account: &str, upstream_id: &str) {
    let mut followed = FOLLOWED.lock();
    let Some(known) = followed.get_mut(&key(account, upstream_id)) else {
        return;
    };
    if std::mem::replace(&mut known.ended, true) {
        return;
    }
    known.polls = known.polls.saturating_add(1);
    let account = names::account(account);
    table::POLLS.at(&[account]).record(f64::from(known.polls));
    let lag = known.unfinished.elapsed().as_secs_f64();
    table::LAG.at(&[account]).record(lag);
}

/// How often a task was asked about by this process.
pub fn followed(account: &str, upstream_id: &str) -> Option<u32> {
    let followed = FOLLOWED.lock();
    followed
        .peek(&key(account, upstream_id))
        .map(|known| known.polls)
}

fn key(account: &str, upstream_id: &str) -> Box<str> {
    format!("{account}\u{1f}{upstream_id}").into()
}

static FOLLOWED: LazyLock<Mutex<LruCache<Box<str>, Followed>>> =
    LazyLock::new(|| Mutex::new(LruCache::new(MOST)));

/// Tasks remembered; of those beyond, the polls are not told.
const MOST: NonZeroUsize = NonZeroUsize::new(65_536).expect("65536 is not zero");
