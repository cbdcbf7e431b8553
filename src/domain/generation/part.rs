//! One of the tasks that a single call makes, where it asks for more outputs than a task can give.

use sha2::{Digest, Sha256};

use crate::domain::id::RequestId;

/// Which of how many tasks of a call one is. The parts of a call ask for the same and are not repeats of
/// each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    number: u32,
    of: u32,
}

impl Part {
    /// The one task of a call that makes one.
    pub const WHOLE: Self = Self { number: 0, of: 1 };

    /// Every part of a call that makes `of` tasks, in order.
    pub fn all(of: u32) -> impl Iterator<Item = Self> {
        (0..of).map(move |number| Self { number, of })
    }

    /// How many parts come after it.
    pub const fn after(self) -> u32 {
        self.of.saturating_sub(self.number).saturating_sub(1)
    }

    /// The fingerprint of the part, given the one of what is asked; of a whole it is that.
    pub fn fingerprint(self, asked: [u8; 32]) -> [u8; 32] {
        if self.of == 1 {
            return asked;
        }
        let mut out = Sha256::new();
        out.update(PRINT);
        out.update(asked);
        out.update(self.number.to_be_bytes());
        out.update(self.of.to_be_bytes());
        out.finalize().into()
    }

    /// The idempotency key of the part, given the one of the call: the first part has that itself, so
    /// that it is refused under one key to ask for another number of parts.
    pub fn request_id(self, given: &RequestId) -> RequestId {
        if self.number == 0 {
            return given.clone();
        }
        let mut out = Sha256::new();
        out.update(KEY);
        out.update(self.number.to_be_bytes());
        out.update(given.as_str());
        let derived = format!("part_{}", hex::encode(out.finalize()));
        RequestId::parse(&derived).unwrap_or_else(|| given.clone())
    }
}

/// What the encodings are called; they must never change for stored tasks.
const PRINT: &str = "mediagen.part.1";
const KEY: &str = "mediagen.part-key.1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_one_call_differ_and_so_do_those_of_calls_for_more() {
        let asked = [7; 32];
        let parts = [1, 2, 3].into_iter().flat_map(Part::all);
        let mut prints: Vec<_> = parts.map(|part| part.fingerprint(asked)).collect();
        assert_eq!(
            prints[0], asked,
            "a whole is what it was before there were parts"
        );
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), 6);
        assert!(Part::all(3).map(Part::after).eq([2, 1, 0]));
    }

    #[test]
    fn the_first_part_has_the_key_and_the_others_keys_of_their_own() {
        let longest = "x".repeat(RequestId::MAX_LEN);
        let given = RequestId::parse(&longest).unwrap();
        let keys: Vec<_> = Part::all(3).map(|part| part.request_id(&given)).collect();
        assert_eq!(keys[0], given);
        assert!(keys[1] != given && keys[2] != given && keys[1] != keys[2]);
        let again = Part::all(3).map(|part| part.request_id(&given));
        assert!(again.eq(keys));
    }
}
