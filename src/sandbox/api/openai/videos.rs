//! Videos: create, read, list, delete, content.

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, Request, State as Extract};
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::super::connection::Connection;
use super::super::super::contract::Order;
use super::super::super::fault::Place;
use super::super::super::marker::Markers;
use super::super::super::state::State;
use super::super::super::task::{Phase, Task};
use super::super::{answer as plain, output};
use super::answer::{self, Plan};
use super::{form, order};

/// POST of a create.
pub async fn create(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let ordered = match form::read(request).await {
        Ok(sent) => order::video(&state, &sent).map(|order| {
            let prompt = sent.fields.get("prompt").and_then(Value::as_str);
            (order, Markers::of(prompt.unwrap_or_default()))
        }),
        Err(response) => Err(response),
    };
    let (order, markers) = match ordered {
        Ok(ordered) => ordered,
        Err(response) => return refused(&state, *response),
    };
    let plan = Plan::of(&state, &markers);
    if plan.accept_first {
        let accepted = accept(&state, order, markers);
        return plan
            .end(&connection)
            .await
            .unwrap_or_else(|| created(accepted));
    }
    match plan.end(&connection).await {
        Some(response) => refused(&state, response),
        None => created(accept(&state, order, markers)),
    }
}

/// Takes an order into the book and the ledger, whose file is written before anything is answered.
pub fn accept(state: &State, order: Order, markers: Markers) -> Option<Task> {
    let now_ms = state.clock.now_ms();
    let mut book = state.book.lock();
    let Ok(task) = book.accept(order, markers, now_ms) else {
        book.counts.creates_refused += 1;
        return None;
    };
    if let Err(problem) = state.ledger.append(task, now_ms) {
        tracing::error!(%problem, "the sandbox cannot write its ledger");
    }
    Some(task.clone())
}

/// Counts a create that was not taken.
pub fn refused(state: &State, response: Response) -> Response {
    state.book.lock().counts.creates_refused += 1;
    response
}

fn created(task: Option<Task>) -> Response {
    let Some(task) = task else {
        return answer::no_credits();
    };
    plain::json(StatusCode::OK, &object(&task, task.accepted_ms))
}

/// GET of a video.
pub async fn read(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
    Path(id): Path<String>,
) -> Response {
    let now_ms = state.clock.now_ms();
    let known = key(&id).and_then(|id| state.book.lock().poll(id, now_ms));
    if let Some(response) = answer::fault(&state, Place::Poll, &connection).await {
        return response;
    }
    let Some((task, polls_before)) = known else {
        return answer::no_video();
    };
    match task.markers.poll {
        Some((404, times)) if polls_before < times => answer::no_video(),
        Some((number, times)) if polls_before < times => answer::status(number),
        _ => plain::json(StatusCode::OK, &object(&task, now_ms)),
    }
}

/// DELETE: cancels what is not finished, deletes what is.
pub async fn remove(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
    Path(id): Path<String>,
) -> Response {
    if let Some(response) = answer::fault(&state, Place::Delete, &connection).await {
        return response;
    }
    let now_ms = state.clock.now_ms();
    match key(&id).and_then(|id| state.book.lock().remove(id, now_ms)) {
        Some(_) => {
            let body = json!({ "id": id, "object": "video.deleted", "deleted": true });
            plain::json(StatusCode::OK, &body)
        }
        None => answer::no_video(),
    }
}

/// The window of a list.
#[derive(Deserialize)]
pub struct Window {
    limit: Option<usize>,
    after: Option<String>,
}

/// GET of all videos, newest first.
pub async fn list(Extract(state): Extract<Arc<State>>, Query(window): Query<Window>) -> Response {
    let now_ms = state.clock.now_ms();
    let mut book = state.book.lock();
    let videos = book.ledger(now_ms).into_iter().rev();
    let ids = videos
        .filter(|entry| entry.endpoint == "/openai/v1/videos")
        .filter_map(|entry| Uuid::try_parse(&entry.id).ok());
    let after = window.after.as_deref().and_then(key);
    let mut ids: Vec<Uuid> = ids.collect();
    if let Some(place) = after.and_then(|after| ids.iter().position(|id| *id == after)) {
        ids.drain(..=place);
    }
    let most = window.limit.unwrap_or(20).clamp(1, 100);
    let mut data: Vec<Value> = Vec::new();
    for id in ids {
        if data.len() > most {
            break;
        }
        data.extend(book.live(id).map(|task| object(task, now_ms)));
    }
    let has_more = data.len() > most;
    data.truncate(most);
    let end = |entry: Option<&Value>| entry.map_or(Value::Null, |entry| entry["id"].clone());
    let body = json!({
        "object": "list",
        "first_id": end(data.first()),
        "last_id": end(data.last()),
        "has_more": has_more,
        "data": data,
    });
    plain::json(StatusCode::OK, &body)
}

/// GET of a video's file, with ranges.
pub async fn content(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    state.book.lock().counts.downloads += 1;
    let fault = state.script.take(Place::Output).map(|fault| fault.effect);
    if let Some(effect) = &fault
        && let Some(response) = answer::effect(effect, &connection).await
    {
        return response;
    }
    let Some(task) = key(&id).and_then(|id| state.book.lock().live(id).cloned()) else {
        return answer::no_video();
    };
    if task.phase(state.clock.now_ms()) != Phase::Succeeded {
        return answer::not_ready();
    }
    let mut response = output::send(&state, &task, 0, fault.as_ref(), &headers).await;
    let name = format!("attachment; filename=\"{id}.mp4\"");
    if let Ok(name) = HeaderValue::try_from(name) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    response
}

/// The video object.
fn object(task: &Task, now_ms: i64) -> Value {
    let phase = task.phase(now_ms);
    let odd = task.markers.odd_status.as_deref().map(str::to_lowercase);
    let (status, progress) = match phase {
        Phase::Pending | Phase::Throttled => ("queued", 0.0),
        Phase::Running(share) => (odd.as_deref().unwrap_or("in_progress"), share * 100.0),
        Phase::Succeeded => ("completed", 100.0),
        Phase::Failed => ("failed", 0.0),
    };
    let over = task.is_over(now_ms);
    let failed = task
        .markers
        .fail
        .as_ref()
        .filter(|_| phase == Phase::Failed);
    let message = |code| format!("The sandbox was asked to fail: {code}");
    let error = failed.map(|code| json!({ "code": code, "message": message(code) }));
    let usd = f64::from(task.cost()) / 100.0;
    let (width, height) = task.order.size;
    json!({
        "id": format!("video_{}", task.id.simple()),
        "object": "video",
        "status": status,
        "progress": percent(progress),
        "created_at": task.accepted_ms / 1000,
        "completed_at": over.then_some(task.end_ms / 1000),
        "expires_at": null,
        "model": task.order.model,
        "seconds": task.order.seconds.to_string(),
        "size": format!("{width}x{height}"),
        "prompt": task.order.prompt,
        "remixed_from_video_id": null,
        "error": error,
        "usage": {
            "duration_seconds": task.order.seconds,
            "provider_reported_cost_usd": over.then_some(usd),
            "cost_usd": if over { usd } else { f64::from(task.order.credits) / 100.0 },
            "cost_is_estimate": !over,
        },
    })
}

#[expect(clippy::cast_possible_truncation, reason = "it is between 0 and 100")]
fn percent(progress: f64) -> i64 {
    progress.round() as i64
}

/// The record behind a video's id.
fn key(id: &str) -> Option<Uuid> {
    Uuid::try_parse(id.strip_prefix("video_")?).ok()
}
