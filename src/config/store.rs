//! `store`, `archive` and `retention`: what is kept, where, and for how long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::section::Section;
use super::{DAY, HOUR, MINUTE};

/// The store's settings.
#[derive(Clone, Debug)]
pub struct Store {
    /// The database file.
    pub path: PathBuf,
    /// Writes that share one fsync at most.
    pub group_commit_max: usize,
}

/// The archive's settings.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Bytes it may hold; Create is refused at 95 %. `None`: what the disk holds.
    pub max_bytes: Option<u64>,
    /// Largest single output in bytes.
    pub max_output_bytes: u64,
    /// Outputs copied at the same time.
    pub concurrency: usize,
    /// A slower copy is cut off and begun again.
    pub min_bytes_per_second: u64,
    /// How long copying is tried before the output counts as lost.
    pub give_up: Duration,
}

/// How long things are kept after a task's end.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Outputs.
    pub content: Duration,
    /// The record of a task and its cost; at least `content`.
    pub records: Duration,
    /// Uploads; counted from their end.
    pub uploads: Duration,
}

impl Store {
    pub(super) fn read(section: &Section<'_>, data_dir: &Path) -> Self {
        Self {
            path: section
                .path("path")
                .unwrap_or_else(|| data_dir.join("mediagen.db")),
            group_commit_max: section.count("group_commit_max", 1..=10_000),
        }
    }
}

impl Archive {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let max_bytes = section.parsed("max_bytes", super::quantity::parse_bytes);
        let archive = Self {
            max_bytes,
            max_output_bytes: section.bytes("max_output_bytes", 1 << 20..=1 << 40),
            concurrency: section.count("concurrency", 1..=256),
            min_bytes_per_second: section.bytes("min_bytes_per_second", 1 << 10..=1 << 30),
            give_up: section.duration("give_up", MINUTE..=2 * DAY),
        };
        if max_bytes.is_some_and(|most| most < archive.max_output_bytes) {
            section.wrong(
                "max_bytes",
                "is less than archive.max_output_bytes, so one output might not fit",
            );
        }
        archive
    }
}

impl Retention {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let most = 3_650 * DAY;
        let retention = Self {
            content: section.duration("content", HOUR..=most),
            records: section.duration("records", HOUR..=most),
            uploads: section.duration("uploads", HOUR..=30 * DAY),
        };
        if retention.records < retention.content {
            section.wrong(
                "records",
                "is shorter than retention.content; a record outlives its content",
            );
        }
        retention
    }
}
