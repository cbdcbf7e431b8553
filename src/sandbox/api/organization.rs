//! GET of the organization: money and limits.

use std::sync::Arc;

use axum::extract::{Extension, State as Extract};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::connection::Connection;
use super::super::fault::Place;
use super::super::state::State;
use super::answer;

/// The account of the sandbox as it stands; limits are those it was configured with, `null` for
/// none.
pub async fn read(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
) -> Response {
    state.book.lock().counts.organization_reads += 1;
    if let Some(fault) = state.script.take(Place::Organization)
        && let Some(response) = answer::effect(&fault.effect, &connection).await
    {
        return response;
    }
    told(&state)
}

fn told(state: &State) -> Response {
    let (now_ms, config) = (state.clock.now_ms(), &state.config);
    let limits = json!({
        "maxConcurrentGenerations": config.concurrency_per_model,
        "maxDailyGenerations": config.daily_cap_per_model,
    });
    let catalogue = state.catalogue.read();
    let names = catalogue.model_names();
    let models: Map<_, Value> = names
        .iter()
        .map(|name| ((*name).into(), limits.clone()))
        .collect();
    let mut book = state.book.lock();
    let usage: Map<_, Value> = names
        .iter()
        .map(|name| {
            let used = book.used_today(name, now_ms);
            ((*name).into(), json!({ "dailyGenerations": used }))
        })
        .collect();
    let body = json!({
        "creditBalance": book.credits(),
        "tier": { "maxMonthlyCreditSpend": 10_000_000, "models": models },
        "usage": { "models": usage },
    });
    drop(book);
    answer::json(StatusCode::OK, &body)
}
