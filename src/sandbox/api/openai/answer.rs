//! Answers in this API's words, and the effects of faults.

use std::collections::BTreeMap;

use axum::response::Response;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use serde_json::json;

use super::super::super::connection::Connection;
use super::super::super::fault::{Effect, Fault, Place};
use super::super::super::marker::{CreateFault, Markers};
use super::super::super::state::State;
use super::super::answer;

/// `{"error": {…}}`; an empty code is none.
pub fn error(status: StatusCode, message: &str, code: &str, param: Option<&str>) -> Response {
    let kind = match status.as_u16() {
        401 => "authentication_error",
        429 if code == NO_CREDITS => NO_CREDITS,
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let code = Some(code).filter(|code| !code.is_empty());
    let error = json!({ "message": message, "type": kind, "param": param, "code": code });
    answer::json(status, &json!({ "error": error }))
}

/// A status without a story.
pub fn status(number: u16) -> Response {
    let status = StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    error(status, "Scripted by the sandbox", "", None)
}

/// There is no such video.
pub fn no_video() -> Response {
    error(StatusCode::NOT_FOUND, "Video not found", "not_found", None)
}

/// The content is not there yet.
pub fn not_ready() -> Response {
    let mut response = error(
        StatusCode::NOT_FOUND,
        "Video is not ready yet",
        "video_not_ready",
        None,
    );
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// An account without money.
pub fn no_credits() -> Response {
    let message = "You exceeded your current quota, please check your plan and billing details.";
    error(StatusCode::TOO_MANY_REQUESTS, message, NO_CREDITS, None)
}

/// Lets an effect happen; `None` when the ordinary answer should follow.
pub async fn effect(effect: &Effect, connection: &Connection) -> Option<Response> {
    match effect {
        Effect::Answer {
            status: number,
            headers,
            body: None,
        } if *number != 204 => {
            let mut response = status(*number);
            let scripted = answer::status(*number, headers, Some(&json!({})));
            for (name, value) in scripted.headers() {
                response.headers_mut().insert(name, value.clone());
            }
            Some(response)
        }
        other => answer::effect(other, connection).await,
    }
}

/// The scripted fault that meets a request, if it ends it.
pub async fn fault(state: &State, on: Place, connection: &Connection) -> Option<Response> {
    let fault = state.script.take(on)?;
    effect(&fault.effect, connection).await
}

/// How a create goes wrong, if it does: what is scripted goes before what the prompt asks for.
pub struct Plan {
    /// The order is taken all the same.
    pub accept_first: bool,
    scripted: Option<Fault>,
    marked: Option<CreateFault>,
}

impl Plan {
    pub fn of(state: &State, markers: &Markers) -> Self {
        let scripted = state.script.take(Place::Create);
        Self {
            accept_first: scripted
                .as_ref()
                .map_or(markers.accept_first, |fault| fault.accept_first),
            marked: markers.create.filter(|_| scripted.is_none()),
            scripted,
        }
    }

    /// What is answered in place of the ordinary; `None`: nothing.
    pub async fn end(&self, connection: &Connection) -> Option<Response> {
        if let Some(fault) = &self.scripted {
            return effect(&fault.effect, connection).await;
        }
        match self.marked? {
            CreateFault::Status(number) => Some(match number {
                429 => answer::status(429, &BTreeMap::new(), Some(&slow_down())),
                number => status(number),
            }),
            CreateFault::NoCredits => Some(no_credits()),
            CreateFault::Reset => connection.reset().await,
            CreateFault::Hang => std::future::pending().await,
        }
    }
}

fn slow_down() -> serde_json::Value {
    let code = "rate_limit_exceeded";
    json!({ "error": { "message": "Rate limit reached", "type": "requests", "param": null, "code": code } })
}

const NO_CREDITS: &str = "insufficient_quota";
