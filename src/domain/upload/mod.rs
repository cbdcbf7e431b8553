//! Media that a caller sent ahead, and the addresses under which a provider's accounts know media.

mod id;
mod request;

pub use id::{InvalidUploadId, SpoolId, UploadId};
pub use request::NewUpload;

use std::time::Duration;

use super::generation::Measured;
use super::id::TenantId;
use super::time::Timestamp;

/// A stored upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its name; ends in the beginning of `sha256`.
    pub id: UploadId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its media type, one of those that are taken.
    pub content_type: String,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// What its bytes say.
    pub measured: Measured,
    /// The caller's name for it; empty: none.
    pub file_name: String,
    /// When it was stored.
    pub created: Timestamp,
    /// From when on it is no longer to be had.
    pub expires: Timestamp,
}

/// What is placed, and where: content is known by its hash, whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceKey {
    /// The provider's account; an address is good for its creates alone.
    pub account: String,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// The media type, which the provider may judge by.
    pub content_type: String,
}

/// An address of content at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// What and where.
    pub key: PlaceKey,
    /// The address.
    pub uri: String,
    /// When the provider forgets it.
    pub expires: Timestamp,
}

impl Placement {
    /// Whether a create may still name it: the provider may come to read it much later, when the
    /// task waits its turn there.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.expires.since(now) >= LEAST_LEFT
    }
}

/// What must be left of an address's time when a create names it.
const LEAST_LEFT: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_good_until_its_last_hour() {
        let placement = Placement {
            key: PlaceKey {
                account: "a".to_owned(),
                sha256: [0; 32],
                content_type: "video/mp4".to_owned(),
            },
            uri: "runway://x".to_owned(),
            expires: Timestamp(10 * 3_600_000),
        };
        for (now, good) in [(0, true), (9, true), (10, false), (11, false)] {
            assert_eq!(placement.is_good(Timestamp(now * 3_600_000)), good, "{now}");
        }
        assert!(!placement.is_good(Timestamp(9 * 3_600_000 + 1)));
    }
}
