//! What the service could not do, as problems: a total match for each operation.
//!
//! What an error says of our insides is logged here, once, and never sent. Fields are named as the
//! caller named them ([`Words`]).

mod limits;
mod words;

use std::time::Duration;

use http::StatusCode;

pub(super) use words::{Words, invalid};

use super::{Kind, Problem, object};
use crate::domain::id::TaskId;
use crate::service::{
    ArchiveError, CancelError, CreateError, DeleteError, DownloadEnd, DownloadError, LookupError,
    StoreError, UploadError, WalkError, WatchError,
};

/// Why no task was made. Where one may have been made all the same, clients are told not to repeat it.
pub(super) fn create(error: CreateError, words: &Words) -> Problem {
    match error {
        CreateError::Invalid(fields) => invalid(&fields, words),
        CreateError::RequestIdReused(id) => {
            let message = "the Idempotency-Key belongs to another request, which made another task";
            let reused = Problem::new(StatusCode::CONFLICT, Kind::Idempotency, message);
            reused
                .code("idempotency_key_reused")
                .param("Idempotency-Key")
                .task(id)
                .once()
        }
        CreateError::StorageFull => storage_full(),
        CreateError::NoUpstreamAccount => {
            let message = "no account of the provider can take tasks now; tell the operator";
            unavailable(message, "no_upstream_account").retry_after(ASK_AGAIN)
        }
        CreateError::ModelForbidden(model) => limits::model_forbidden(&model),
        CreateError::PriceUnknown { deployments } => limits::price_unknown(&deployments),
        CreateError::Moderated { retry_after } => limits::moderated(retry_after),
        CreateError::Denied(limited) => limits::limited(&limited),
        CreateError::Draining { is_mistakable } if is_mistakable => mistakable(draining()),
        CreateError::Draining { .. } => draining(),
        CreateError::Store(error) => store("Create", &error).once(),
        CreateError::Archive(error) => {
            tracing::warn!(%error, "the inputs of a create could not be kept");
            archive_unavailable()
        }
    }
}

pub(super) fn lookup(id: TaskId, error: LookupError) -> Problem {
    match error {
        LookupError::NotFound => no_task(),
        LookupError::Deleted => missing("the task was deleted", "deleted"),
        LookupError::Store(error) => store("Status", &error).task(id),
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

pub(super) fn watch(id: TaskId, error: WatchError) -> Problem {
    match error {
        WatchError::Lookup(error) => lookup(id, error),
        WatchError::TooMany { limit } => too_many("watches", limit),
        WatchError::RevisionInFuture { current } => {
            let problem = format!("is beyond the task, which is at revision {current}");
            Problem::field("Last-Event-ID", &problem).task(id)
        }
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
        DownloadError::TooMany { limit } => too_many("downloads", limit),
        DownloadError::Index { count } => {
            let message = format!("the task has {count} output(s), counted from 0");
            missing(&message, "output_index_out_of_range").param("index")
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

/// Why a file was not kept; `param` is where the request has it. The stream's own break is said by
/// whoever read it.
pub(super) fn upload(param: &str, error: UploadError<Problem>) -> Problem {
    match error {
        UploadError::Stream(problem) => problem,
        UploadError::Invalid(fields) => {
            let mut words = Words::default();
            for field in [
                "chunk",
                "metadata",
                "metadata.content_type",
                "metadata.size_bytes",
            ] {
                words.say(field, param);
            }
            words.say("metadata.file_name", format!("{param}.filename"));
            invalid(&fields, &words)
        }
        UploadError::TooMany { limit } => too_many("uploads", limit),
        UploadError::TooSlow(limit) => {
            let message = format!("the file did not come within {} s", limit.as_secs());
            timed_out(&message, "upload_timeout").param(param)
        }
        UploadError::StorageFull => storage_full(),
        UploadError::Draining => draining(),
        UploadError::Store(error) => store("UploadInput", &error),
        UploadError::Archive(error) => {
            tracing::warn!(%error, "an upload could not be kept");
            archive_unavailable()
        }
    }
}

pub(super) fn cancel(id: TaskId, error: CancelError) -> Problem {
    match error {
        CancelError::Lookup(error) => lookup(id, error),
        CancelError::Store(error) => store("Cancel", &error).task(id),
    }
}

pub(super) fn delete(id: TaskId, error: DeleteError) -> Problem {
    match error {
        DeleteError::Lookup(error) => lookup(id, error),
        DeleteError::NotTerminal => {
            let message = "the task has not ended: ask again";
            let status = StatusCode::CONFLICT;
            let live = Problem::new(status, Kind::InvalidRequest, message);
            live.code("task_not_terminal").task(id)
        }
        DeleteError::Store(error) => store("Delete", &error).task(id),
    }
}

pub(super) fn walk(error: WalkError) -> Problem {
    match error {
        WalkError::After => Problem::field("after", "is the id of no task of yours"),
        WalkError::Store(error) => store("List", &error),
    }
}

/// 429: as many of something are open as may be.
pub(super) fn too_many(what: &str, limit: usize) -> Problem {
    let message = format!("{limit} {what} are open, as many as may be");
    let status = StatusCode::TOO_MANY_REQUESTS;
    let full = Problem::new(status, Kind::RateLimit, message).code("stream_limit_reached");
    full.retry_after(ASK_AGAIN)
}

/// 408: the caller was too slow.
pub(super) fn timed_out(message: &str, code: &'static str) -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, Kind::InvalidRequest, message).code(code)
}

fn archive_unavailable() -> Problem {
    unavailable("the archive is not available", "archive_unavailable")
}

pub(super) fn storage_full() -> Problem {
    let message = "the server's storage is nearly full";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let full = Problem::new(status, Kind::Server, message).code("storage_full");
    full.retry_after(Duration::from_mins(1))
}

/// Other bodies fill the memory that bodies may take.
pub(super) fn no_room() -> Problem {
    let message = "too many large bodies are being read: repeat it shortly";
    unavailable(message, "too_many_bodies")
}

pub(super) fn draining() -> Problem {
    let message = "the server is shutting down: repeat elsewhere or shortly";
    unavailable(message, "server_draining")
}

/// The same of a call that made nothing, and whose repeat may be given what another call made.
pub(super) fn mistakable(problem: Problem) -> Problem {
    let note = "nothing was made; call anew, for what counts as a repeat may be given the task of an \
                equal call";
    problem.once().noting(note)
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

/// A wait after which a stream may have ended, or an account be fit again.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// A wait after which another server, or this one, may be there.
const SHORTLY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
