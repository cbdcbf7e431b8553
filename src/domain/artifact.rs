//! One kept output of a task.

use crate::domain::time::Timestamp;

/// An output in the archive: immutable bytes under `<task_id>/<index>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// 0, 1, 2… within the task.
    pub index: u32,
    /// The media type, from a closed list.
    pub content_type: String,
    /// The length in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// Width in pixels, where the media says so.
    pub width: Option<u32>,
    /// Height in pixels, where the media says so.
    pub height: Option<u32>,
    /// Duration in milliseconds, where the media says so.
    pub duration_ms: Option<u64>,
    /// When retention takes it.
    pub expires: Timestamp,
}
