//! What the service could not do, as problems: a total match for each operation.
//!
//! What an error says of our insides is logged here, once, and never sent.

use std::time::Duration;

use http::StatusCode;

use super::{Kind, Problem, object};
use crate::domain::id::TaskId;
use crate::service::{ArchiveError, DownloadEnd, DownloadError, LookupError, StoreError};

pub(super) fn lookup(id: TaskId, error: LookupError) -> Problem {
    match error {
        LookupError::NotFound => no_task(),
        LookupError::Deleted => missing("the task was deleted", "deleted"),
        LookupError::Store(error) => store("Status", &error).task(id),
    }
}

/// Why an output cannot be read. What ended without one is told in more words by who knows the task.
pub(super) fn download(id: TaskId, error: DownloadError) -> Problem {
    let problem = match error {
        DownloadError::Lookup(error) => return lookup(id, error),
        DownloadError::NotReady(status) => {
            let status = object::status(status);
            let message =
                format!("the content is not ready: the task is {status}; ask again later");
            missing(&message, "video_not_ready").retry_after(SHORTLY)
        }
        DownloadError::NoOutput => missing("the task has no content", "no_content"),
        DownloadError::TooMany { limit } => {
            let message = format!("{limit} downloads are open, as many as may be");
            let status = StatusCode::TOO_MANY_REQUESTS;
            let full = Problem::new(status, Kind::RateLimit, message).code("too_many_downloads");
            full.retry_after(SHORTLY)
        }
        DownloadError::Index { count } => {
            let message = format!("the task has {count} output(s), counted from 0");
            missing(&message, "index_out_of_range").param("index")
        }
        DownloadError::Offset { size } => {
            let message = format!("the output has {size} bytes");
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            Problem::new(status, Kind::InvalidRequest, message).code("range_not_satisfiable")
        }
        DownloadError::Changed => {
            let message = "the output has another SHA-256: begin again at 0";
            let status = StatusCode::PRECONDITION_FAILED;
            Problem::new(status, Kind::InvalidRequest, message).code("precondition_failed")
        }
    };
    problem.task(id)
}

/// Why a download ended, where nothing has been sent yet.
pub(super) fn download_end(id: TaskId, next_offset: u64, end: &DownloadEnd) -> Problem {
    broke_off(id, next_offset, end);
    let lost = |message: &str, code| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, Kind::Server, message).code(code)
    };
    let problem = match end {
        DownloadEnd::Archive(ArchiveError::Missing) => {
            lost("the stored output is gone", "output_missing")
        }
        DownloadEnd::Archive(ArchiveError::Damaged(_)) => {
            lost("the stored output is damaged", "output_corrupt")
        }
        DownloadEnd::Archive(ArchiveError::Unavailable(_)) => {
            let message = "the stored output cannot be read now";
            unavailable(message, "storage_unavailable")
        }
        DownloadEnd::ReaderStalled { .. } => {
            unavailable("the output was not read in time", "reader_stalled")
        }
        DownloadEnd::Draining { .. } => draining(),
    };
    problem.task(id)
}

/// Logs the end of a download before its last byte; who reads learns it by the end alone.
pub(super) fn broke_off(id: TaskId, next_offset: u64, end: &DownloadEnd) {
    match end {
        DownloadEnd::Archive(error) => {
            tracing::error!(task = %id, next_offset, %error, "a download broke off");
        }
        DownloadEnd::ReaderStalled { .. } => {
            tracing::debug!(task = %id, next_offset, "a download was not read in time");
        }
        DownloadEnd::Draining { .. } => {
            tracing::debug!(task = %id, next_offset, "a download ended with the server");
        }
    }
}

/// 404 of a task that is nobody's, or somebody else's.
pub(super) fn no_task() -> Problem {
    missing("there is no such task", "not_found")
}

/// 404 of something named by an id.
pub(super) fn missing(message: &str, code: &'static str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, Kind::InvalidRequest, message).code(code)
}

pub(super) fn store(call: &str, error: &StoreError) -> Problem {
    match error {
        StoreError::Full => storage_full(),
        StoreError::Conflict | StoreError::Unavailable(_) => {
            tracing::warn!(call, %error, "the store could not do it");
            let message = "the store is not available; whether anything was written is not known";
            unavailable(message, "storage_unavailable")
        }
        StoreError::Corrupt { .. } => incident(call, &error.to_string()),
    }
}

pub(super) fn storage_full() -> Problem {
    let message = "the server's storage is nearly full";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let full = Problem::new(status, Kind::Server, message).code("storage_full");
    full.retry_after(Duration::from_mins(1))
}

pub(super) fn draining() -> Problem {
    let message = "the server is shutting down: repeat elsewhere or shortly";
    unavailable(message, "server_draining")
}

fn unavailable(message: &str, code: &'static str) -> Problem {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let problem = Problem::new(status, Kind::Server, message).code(code);
    problem.retry_after(SHORTLY)
}

/// A bug: what happened is logged, and only its number is told.
pub(super) fn incident(call: &str, what: &str) -> Problem {
    let number = format!("{:016x}", rand::random::<u64>());
    tracing::error!(call, incident = %number, what, "a bug");
    let message = format!("something is wrong in the server; tell the operator incident {number}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, Kind::Server, message).code("internal_bug")
}

/// A wait after which another server, or this one, may be there.
const SHORTLY: Duration = Duration::from_secs(2);
