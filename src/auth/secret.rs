//! New keys: `mg_<id>_<secret>`.
//!
//! Both parts are lower-case base 32 without look-alikes, so that a key is one word to a double click,
//! and its id can be read aloud. The id is not secret; it names the key in files and reports.

use std::fmt;

use rand::TryRng as _;
use rand::rngs::SysRng;
use secrecy::SecretString;

use crate::config::callers::digest;

/// A key that was just made. Its text exists nowhere else.
pub struct NewKey {
    /// Its name: the visible part.
    pub id: String,
    /// The whole key, to be shown once.
    pub text: SecretString,
    /// What is kept of it.
    pub sha256: [u8; 32],
}

impl NewKey {
    /// Makes a key from the system's own random numbers.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn make() -> Result<Self, rand::rngs::SysError> {
        let (id, secret) = (word(ID)?, word(SECRET)?);
        let text = format!("mg_{id}_{secret}");
        Ok(Self {
            sha256: digest(&text),
            text: SecretString::from(text),
            id,
        })
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("NewKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Random characters, 5 bits each; the first is a letter, so that no file takes it for a number.
fn word(length: usize) -> Result<String, rand::rngs::SysError> {
    let mut bytes = vec![0; length];
    SysRng.try_fill_bytes(&mut bytes)?;
    let character = |(index, byte): (usize, &u8)| {
        let letter = usize::from(byte & 31);
        let digits = 10;
        char::from(
            ALPHABET[if index == 0 {
                letter.max(digits)
            } else {
                letter
            }],
        )
    };
    Ok(bytes.iter().enumerate().map(character).collect())
}

/// Crockford's: no i, l, o or u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of an id: 55 bits at least.
const ID: usize = 12;
/// Characters of a secret: more than 200 bits.
const SECRET: usize = 42;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn keys_have_their_form_and_differ() {
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let key = NewKey::make().unwrap();
            let text = key.text.expose_secret();
            let [mg, id, secret] = text.split('_').collect::<Vec<_>>()[..] else {
                panic!("{text}");
            };
            assert_eq!((mg, id, id.len(), secret.len()), ("mg", &*key.id, 12, 42));
            let mut letters = id.bytes().chain(secret.bytes());
            assert!(letters.all(|byte| ALPHABET.contains(&byte)), "{text}");
            assert!(id.starts_with(|c: char| c.is_ascii_alphabetic()), "{id}");
            assert_eq!(key.sha256, digest(text));
            assert!(!format!("{key:?}").contains(secret));
            assert!(seen.insert(text.to_owned()) && seen.insert(id.to_owned()));
        }
    }
}
