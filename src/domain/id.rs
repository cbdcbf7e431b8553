//! Names of tasks, tenants and requests.
//!
//! A task id is `task_` and 32 lower-case hex digits of a UUID of version 7: ids sort by creation
//! time, and their random bits make them unguessable.

use std::fmt;
use std::str::FromStr;

use uuid::{Builder, Uuid};

/// What names are made of: a UUID of version 7. Stamps sort by the time they were made, and their 74
/// random bits make them unguessable. The random bits come from the caller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Stamp(Uuid);

impl Stamp {
    pub(super) fn new(now_ms: i64, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now_ms).unwrap_or(0);
        Self(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// In milliseconds since the Unix epoch.
    pub(super) fn created_ms(&self) -> i64 {
        let (seconds, nanos) = self.0.get_timestamp().map_or((0, 0), |t| t.to_unix());
        i64::try_from(seconds).unwrap_or(0).saturating_mul(1000) + i64::from(nanos / 1_000_000)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let uuid = Uuid::from_bytes(bytes);
        (uuid.get_version_num() == 7).then_some(Self(uuid))
    }

    /// Accepts exactly what [`fmt::Display`] writes: one spelling per stamp.
    pub(super) fn parse(digits: &str) -> Option<Self> {
        Self::from_bytes(sixteen_bytes(digits)?)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.simple(), f)
    }
}

/// Sixteen bytes from 32 lower-case hex digits.
pub(super) fn sixteen_bytes(digits: &str) -> Option<[u8; 16]> {
    let is_lower = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let mut bytes = [0; 16];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    digits.bytes().all(is_lower).then_some(bytes)
}

/// The name of a task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(Stamp);

impl TaskId {
    /// Makes an id from the creation time and ten random bytes.
    pub fn new(now_ms: i64, random: [u8; 10]) -> Self {
        Self(Stamp::new(now_ms, random))
    }

    /// The creation time that the id carries, in milliseconds since the Unix epoch.
    pub fn created_ms(&self) -> i64 {
        self.0.created_ms()
    }

    /// The sixteen bytes, in sort order.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// An id from its sixteen bytes; `None` when they are no version-7 UUID.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        Stamp::from_bytes(bytes).map(Self)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no task id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a task id is `task_` followed by 32 lower-case hex digits, as Create gave it")]
pub struct InvalidTaskId;

impl FromStr for TaskId {
    type Err = InvalidTaskId;

    /// Accepts exactly what [`fmt::Display`] writes: one spelling per id.
    fn from_str(text: &str) -> Result<Self, InvalidTaskId> {
        let digits = text.strip_prefix(PREFIX).ok_or(InvalidTaskId)?;
        Stamp::parse(digits).map(Self).ok_or(InvalidTaskId)
    }
}

/// Who asks: everything a caller owns is scoped to a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(String);

impl TenantId {
    /// The tenant of a server without keys.
    pub fn local() -> Self {
        Self("local".to_owned())
    }

    /// A tenant by its configured name.
    pub fn named(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The caller's idempotency key: 1 to 128 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// The longest key, in characters.
    pub const MAX_LEN: usize = 128;

    /// Checks a key; `None` when it is empty, too long or not visible ASCII.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len());
        (fits && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    /// The key that the server makes for a caller who gave none.
    pub fn for_task(id: TaskId) -> Self {
        Self(format!("auto_{}", &id.to_string()[PREFIX.len()..]))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const PREFIX: &str = "task_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_carries_its_time() {
        let id = TaskId::new(1_790_000_000_123, [7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.created_ms(), 1_790_000_000_123);
        assert_eq!(TaskId::from_bytes(*id.as_bytes()), Some(id));
    }

    #[test]
    fn ids_sort_by_time() {
        assert!(TaskId::new(1, [255; 10]).to_string() < TaskId::new(2, [0; 10]).to_string());
    }

    #[test]
    fn only_one_spelling_is_an_id() {
        let id = TaskId::new(5, [9; 10]).to_string();
        for bad in [
            "",
            "task_",
            "../../etc/passwd",
            &id.to_uppercase(),
            &id[..30],
            &format!("{id}0"),
        ] {
            assert_eq!(bad.parse::<TaskId>(), Err(InvalidTaskId), "{bad}");
        }
    }

    #[test]
    fn request_ids_are_visible_ascii() {
        assert!(RequestId::parse("a-b:c/1").is_some());
        for bad in ["", "a b", "ä", "a\n", &"x".repeat(129)] {
            assert!(RequestId::parse(bad).is_none(), "{bad}");
        }
    }
}
