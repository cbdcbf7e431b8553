//! What every request passes: the mark of the sandbox on the answer, and for `/v1` the key and the
//! version header.

use std::sync::Arc;

use axum::extract::{Request, State as Extract};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{HeaderMap, StatusCode};

use super::super::state::State;
use super::{answer, openai};

/// The gate in front of the routes.
pub async fn pass(Extract(state): Extract<Arc<State>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let refusal = if path.starts_with("/v1/") {
        refusal(&state, request.headers())
    } else if path.starts_with(openai::ROOT) {
        openai::refusal(&state, request.headers())
    } else {
        None
    };
    let mut response = match refusal {
        Some(response) => response,
        None => next.run(request).await,
    };
    response
        .headers_mut()
        .insert("x-mediagen-sandbox", HeaderValue::from_static("true"));
    response
}

fn refusal(state: &State, headers: &HeaderMap) -> Option<Response> {
    let unauthorized = |message| Some(answer::error(StatusCode::UNAUTHORIZED, message));
    let Some(value) = headers.get(AUTHORIZATION) else {
        return unauthorized(NO_KEY);
    };
    let key = value
        .to_str()
        .ok()
        .and_then(|value| value.strip_prefix("Bearer "));
    let Some(key) = key.filter(|key| is_well_shaped(key)) else {
        return unauthorized(BAD_KEY);
    };
    let keys = state.api_keys.read();
    if !keys.is_empty() && !keys.iter().any(|known| known == key) {
        return unauthorized(WRONG_KEY);
    }
    let version = headers.get("x-runway-version").map(HeaderValue::as_bytes);
    if version == Some(VERSION.as_bytes()) {
        return None;
    }
    Some(answer::error(StatusCode::BAD_REQUEST, BAD_VERSION))
}

/// `^key_[0-9a-f]{128}$`.
fn is_well_shaped(key: &str) -> bool {
    key.strip_prefix("key_").is_some_and(|digits| {
        digits.len() == 128
            && digits
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

const VERSION: &str = "2024-11-06";
const NO_KEY: &str = "No API key was provided. Send it as Authorization: Bearer <key>.";
const BAD_KEY: &str = "The API key is malformed.";
const WRONG_KEY: &str = "The API key is invalid or has been disabled.";
const BAD_VERSION: &str = "The X-Runway-Version header must be 2024-11-06.";
