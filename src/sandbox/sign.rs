//! Signed, expiring output URLs: a JWT (HS256) in `?_jwt=`, as the provider's CDN has them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Makes and checks tokens. The key is random per sandbox, so no token outlives it.
#[derive(Debug)]
pub struct Signer {
    key: [u8; 32],
}

impl Signer {
    /// A signer with a fresh key.
    pub fn new() -> Self {
        Self {
            key: rand::random(),
        }
    }

    /// A token that lets its bearer read `path` until `expires_ms`.
    pub fn token(&self, path: &str, expires_ms: i64) -> String {
        let claims =
            json!({ "path": path, "bucket": "runway-task-artifacts", "exp_ms": expires_ms });
        let signed = format!(
            "{}.{}",
            BASE64.encode(HEADER),
            BASE64.encode(claims.to_string())
        );
        format!("{signed}.{}", BASE64.encode(self.mac(signed.as_bytes())))
    }

    /// Whether the token is ours, for this path, and not expired.
    pub fn allows(&self, token: &str, path: &str, now_ms: i64) -> bool {
        let Some((signed, mac)) = token.rsplit_once('.') else {
            return false;
        };
        let genuine = BASE64
            .decode(mac)
            .is_ok_and(|mac| mac == self.mac(signed.as_bytes()));
        genuine
            && claims(signed).is_some_and(|claims| {
                claims["path"] == path && claims["exp_ms"].as_i64().is_some_and(|end| now_ms < end)
            })
    }

    /// HMAC-SHA-256 (RFC 2104) with a key shorter than a block.
    fn mac(&self, message: &[u8]) -> [u8; 32] {
        let pad = |with: u8| {
            let mut block = [with; 64];
            for (byte, key) in block.iter_mut().zip(self.key) {
                *byte ^= key;
            }
            block
        };
        let inner = Sha256::new()
            .chain_update(pad(0x36))
            .chain_update(message)
            .finalize();
        Sha256::new()
            .chain_update(pad(0x5c))
            .chain_update(inner)
            .finalize()
            .into()
    }
}

fn claims(signed: &str) -> Option<Value> {
    let (_, claims) = signed.split_once('.')?;
    serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_path_and_time_only() {
        let signer = Signer::new();
        let token = signer.token("/a", 1_000);
        assert!(signer.allows(&token, "/a", 999));
        assert!(!signer.allows(&token, "/a", 1_000));
        assert!(!signer.allows(&token, "/b", 999));
        assert!(!signer.allows(&format!("{token}A"), "/a", 999));
        assert!(!signer.allows("", "/a", 0));
        assert!(!Signer::new().allows(&token, "/a", 999));
    }
}
