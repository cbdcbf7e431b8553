//! GET of the organization: money and limits.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::state::State;
use super::answer;

/// The account of the sandbox; limits are those it was configured with, `null` for none.
pub async fn read(Extract(state): Extract<Arc<State>>) -> Response {
    let limits = json!({
        "maxConcurrentGenerations": state.config.concurrency_per_model,
        "maxDailyGenerations": null,
    });
    let names = state.catalogue.model_names();
    let models: Map<_, Value> = names
        .iter()
        .map(|name| ((*name).into(), limits.clone()))
        .collect();
    let usage: Map<_, Value> = names
        .iter()
        .map(|name| ((*name).into(), json!({ "dailyGenerations": 0 })))
        .collect();
    let body = json!({
        "creditBalance": state.book.lock().credits(),
        "tier": { "maxMonthlyCreditSpend": 10_000_000, "models": models },
        "usage": { "models": usage },
    });
    answer::json(StatusCode::OK, &body)
}
