//! The sandbox's own endpoints, without a key and for loopback callers only: look at what it did,
//! script what it shall do.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Extension, Json, State as Extract};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::json;

use super::super::connection::Connection;
use super::super::fault::Fault;
use super::super::state::State;
use super::answer;

/// GET `/_sandbox/ledger`: every accepted create, oldest first.
pub async fn ledger(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
) -> Response {
    local(connection.peer(), || {
        let entries = state.book.lock().ledger(state.clock.now_ms());
        answer::json(StatusCode::OK, &json!(entries))
    })
}

/// GET `/_sandbox/requests`: the counters, and the reads of each task.
pub async fn requests(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
) -> Response {
    local(connection.peer(), || {
        let book = state.book.lock();
        let reads = |e: super::super::LedgerEntry| {
            (
                e.id,
                json!({ "polls": e.polls, "minPollGapMs": e.min_poll_gap_ms }),
            )
        };
        let tasks: serde_json::Map<_, _> = book
            .ledger(state.clock.now_ms())
            .into_iter()
            .map(reads)
            .collect();
        answer::json(
            StatusCode::OK,
            &json!({ "counts": book.counts, "tasks": tasks }),
        )
    })
}

/// POST `/_sandbox/faults`: adds one fault.
pub async fn add_fault(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
    fault: Result<Json<Fault>, axum::extract::rejection::JsonRejection>,
) -> Response {
    local(connection.peer(), || match fault {
        Ok(Json(fault)) => {
            if state.script.add(fault) {
                StatusCode::NO_CONTENT.into_response()
            } else {
                answer::error(StatusCode::TOO_MANY_REQUESTS, "The script is full")
            }
        }
        Err(problem) => answer::error(StatusCode::BAD_REQUEST, &problem.body_text()),
    })
}

/// DELETE `/_sandbox/faults`: forgets all scripted faults.
pub async fn clear_faults(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
) -> Response {
    local(connection.peer(), || {
        state.script.clear();
        StatusCode::NO_CONTENT.into_response()
    })
}

fn local(peer: SocketAddr, answer: impl FnOnce() -> Response) -> Response {
    if peer.ip().to_canonical().is_loopback() {
        answer()
    } else {
        answer::error(
            StatusCode::FORBIDDEN,
            "Control endpoints answer on loopback only",
        )
    }
}
