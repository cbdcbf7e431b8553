//! What events are signed with: secrets as Standard Webhooks has them, `whsec_` and base64.
//!
//! A key that has none configured has one that is derived from the server's own [`SigningKey`] and
//! the key's name, so that no caller can sign in another's name.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::domain::caller::KeyId;
use crate::domain::time::Timestamp;

/// What one party signs with and the other verifies with.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// The server's own key, from which secrets are derived.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey([u8; 32]);

/// Why a text is no secret. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `whsec_` and the base64 of 24 to 64 random bytes")]
pub struct InvalidSecret;

impl Secret {
    /// Reads `whsec_…`, padded or not.
    ///
    /// # Errors
    /// When it is none, or holds fewer than 24 or more than 64 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let digits = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let padded = match digits.len() % 4 {
            2 => format!("{digits}=="),
            3 => format!("{digits}="),
            _ => digits.to_owned(),
        };
        let bytes = BASE64.decode(padded).map_err(|_| InvalidSecret)?;
        if LENGTHS.contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(InvalidSecret)
        }
    }

    /// As it is given to whoever verifies. This is the secret itself.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    /// The signature of one message: `v1,` and base64.
    pub fn sign(&self, id: &str, sent: Timestamp, body: &[u8]) -> String {
        let seconds = sent.0.div_euclid(1000).to_string();
        let message: [&[u8]; 5] = [id.as_bytes(), b".", seconds.as_bytes(), b".", body];
        format!("v1,{}", BASE64.encode(mac(&self.0, &message)))
    }
}

impl SigningKey {
    /// A key of 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret of an API key by its name; `None`: of who calls without one.
    pub fn secret(&self, key: Option<&KeyId>) -> Secret {
        let (kind, name) = key.map_or(("nobody", ""), |key| ("key", key.as_str()));
        let parts: [&[u8]; 4] = [
            b"mediagen.webhook.1\0",
            kind.as_bytes(),
            b"\0",
            name.as_bytes(),
        ];
        Secret(mac(&self.0, &parts).to_vec())
    }
}

/// HMAC-SHA-256 of the parts, one after the other.
fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(***)")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SigningKey(***)")
    }
}

const PREFIX: &str = "whsec_";
/// Bytes of a secret.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets that may be in force at once, while one takes another's place.
pub const MAX_SECRETS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the libraries of Standard Webhooks are tested with.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let sent = Timestamp(1_614_265_330_000);
        let signed = secret.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            sent,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_reads_back_and_what_is_none_is_refused() {
        let derived = SigningKey::new([7; 32]).secret(None);
        assert_eq!(Secret::parse(&derived.reveal()), Ok(derived.clone()));
        let unpadded = derived.reveal().trim_end_matches('=').to_owned();
        assert_eq!(Secret::parse(&unpadded), Ok(derived));
        let short = format!("whsec_{}", BASE64.encode([1; 23]));
        let long = format!("whsec_{}", BASE64.encode([1; 65]));
        for text in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_%%%%",
        ] {
            assert_eq!(Secret::parse(text), Err(InvalidSecret), "{text}");
        }
        assert_eq!(Secret::parse(&short), Err(InvalidSecret));
        assert_eq!(Secret::parse(&long), Err(InvalidSecret));
    }

    #[test]
    fn each_key_has_a_secret_of_its_own() {
        let (one, other) = (SigningKey::new([1; 32]), SigningKey::new([2; 32]));
        let (alice, bob) = (KeyId::new("alice"), KeyId::new("bob"));
        let secrets = [
            one.secret(Some(&alice)),
            one.secret(Some(&bob)),
            one.secret(Some(&KeyId::new(""))),
            one.secret(None),
            other.secret(Some(&alice)),
        ];
        for (n, secret) in secrets.iter().enumerate() {
            assert!(!secrets[..n].contains(secret), "{n}");
        }
        assert_eq!(secrets[0], one.secret(Some(&alice)));
    }

    #[test]
    fn no_secret_is_shown() {
        let key = SigningKey::new([7; 32]);
        let shown = format!("{key:?} {:?}", key.secret(None));
        assert_eq!(shown, "SigningKey(***) Secret(***)");
    }
}
