//! The last part of a signed address: which file, until when, and the proof that this server said so.
//!
//! `base64url(version ‖ task ‖ index ‖ end ‖ HMAC-SHA256 of these)`. What it names is read only when
//! the proof holds; whoever holds it needs no key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::domain::id::TaskId;
use crate::domain::time::Timestamp;
use crate::openai::FileKey;

/// A file that may be read by an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// The task that made it.
    pub id: TaskId,
    /// Which of its outputs.
    pub index: u32,
    /// When the address ends.
    pub until: Timestamp,
}

impl Grant {
    /// The grant in letters that need no escape in an address.
    pub fn seal(self, key: &FileKey) -> String {
        let mut token = [0; LENGTH];
        let (said, proof) = token.split_at_mut(SAID);
        said[0] = VERSION;
        said[1..17].copy_from_slice(self.id.as_bytes());
        said[17..21].copy_from_slice(&self.index.to_be_bytes());
        said[21..].copy_from_slice(&self.until.0.to_be_bytes());
        proof.copy_from_slice(&mac(key, said).finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The grant in a token of this key; `None` for whatever else. Compares in constant time.
    pub fn open(text: &str, key: &FileKey) -> Option<Self> {
        // Longer ones are not even decoded.
        if text.len() != LETTERS {
            return None;
        }
        let mut token = [0; LENGTH];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut token).ok()?;
        let (said, proof) = token.split_at(SAID);
        if length != LENGTH || said[0] != VERSION {
            return None;
        }
        mac(key, said).verify_slice(proof).ok()?;
        Some(Self {
            id: TaskId::from_bytes(said[1..17].try_into().ok()?)?,
            index: u32::from_be_bytes(said[17..21].try_into().ok()?),
            until: Timestamp(i64::from_be_bytes(said[21..].try_into().ok()?)),
        })
    }
}

fn mac(key: &FileKey, said: &[u8]) -> Hmac<Sha256> {
    // A key of 32 bytes is shorter than a block: it is padded and never refused.
    let mut padded = [0; 64];
    padded[..32].copy_from_slice(key.as_bytes());
    let mut mac = Hmac::<Sha256>::new(&padded.into());
    mac.update(said);
    mac
}

/// Of the format; another one is another number.
const VERSION: u8 = 1;
/// Bytes that say something.
const SAID: usize = 1 + 16 + 4 + 8;
/// All bytes.
const LENGTH: usize = SAID + 32;
/// The same in base64.
const LETTERS: usize = (LENGTH * 4).div_ceil(3);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: FileKey = FileKey::new([7; 32]);

    fn grant() -> Grant {
        Grant {
            id: TaskId::new(1_700_000_000_000, [9; 10]),
            index: 3,
            until: Timestamp(1_700_000_360_000),
        }
    }

    #[test]
    fn what_was_sealed_is_opened_by_the_same_key_alone() {
        let token = grant().seal(&KEY);
        assert_eq!(token.len(), LETTERS);
        assert_eq!(Grant::open(&token, &KEY), Some(grant()));
        assert_eq!(Grant::open(&token, &FileKey::new([8; 32])), None);
    }

    #[test]
    fn the_proof_is_hmac_sha256() {
        let token = URL_SAFE_NO_PAD.decode(grant().seal(&KEY)).unwrap();
        let mut plain = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(KEY.as_bytes()).unwrap();
        plain.update(&token[..SAID]);
        assert_eq!(plain.finalize().into_bytes()[..], token[SAID..]);
    }

    #[test]
    fn no_token_that_differs_in_one_letter_is_opened() {
        let token = grant().seal(&KEY);
        for at in 0..token.len() {
            for letter in "Aa0-_=%".chars() {
                let mut forged: Vec<char> = token.chars().collect();
                forged[at] = letter;
                let forged: String = forged.into_iter().collect();
                if forged != token {
                    assert_eq!(Grant::open(&forged, &KEY), None, "{forged}");
                }
            }
            assert_eq!(Grant::open(&token[..at], &KEY), None);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_anybody_sends_makes_it_panic(text in ".{0,120}") {
            prop_assert_eq!(Grant::open(&text, &KEY), None);
        }
    }
}
