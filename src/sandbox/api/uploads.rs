//! Uploads (`runway/api.md` §7): a slot, then a multipart form whose file comes last.
//!
//! The file is counted and dropped: nothing here looks at inputs.

use std::sync::Arc;

use axum::extract::multipart::{Field, Multipart};
use axum::extract::{Extension, Json, Path, State as Extract};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::super::connection::Connection;
use super::super::contract::Issue;
use super::super::fault::Place;
use super::super::state::State;
use super::answer;

/// POST `/v1/uploads`: opens a slot.
pub async fn open(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
    body: Result<Json<Value>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let Ok(Json(body)) = body else {
        return answer::error(StatusCode::BAD_REQUEST, "Request body is not valid JSON");
    };
    let issues = issues(&body);
    if !issues.is_empty() {
        return answer::invalid(&issues);
    }
    if let Some(fault) = state.script.take(Place::Slot)
        && let Some(response) = answer::effect(&fault.effect, &connection).await
    {
        return response;
    }
    let slot = state.uploads.lock().open(state.clock.now_ms());
    let body = json!({
        "uploadUrl": format!("{}/uploads/{}", state.base_url, slot.id),
        "fields": { "key": slot.id, "policy": slot.policy },
        "runwayUri": slot.uri,
    });
    answer::json(StatusCode::OK, &body)
}

fn issues(body: &Value) -> Vec<Issue> {
    let mut issues = Vec::new();
    let path = [json!("filename")];
    match body.get("filename") {
        Some(Value::String(name)) => {
            let length = name.encode_utf16().count();
            if !(3..=255).contains(&length) || !name.contains('.') {
                issues.push(Issue::rule(&path, "3 to 255 characters with an extension"));
            }
        }
        other => issues.push(Issue::wrong_type(&path, "string", other)),
    }
    if body.get("type") != Some(&json!("ephemeral")) {
        issues.push(Issue::not_listed(&[json!("type")], &[json!("ephemeral")]));
    }
    issues
}

/// POST of the form to a slot's URL; answers as the storage behind the provider does.
pub async fn receive(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
    Path(id): Path<String>,
    mut form: Multipart,
) -> Response {
    if let Some(fault) = state.script.take(Place::Upload)
        && let Some(response) = answer::effect(&fault.effect, &connection).await
    {
        return response;
    }
    let now_ms = state.clock.now_ms();
    let Some(policy) = state.uploads.lock().policy(&id, now_ms) else {
        return answer::error(StatusCode::FORBIDDEN, "No such upload slot");
    };
    match read_form(&mut form, &id, &policy).await {
        Ok(bytes) => {
            state.uploads.lock().complete(&id, bytes);
            state.book.lock().counts.uploads += 1;
            StatusCode::NO_CONTENT.into_response()
        }
        Err(problem) => answer::error(StatusCode::BAD_REQUEST, problem),
    }
}

/// Reads the fields, which must be those given out, then the file; gives its size.
async fn read_form(form: &mut Multipart, key: &str, policy: &str) -> Result<u64, &'static str> {
    let mut missing = vec![("key", key), ("policy", policy)];
    for _ in 0..MAX_PARTS {
        let Some(field) = form.next_field().await.map_err(|_| BAD_FORM)? else {
            return Err("The form has no file");
        };
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            if !missing.is_empty() {
                return Err("Every field must come before the file");
            }
            let bytes = measure(field).await?;
            let is_last = form.next_field().await.map_err(|_| BAD_FORM)?.is_none();
            return if is_last {
                Ok(bytes)
            } else {
                Err("The file must be the last part")
            };
        }
        let value = small(field).await?;
        missing.retain(|(known, expected)| *known != name || *expected != value);
    }
    Err(BAD_FORM)
}

async fn small(mut field: Field<'_>) -> Result<String, &'static str> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|_| BAD_FORM)? {
        text.extend_from_slice(&chunk);
        if text.len() > MAX_FIELD_BYTES {
            return Err("A field is too long");
        }
    }
    String::from_utf8(text).map_err(|_| BAD_FORM)
}

async fn measure(mut file: Field<'_>) -> Result<u64, &'static str> {
    let mut bytes = 0;
    while let Some(chunk) = file.chunk().await.map_err(|_| BAD_FORM)? {
        bytes += chunk.len() as u64;
        if bytes > MAX_FILE_BYTES {
            return Err("EntityTooLarge");
        }
    }
    if bytes < MIN_FILE_BYTES {
        Err("EntityTooSmall")
    } else {
        Ok(bytes)
    }
}

const MIN_FILE_BYTES: u64 = 512;
const MAX_FILE_BYTES: u64 = 200_000_000;
const MAX_FIELD_BYTES: usize = 16 << 10;
const MAX_PARTS: usize = 32;
const BAD_FORM: &str = "The form is malformed";
