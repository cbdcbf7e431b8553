//! Calls that a client's library repeats by itself, without an idempotency key.
//!
//! OpenAI's libraries say with `x-stainless-retry-count` the how-many-th repeat a call is. They repeat
//! what had no answer, and the service then gives the repeat what the first one made. They repeat in
//! the same way what was refused for a while; where that was refused unread, only whose call of which
//! length and number it was is known, and as many such calls of the next number are taken for first
//! ones.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use super::{Face, Problem, library};
use crate::domain::caller::KeyId;
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
    /// How the client's library counts a call, and whether it may have made something before. Ask once
    /// of a call: what was refused before it is forgotten.
    pub(super) fn sending(&self, key: Option<&KeyId>, headers: &HeaderMap) -> Option<Sending> {
        let number = library::number(headers)?;
        let is_owed = || {
            let unread = Unread::new(key, headers, number);
            self.refusals.take(&unread, self.service.now())
        };
        let is_first = number == 0 || is_owed();
        Some(Sending { number, is_first })
    }

    /// Notes that a call was refused before anything could be made of it: if it was a first call, its
    /// repeat is one too.
    pub(super) fn refused_unread(
        &self,
        key: Option<&KeyId>,
        headers: &HeaderMap,
        problem: &Problem,
    ) {
        let sending = self.sending(key, headers);
        if let Some(sending) = sending.filter(|sending| sending.is_first)
            && problem.is_repeatable()
        {
            let next = Unread::new(key, headers, sending.number.saturating_add(1));
            self.refusals.add(next, self.service.now());
        }
    }
}
