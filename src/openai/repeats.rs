//! Calls that a client's library repeats by itself, without an idempotency key.
//!
//! OpenAI's libraries repeat what had no answer, and the service then gives the repeat what the first
//! call made. They repeat in the same way what was refused for a while; where that was refused unread,
//! only whose call of which length and number it was is known, and as many such calls of the next
//! number are taken for first ones.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use super::asked::IDEMPOTENCY_KEY;
use super::{Face, Problem, library, refusal};
use crate::domain::caller::{Caller, KeyId};
use crate::domain::time::Timestamp;
use crate::service::{Owed, Sending};

/// First calls that will come as repeats: those before were refused unread.
pub(super) type Refusals = Owed<Unread>;

/// All that is known of a call that was not read. A library repeats it in the same length.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Unread {
    key: Option<KeyId>,
    length: Option<Vec<u8>>,
    number: u32,
}

impl Unread {
    fn new(key: Option<&KeyId>, headers: &HeaderMap, number: u32) -> Self {
        let length = headers.get(CONTENT_LENGTH);
        Self {
            key: key.cloned(),
            length: length.map(|length| length.as_bytes().to_vec()),
            number,
        }
    }
}

impl Face {
    /// How the client's library counts a call that `came` then, and whether the one before may have been
    /// refused unread. Ask once of a call: what was refused before it is forgotten.
    pub(super) fn sending(
        &self,
        key: Option<&KeyId>,
        headers: &HeaderMap,
        came: Timestamp,
    ) -> Option<Sending> {
        let number = library::number(headers)?;
        // What has a key is known by it.
        if headers.contains_key(IDEMPOTENCY_KEY) {
            return None;
        }
        let is_first = number == 0;
        let unread = Unread::new(key, headers, number);
        let refused = (!is_first).then(|| self.refusals.take(&unread, came));
        Some(Sending {
            number,
            came,
            wait: library::waits(headers).max(),
            is_first,
            refused: refused.flatten(),
        })
    }

    /// Notes that a call was refused before anything could be made of it: if it was a first call, its
    /// repeat is one too. Where that could not be told from the repeat of another call, the problem
    /// then says that there must be none.
    pub(super) async fn refused_unread(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        came: Timestamp,
        problem: Problem,
    ) -> Problem {
        let key = caller.key.as_ref();
        let Some(sending) = self.repeated_anew(key, headers, came, &problem) else {
            return problem;
        };
        if self.service.is_mistakable(caller, &sending, None).await {
            return refusal::mistakable(problem);
        }
        self.owe(key, headers, &sending, &problem);
        problem
    }

    /// The same for who is known by the key alone.
    pub(super) fn refused_at_the_gate(
        &self,
        key: &KeyId,
        headers: &HeaderMap,
        problem: Problem,
    ) -> Problem {
        let came = self.service.now();
        let Some(sending) = self.repeated_anew(Some(key), headers, came, &problem) else {
            return problem;
        };
        if self.service.is_draining() {
            return refusal::mistakable(problem);
        }
        self.owe(Some(key), headers, &sending, &problem);
        problem
    }

    /// The call that was refused, if a library will repeat it and it made nothing.
    fn repeated_anew(
        &self,
        key: Option<&KeyId>,
        headers: &HeaderMap,
        came: Timestamp,
        problem: &Problem,
    ) -> Option<Sending> {
        let sending = self.sending(key, headers, came)?;
        let made_nothing = sending.is_first || sending.refused.is_some();
        (made_nothing && problem.is_repeatable()).then_some(sending)
    }

    fn owe(&self, key: Option<&KeyId>, headers: &HeaderMap, sending: &Sending, problem: &Problem) {
        let next = Unread::new(key, headers, sending.number.saturating_add(1));
        let wait = problem.wait().unwrap_or_default();
        self.refusals.add(next, self.service.now(), wait);
    }
}
