//! Calls that a client's library repeats by itself, without an idempotency key.
//!
//! OpenAI's libraries say with `x-stainless-retry-count` the how-many-th repeat a call is. They repeat
//! what had no answer, and the service then gives the repeat what the first one made. They repeat in
//! the same way what was refused for a while; where that was refused unread, only how often and to
//! whom is known, and as many repeats of that number are taken for what they are: calls whose first one
//! made nothing.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};
use lru::LruCache;
use parking_lot::Mutex;

use super::{Face, Problem};
use crate::domain::caller::KeyId;
use crate::domain::time::Timestamp;

/// Repeats that are to come, by their key and number: how many, and since when.
#[derive(Debug)]
pub(super) struct Refusals(Mutex<LruCache<Expected, (u32, Timestamp)>>);

/// The key of a repeat, and the how-many-th it is.
type Expected = (Option<KeyId>, u32);

impl Default for Refusals {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST_EXPECTED)))
    }
}

impl Refusals {
    fn add(&self, expected: Expected, now: Timestamp) {
        let mut known = self.0.lock();
        let (count, last) = known.get_or_insert_mut(expected, || (0, now));
        *count = if now.since(*last) <= REPEATED_WITHIN {
            count.saturating_add(1)
        } else {
            1
        };
        *last = now;
    }

    fn take(&self, expected: &Expected, now: Timestamp) -> bool {
        let mut known = self.0.lock();
        let Some((count, last)) = known.get_mut(expected) else {
            return false;
        };
        let is_expected = now.since(*last) <= REPEATED_WITHIN;
        *count = if is_expected { *count - 1 } else { 0 };
        if *count == 0 {
            known.pop(expected);
        }
        is_expected
    }
}

impl Face {
    /// Whether a call repeats one that may have made something.
    pub(super) fn is_repeat(&self, key: Option<&KeyId>, headers: &HeaderMap) -> bool {
        let number = number(headers).unwrap_or(0);
        number > 0
            && !self
                .refusals
                .take(&(key.cloned(), number), self.service.now())
    }

    /// Notes that a create was refused for a while before it was read: its repeat is a first call.
    pub(super) fn refused_unread(&self, key: Option<&KeyId>, headers: &HeaderMap) {
        if let Some(number) = number(headers) {
            let next = number.saturating_add(1);
            self.refusals.add((key.cloned(), next), self.service.now());
        }
    }

    /// The problem with a body that could not be read; noted where its call is to be repeated.
    pub(super) fn noting_unread(
        &self,
        problem: Problem,
        key: Option<&KeyId>,
        headers: &HeaderMap,
    ) -> Problem {
        if problem.status() == StatusCode::SERVICE_UNAVAILABLE {
            self.refused_unread(key, headers);
        }
        problem
    }
}

/// The how-many-th repeat a call is; 0: the first call. `None`: it comes from no such library.
fn number(headers: &HeaderMap) -> Option<u32> {
    headers.get(NUMBER)?.to_str().ok()?.trim().parse().ok()
}

/// How OpenAI's libraries number their repeats.
const NUMBER: HeaderName = HeaderName::from_static("x-stainless-retry-count");
/// How long after a refusal its repeat may come: libraries wait two minutes at most.
const REPEATED_WITHIN: Duration = Duration::from_mins(3);
/// Keys and numbers that are remembered; of more the oldest are forgotten.
const MOST_EXPECTED: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_followed_by_one_repeat_of_the_next_number() {
        let refusals = Refusals::default();
        let expected = |key: &str, number| (Some(KeyId::new(key)), number);
        let (now, later) = (Timestamp(1), Timestamp(600_000));
        refusals.add(expected("a", 1), now);
        refusals.add(expected("a", 1), now);
        assert!(!refusals.take(&expected("b", 1), now));
        assert!(!refusals.take(&expected("a", 2), now));
        let taken = [(); 3].map(|()| refusals.take(&expected("a", 1), now));
        assert_eq!(taken, [true, true, false]);
        refusals.add(expected("a", 1), now);
        assert!(!refusals.take(&expected("a", 1), later));
        assert!(refusals.0.lock().is_empty());
    }

    #[test]
    fn only_a_whole_number_is_one() {
        for (text, expected) in [("0", Some(0)), ("2", Some(2)), ("-1", None), ("x", None)] {
            let mut headers = HeaderMap::new();
            headers.insert(NUMBER, text.parse().unwrap());
            assert_eq!(number(&headers), expected);
        }
        assert_eq!(number(&HeaderMap::new()), None);
    }
}
