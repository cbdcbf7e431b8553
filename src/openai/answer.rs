//! An answer about a task: the body, and beside it the headers that LiteLLM's clients know.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::object::{dollars, known_cost};
use super::problem::CALL_ID;
use crate::domain::money::{Millicredits, UsdRate};
use crate::domain::task::{Attempt, AttemptOutcome, Task};

/// `body` as JSON, with the headers of a task.
pub(super) fn about(task: &Task, rate: UsdRate, body: &impl Serialize) -> Response {
    let mut answer = Json(body).into_response();
    headers(task, rate, answer.headers_mut());
    answer
}

/// Adds what is told of a task beside a body.
pub(super) fn headers(task: &Task, rate: UsdRate, headers: &mut HeaderMap) {
    let mut put = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    put(CALL_ID, task.id.to_string());
    put(GROUP, task.order.model.clone());
    if let Some(deployment) = task.deployment() {
        put(DEPLOYMENT, deployment.to_owned());
    }
    if let Some(cost) = known_cost(&task.cost()) {
        put(COST, dollars(cost, rate).to_string());
    }
    let sent = |attempt: &&Attempt| attempt.outcome != AttemptOutcome::Skipped;
    let sent: Vec<&Attempt> = task.attempts.iter().filter(sent).collect();
    let moved = sent
        .windows(2)
        .filter(|pair| pair[0].deployment != pair[1].deployment);
    put(RETRIES, sent.len().saturating_sub(1).to_string());
    put(FALLBACKS, moved.count().to_string());
    if !task.state.is_terminal() {
        headers.insert(POLL_AFTER, HeaderValue::from_static(POLL_AFTER_MS));
    }
}

/// The same of a call that made several tasks: those of the one that is `shown`, with the cost of all.
pub(super) fn headers_of_all(
    shown: &Task,
    tasks: &[Arc<Task>],
    rate: UsdRate,
    out: &mut HeaderMap,
) {
    headers(shown, rate, out);
    out.remove(COST);
    let costs = tasks.iter().map(|task| known_cost(&task.cost()));
    let sum: Option<Vec<Millicredits>> = costs.collect();
    let sum = sum.map(|costs| costs.into_iter().fold(Millicredits(0), Millicredits::plus));
    let shown = sum.map(|sum| HeaderValue::try_from(dollars(sum, rate).to_string()));
    if let Some(Ok(shown)) = shown {
        out.insert(COST, shown);
    }
}

/// The model as asked.
const GROUP: HeaderName = HeaderName::from_static("x-litellm-model-group");
/// What served the task.
const DEPLOYMENT: HeaderName = HeaderName::from_static("x-litellm-model-id");
/// Dollars: what the task cost, or the most that it may.
const COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");
/// Attempts after the first.
const RETRIES: HeaderName = HeaderName::from_static("x-litellm-attempted-retries");
/// Of them, those that went elsewhere than the one before.
const FALLBACKS: HeaderName = HeaderName::from_static("x-litellm-attempted-fallbacks");
/// When OpenAI's clients ask again.
const POLL_AFTER: HeaderName = HeaderName::from_static("openai-poll-after-ms");
/// A read of a task costs the provider nothing, and us little.
const POLL_AFTER_MS: &str = "1000";
