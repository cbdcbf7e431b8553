//! `watch`, `download` and `upload`: what a stream may take.

use std::time::Duration;

use super::section::Section;
use super::{DAY, HOUR, MINUTE, SECOND};

/// Settings of `WatchTask`.
#[derive(Clone, Debug)]
pub struct Watch {
    /// How often a silent watch says that it lives.
    pub heartbeat: Duration,
    /// A watch older than this ends, to be resumed.
    pub max_age: Duration,
    /// A reader that takes nothing for this long is let go.
    pub reader_timeout: Duration,
    /// Watches open at once.
    pub max_streams: usize,
}

/// Settings of `DownloadContent`.
#[derive(Clone, Debug)]
pub struct Download {
    /// Bytes per message.
    pub chunk: usize,
    /// Downloads open at once.
    pub max_streams: usize,
    /// A reader that takes nothing for this long is let go.
    pub reader_timeout: Duration,
}

/// Settings of `UploadInput`.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Largest upload in bytes.
    pub max_bytes: u64,
    /// Uploads open at once.
    pub max_streams: usize,
    /// A client that sends nothing for this long is let go.
    pub idle_timeout: Duration,
    /// How long one upload may take in all.
    pub timeout: Duration,
}

impl Watch {
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self {
            heartbeat: section.duration("heartbeat", SECOND..=10 * MINUTE),
            max_age: section.duration("max_age", MINUTE..=DAY),
            reader_timeout: section.duration("reader_timeout", SECOND..=HOUR),
            max_streams: section.count("max_streams", 1..=1_000_000),
        }
    }
}

impl Download {
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self {
            chunk: section.bytes("chunk", 4 << 10..=64 << 10),
            max_streams: section.count("max_streams", 1..=100_000),
            reader_timeout: section.duration("reader_timeout", SECOND..=HOUR),
        }
    }
}

impl Upload {
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self {
            max_bytes: section.bytes("max_bytes", 1 << 20..=RUNWAYS_MOST),
            max_streams: section.count("max_streams", 1..=10_000),
            idle_timeout: section.duration("idle_timeout", SECOND..=HOUR),
            timeout: section.duration("timeout", MINUTE..=HOUR),
        }
    }
}

/// What Runway takes in one upload.
const RUNWAYS_MOST: u64 = 200_000_000;
