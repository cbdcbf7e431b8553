//! GET and DELETE of a task (`runway/api.md` §3).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, Path, State as Extract};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use uuid::Uuid;

use super::super::connection::Connection;
use super::super::fault::Place;
use super::super::render::media_type;
use super::super::state::State;
use super::super::task::{Phase, Task};
use super::answer;

/// GET: where the task stands, with fresh URLs when it succeeded.
pub async fn read(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
    Path(id): Path<String>,
) -> Response {
    let now_ms = state.clock.now_ms();
    let known = Uuid::try_parse(&id)
        .ok()
        .and_then(|id| state.book.lock().poll(id, now_ms));
    if let Some(fault) = state.script.take(Place::Poll)
        && let Some(response) = answer::effect(&fault.effect, &connection).await
    {
        return response;
    }
    let Some((task, polls_before)) = known else {
        return answer::no_task();
    };
    match task.markers.poll {
        Some((404, times)) if polls_before < times => answer::no_task(),
        Some((number, times)) if polls_before < times => {
            answer::status(number, &BTreeMap::new(), None)
        }
        _ => {
            let urls = output_urls(&state, &task, now_ms);
            answer::json(StatusCode::OK, &task.as_json(now_ms, &urls))
        }
    }
}

/// DELETE: cancels what is not finished, deletes what is.
pub async fn remove(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
    Path(id): Path<String>,
) -> Response {
    if let Some(fault) = state.script.take(Place::Delete)
        && let Some(response) = answer::effect(&fault.effect, &connection).await
    {
        return response;
    }
    let now_ms = state.clock.now_ms();
    let removed = Uuid::try_parse(&id)
        .ok()
        .and_then(|id| state.book.lock().remove(id, now_ms));
    match removed {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => answer::no_task(),
    }
}

fn output_urls(state: &State, task: &Task, now_ms: i64) -> Vec<String> {
    if task.phase(now_ms) != Phase::Succeeded {
        return Vec::new();
    }
    let expires_ms = now_ms.saturating_add(state.output_url_lifetime_ms());
    let (ending, _) = media_type(task.order.output);
    let url = |index: u32| {
        let path = format!("/outputs/{}/{index}.{ending}", task.id);
        let token = state.signer.token(&path, expires_ms);
        format!("{}{path}?_jwt={token}", state.base_url)
    };
    (0..task.order.count).map(url).collect()
}
