//! The HTTP faces: Runway's endpoints under `/v1`, `OpenAI`'s under `/openai/v1`, the storage under `/outputs` and
//! `/uploads`, and the control endpoints of the sandbox under `/_sandbox`.

mod answer;
mod control;
mod create;
mod gate;
pub mod openai;
mod organization;
mod output;
mod padded;
mod range;
mod tasks;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::contract::GENERATION_PATHS;
use super::state::State;

/// The whole site.
pub fn router(state: Arc<State>) -> Router {
    let mut router = Router::new();
    for path in GENERATION_PATHS {
        router = router.route(path, post(create::create));
    }
    router
        .route("/v1/tasks/{id}", get(tasks::read).delete(tasks::remove))
        .route("/v1/organization", get(organization::read))
        .route("/v1/uploads", post(uploads::open))
        .route(
            "/uploads/{id}",
            post(uploads::receive).layer(DefaultBodyLimit::disable()),
        )
        .route("/outputs/{task}/{name}", get(output::read))
        .merge(openai::router())
        .route("/_sandbox/ledger", get(control::ledger))
        .route("/_sandbox/requests", get(control::requests))
        .route(
            "/_sandbox/faults",
            post(control::add_fault).delete(control::clear_faults),
        )
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(state.config.max_body_bytes))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&state),
            gate::pass,
        ))
        .with_state(state)
}

async fn not_found() -> Response {
    answer::error(StatusCode::NOT_FOUND, "Not found")
}

async fn wrong_method() -> Response {
    answer::error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
}
