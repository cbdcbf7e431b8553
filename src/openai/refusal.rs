//! What the service could not do, as problems: a total match for each operation.
//!
//! What an error says of our insides is logged here, once, and never sent.

use std::time::Duration;

use http::StatusCode;

use super::{Kind, Problem};
use crate::domain::id::TaskId;
use crate::service::{LookupError, StoreError, WatchError};

pub(super) fn lookup(id: TaskId, error: LookupError) -> Problem {
    match error {
        LookupError::NotFound => no_task(),
        LookupError::Deleted => missing("the task was deleted", "deleted"),
        LookupError::Store(error) => store("Status", &error).task(id),
    }
}

pub(super) fn watch(id: TaskId, error: WatchError) -> Problem {
    match error {
        WatchError::Lookup(error) => lookup(id, error),
        WatchError::TooMany { limit } => too_many("watches", limit),
        WatchError::RevisionInFuture { current } => {
            let message = format!("the task is at revision {current}");
            Problem::new(StatusCode::BAD_REQUEST, Kind::InvalidRequest, message)
        }
    }
}

/// 429 of the whole server's streams.
pub(super) fn too_many(what: &str, limit: usize) -> Problem {
    let message = format!("{limit} {what} are open, as many as may be");
    let status = StatusCode::TOO_MANY_REQUESTS;
    let full = Problem::new(status, Kind::RateLimit, message).code("stream_limit_reached");
    full.retry_after(SHORTLY)
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
