//! Names of uploads.
//!
//! An upload id is `upload_`, the 32 hex digits of a stamp as task ids have it, `_`, and the first 16
//! bytes of the content's SHA-256 in hex. So a request that names an upload says what is in it: a
//! caller who uploads the same file again makes the same request.

use std::fmt;
use std::str::FromStr;

use crate::domain::id::{Stamp, sixteen_bytes};

/// The part of an upload's name that is known before its content: what its object is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpoolId(Stamp);

/// The name of an upload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId {
    spool: SpoolId,
    digest: [u8; DIGEST],
}

/// Why a text is no name of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an upload id is `upload_` followed by 32 hex digits, `_`, and 32 hex digits")]
pub struct InvalidUploadId;

impl SpoolId {
    /// Makes a name from the time of beginning and ten random bytes.
    pub fn new(now_ms: i64, random: [u8; 10]) -> Self {
        Self(Stamp::new(now_ms, random))
    }

    /// When it was begun, in milliseconds since the Unix epoch.
    pub fn created_ms(&self) -> i64 {
        self.0.created_ms()
    }

    /// The sixteen bytes, in sort order.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// A name from its sixteen bytes; `None` when they are no version-7 UUID.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        Stamp::from_bytes(bytes).map(Self)
    }
}

impl UploadId {
    /// The name of what was spooled, now that its SHA-256 is known.
    pub fn new(spool: SpoolId, sha256: &[u8; 32]) -> Self {
        let mut digest = [0; DIGEST];
        digest.copy_from_slice(&sha256[..DIGEST]);
        Self { spool, digest }
    }

    /// What its object is called.
    pub fn spool(&self) -> SpoolId {
        self.spool
    }

    /// The beginning of its content's SHA-256.
    pub fn digest(&self) -> &[u8; DIGEST] {
        &self.digest
    }
}

impl fmt::Display for SpoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

impl fmt::Debug for SpoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SpoolId {
    type Err = InvalidUploadId;

    /// Accepts exactly what [`fmt::Display`] writes.
    fn from_str(text: &str) -> Result<Self, InvalidUploadId> {
        let digits = text.strip_prefix(PREFIX).ok_or(InvalidUploadId)?;
        Stamp::parse(digits).map(Self).ok_or(InvalidUploadId)
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.spool, hex::encode(self.digest))
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for UploadId {
    type Err = InvalidUploadId;

    /// Accepts exactly what [`fmt::Display`] writes: one spelling per id.
    fn from_str(text: &str) -> Result<Self, InvalidUploadId> {
        let (spool, digest) = text.rsplit_once('_').ok_or(InvalidUploadId)?;
        Ok(Self {
            spool: spool.parse()?,
            digest: sixteen_bytes(digest).ok_or(InvalidUploadId)?,
        })
    }
}

const PREFIX: &str = "upload_";
/// Bytes of the SHA-256 in a name.
const DIGEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> UploadId {
        UploadId::new(SpoolId::new(1_790_000_000_123, [7; 10]), &[0xab; 32])
    }

    #[test]
    fn an_id_reads_back_and_carries_its_time_and_content() {
        assert_eq!(id().to_string().parse(), Ok(id()));
        assert_eq!(id().spool().created_ms(), 1_790_000_000_123);
        assert_eq!(id().digest(), &[0xab; 16]);
        assert_eq!(id().spool().to_string().parse(), Ok(id().spool()));
        let bytes = *id().spool().as_bytes();
        assert_eq!(SpoolId::from_bytes(bytes), Some(id().spool()));
    }

    #[test]
    fn only_one_spelling_is_an_id() {
        let id = id().to_string();
        let spool = &id[..id.len() - 33];
        for bad in [
            "",
            "upload_",
            spool,
            "upload_../../etc/passwd_00000000000000000000000000000000",
            &id.to_uppercase(),
            &id[..id.len() - 1],
            &format!("{id}0"),
            &format!("{spool}_{}", "g".repeat(32)),
            &format!("{spool}_{}", "A".repeat(32)),
            &format!("upload_{}_{}", "0".repeat(32), "0".repeat(32)),
        ] {
            assert_eq!(bad.parse::<UploadId>(), Err(InvalidUploadId), "{bad}");
        }
    }
}
