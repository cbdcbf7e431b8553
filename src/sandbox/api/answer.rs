//! Answers in the provider's words (`runway/api.md` §4.1), and the effects of faults.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::super::connection::Connection;
use super::super::contract::Issue;
use super::super::fault::Effect;

/// A JSON body.
pub fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `{"error": …, "docUrl": …}`.
pub fn error(status: StatusCode, message: &str) -> Response {
    json(status, &json!({ "error": message, "docUrl": DOC_URL }))
}

/// A body that broke rules.
pub fn invalid(issues: &[Issue]) -> Response {
    let body = json!({ "error": "Validation of body failed", "issues": issues, "docUrl": DOC_URL });
    json(StatusCode::BAD_REQUEST, &body)
}

/// The one 404 that a client must tell from others by its text.
pub fn no_task() -> Response {
    json(
        StatusCode::NOT_FOUND,
        &json!({ "error": "Could not find Task" }),
    )
}

/// An account without money: a 400 recognisable by its text only.
pub fn no_credits() -> Response {
    let error = "You do not have enough credits to run this task.";
    json(StatusCode::BAD_REQUEST, &json!({ "error": error }))
}

/// A model that has had its tasks of the day.
pub fn daily_cap() -> Response {
    let message = "You have reached the daily limit of generations for this model.";
    error(StatusCode::TOO_MANY_REQUESTS, message)
}

/// A scripted status.
pub fn status(number: u16, headers: &BTreeMap<String, String>, body: Option<&Value>) -> Response {
    let status = StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match body {
        Some(body) => json(status, body),
        None if status == StatusCode::NO_CONTENT => status.into_response(),
        None => error(
            status,
            status
                .canonical_reason()
                .unwrap_or("Scripted by the sandbox"),
        ),
    };
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Lets an effect happen; `None` when the ordinary answer should follow.
pub async fn effect(effect: &Effect, connection: &Connection) -> Option<Response> {
    match effect {
        Effect::Answer {
            status: number,
            headers,
            body,
        } => Some(status(*number, headers, body.as_ref())),
        Effect::Reset => connection.reset().await,
        Effect::Hang => std::future::pending().await,
        Effect::Delay { ms } => {
            tokio::time::sleep(std::time::Duration::from_millis(*ms)).await;
            None
        }
        Effect::Cut { .. } => None,
    }
}

const DOC_URL: &str = "https://docs.dev.runwayml.com/api";
