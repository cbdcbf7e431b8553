//! Images: the create is held open until they are done, and its answer holds them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Request, State as Extract};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::super::connection::Connection;
use super::super::super::marker::Markers;
use super::super::super::state::State;
use super::super::super::task::Task;
use super::super::answer as plain;
use super::answer::{self, Plan};
use super::videos::{accept, refused};
use super::{form, order};

/// POST of a create.
pub async fn create(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let read = match form::read(request).await {
        Ok(sent) if sent.is_form => {
            let message = "Unsupported content type: use application/json";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Err(Box::new(answer::error(status, message, "", None)))
        }
        Ok(sent) => order::images(&state, &sent).map(|(order, bytes)| {
            let prompt = sent.fields.get("prompt").and_then(Value::as_str);
            (order, bytes, Markers::of(prompt.unwrap_or_default()))
        }),
        Err(response) => Err(response),
    };
    let (order, bytes, markers) = match read {
        Ok(read) => read,
        Err(response) => return refused(&state, *response),
    };
    let plan = Plan::of(&state, &markers);
    if !plan.accept_first
        && let Some(response) = plan.end(&connection).await
    {
        return refused(&state, response);
    }
    let Some(task) = accept(&state, order, markers) else {
        return answer::no_credits();
    };
    let left = task.end_ms.saturating_sub(state.clock.now_ms());
    tokio::time::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0))).await;
    if plan.accept_first
        && let Some(response) = plan.end(&connection).await
    {
        return response;
    }
    if let Some(code) = &task.markers.fail {
        let message = format!("The sandbox was asked to fail: {code}");
        return answer::error(StatusCode::BAD_REQUEST, &message, code, None);
    }
    finished(&state, &task, bytes).await
}

async fn finished(state: &State, task: &Task, bytes: bool) -> Response {
    let mut data = Vec::new();
    for index in 0..task.order.count {
        data.push(if bytes {
            match state.renderer.file(task.id, index, &task.order).await {
                Ok(file) => json!({ "b64_json": BASE64_STANDARD.encode(&file) }),
                Err(problem) => {
                    tracing::error!(%problem, "the sandbox cannot render");
                    return answer::status(500);
                }
            }
        } else {
            json!({ "url": url(state, task, index), "revised_prompt": null })
        });
    }
    let usd = f64::from(task.cost()) / 100.0;
    let body = json!({
        "created": task.accepted_ms / 1000,
        "data": data,
        "usage": { "total_tokens": 1, "provider_reported_cost_usd": usd },
    });
    plain::json(StatusCode::OK, &body)
}

fn url(state: &State, task: &Task, index: u32) -> String {
    let lifetime = state.output_url_lifetime_ms();
    let path = format!("/outputs/{}/{index}.png", task.id);
    let expires_ms = state.clock.now_ms().saturating_add(lifetime);
    let token = state.signer.token(&path, expires_ms);
    format!("{}{path}?_jwt={token}", state.base_url)
}
