//! POST to a generation endpoint: check the body, take the money, write the ledger, answer an id.

use std::sync::Arc;

use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State as Extract};
use axum::response::Response;
use bytes::Bytes;
use http::{StatusCode, Uri};
use serde_json::{Value, json};

use super::super::book::Refused;
use super::super::connection::Connection;
use super::super::contract::{self, Order};
use super::super::fault::{Effect, Place};
use super::super::marker::{CreateFault, Markers};
use super::super::state::State;
use super::answer;

/// How this create goes wrong, if it does.
struct Plan {
    accept_first: bool,
    end: Option<End>,
}

enum End {
    Scripted(Effect),
    Marked(CreateFault),
}

/// The handler of all fourteen endpoints.
pub async fn create(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (order, markers) = match read(&state, uri.path(), body) {
        Ok(read) => read,
        Err(response) => return refused(&state, *response),
    };
    let plan = Plan::of(&state, &markers);
    if plan.accept_first {
        let answer = accept(&state, order, markers);
        return plan.end(&connection).await.unwrap_or(answer);
    }
    match plan.end(&connection).await {
        Some(response) => refused(&state, response),
        None => accept(&state, order, markers),
    }
}

type Refusal = Box<Response>;

fn read(
    state: &State,
    path: &str,
    body: Result<Bytes, BytesRejection>,
) -> Result<(Order, Markers), Refusal> {
    let refuse = |status, text: &str| Err(Box::new(answer::error(status, text)));
    let Ok(body) = body else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large");
    };
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return refuse(StatusCode::BAD_REQUEST, "Request body is not valid JSON");
    };
    let catalogue = state.catalogue.read();
    let Some(endpoint) = catalogue.endpoint(path) else {
        return refuse(StatusCode::NOT_FOUND, "Not found");
    };
    let now_ms = state.clock.now_ms();
    let knows_upload = |uri: &str| state.uploads.lock().knows(uri, now_ms);
    let order = contract::read(path, endpoint, &body, &knows_upload)
        .map_err(|issues| Box::new(answer::invalid(&issues)))?;
    let prompt = body
        .get("promptText")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Ok((order, Markers::of(prompt)))
}

fn refused(state: &State, response: Response) -> Response {
    state.book.lock().counts.creates_refused += 1;
    response
}

/// The ledger's file is written before the answer leaves, so that whoever holds an id, or lost
/// one on the way, finds it there even if this process is killed now.
fn accept(state: &State, order: Order, markers: Markers) -> Response {
    let now_ms = state.clock.now_ms();
    let mut book = state.book.lock();
    let task = match book.accept(order, markers, now_ms) {
        Ok(task) => task,
        Err(why) => {
            book.counts.creates_refused += 1;
            return match why {
                Refused::NoCredits => answer::no_credits(),
                Refused::DailyCap => answer::daily_cap(),
            };
        }
    };
    if let Err(problem) = state.ledger.append(task, now_ms) {
        tracing::error!(%problem, "the sandbox cannot write its ledger");
    }
    let body = json!({
        "id": task.id.to_string(),
        "estimatedCost": { "credits": task.order.credits },
    });
    answer::json(StatusCode::OK, &body)
}

impl Plan {
    /// A scripted fault goes before what the prompt asks for.
    fn of(state: &State, markers: &Markers) -> Self {
        if let Some(fault) = state.script.take(Place::Create) {
            let end = Some(End::Scripted(fault.effect));
            return Self {
                accept_first: fault.accept_first,
                end,
            };
        }
        let end = markers.create.map(End::Marked);
        Self {
            accept_first: markers.accept_first,
            end,
        }
    }

    async fn end(&self, connection: &Connection) -> Option<Response> {
        match self.end.as_ref()? {
            End::Scripted(effect) => answer::effect(effect, connection).await,
            End::Marked(CreateFault::Status(number)) => Some(answer::status(
                *number,
                &std::collections::BTreeMap::new(),
                None,
            )),
            End::Marked(CreateFault::NoCredits) => Some(answer::no_credits()),
            End::Marked(CreateFault::Reset) => connection.reset().await,
            End::Marked(CreateFault::Hang) => std::future::pending().await,
        }
    }
}
