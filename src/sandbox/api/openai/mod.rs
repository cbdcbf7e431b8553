//! The second face: videos and images as `OpenAI`'s API has them, under `/openai/v1`.
//!
//! Written from the description of that API alone. Orders of both faces stand in one book, so one
//! ledger shows every create; prompts take the same markers.

mod answer;
mod form;
mod images;
mod order;
mod videos;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::Response;
use axum::routing::{get, post};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

use super::super::state::State;

/// Where the face begins.
pub const ROOT: &str = "/openai/v1";

/// Its routes.
pub fn router() -> Router<Arc<State>> {
    let face = Router::new()
        .route("/videos", post(videos::create).get(videos::list))
        .route("/videos/{id}", get(videos::read).delete(videos::remove))
        .route("/videos/{id}/content", get(videos::content))
        .route("/images/generations", post(images::create))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY));
    Router::new().nest(ROOT, face)
}

/// Why a key is turned away; any key of a sensible shape is let in unless keys are configured.
pub fn refusal(state: &State, headers: &HeaderMap) -> Option<Response> {
    let key = headers.get(AUTHORIZATION).and_then(|key| key.to_str().ok());
    let key = key.and_then(|value| value.strip_prefix("Bearer "));
    let sound = |key: &&str| key.len() >= 3 && key.bytes().all(|b| b.is_ascii_graphic());
    let known = |key: &str| {
        let keys = &state.config.api_keys;
        keys.is_empty() || keys.iter().any(|known| known == key)
    };
    (!key.filter(sound).is_some_and(known)).then(wrong_key)
}

/// The answer to a request without a key, or with one that is not known.
pub fn wrong_key() -> Response {
    let message = "Incorrect API key provided.";
    answer::error(StatusCode::UNAUTHORIZED, message, "invalid_api_key", None)
}

async fn not_found() -> Response {
    answer::error(StatusCode::NOT_FOUND, "Invalid URL", "", None)
}

/// Largest body: a form with an image in it.
const MAX_BODY: usize = 64 << 20;
