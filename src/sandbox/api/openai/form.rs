//! The fields of a create: from JSON, or from a form whose values are all text.

use axum::extract::{FromRequest as _, Multipart, Request};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::answer;

/// What was sent.
pub struct Sent {
    /// The fields but for the file.
    pub fields: Map<String, Value>,
    /// Whether a file came as `input_reference`.
    pub has_file: bool,
    /// Whether it was a form: numbers are text there.
    pub is_form: bool,
}

/// Reads a body of either kind.
pub async fn read(request: Request) -> Result<Sent, Box<Response>> {
    let kind = request.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/form-data") {
        return read_form(request).await;
    }
    let body = Bytes::from_request(request, &()).await;
    let body = body.map_err(|_| {
        let problem = "The body is too large";
        Box::new(refuse(StatusCode::PAYLOAD_TOO_LARGE, problem))
    })?;
    let Ok(Value::Object(fields)) = serde_json::from_slice(&body) else {
        let problem = "We could not parse the JSON body of your request.";
        return Err(Box::new(refuse(StatusCode::BAD_REQUEST, problem)));
    };
    Ok(Sent {
        fields,
        has_file: false,
        is_form: false,
    })
}

async fn read_form(request: Request) -> Result<Sent, Box<Response>> {
    let broken = || Box::new(refuse(StatusCode::BAD_REQUEST, "The form is malformed"));
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|_| broken())?;
    let mut sent = Sent {
        fields: Map::new(),
        has_file: false,
        is_form: true,
    };
    while let Some(field) = form.next_field().await.map_err(|_| broken())? {
        let name = field.name().unwrap_or_default().to_owned();
        if field.file_name().is_some() {
            let image = field
                .content_type()
                .is_some_and(|kind| kind.starts_with("image/"));
            let bytes = field.bytes().await.map_err(|_| broken())?;
            if name != "input_reference" || !image || bytes.is_empty() {
                let problem = "The file is no image";
                return Err(Box::new(refuse(StatusCode::BAD_REQUEST, problem)));
            }
            sent.has_file = true;
        } else {
            let text = field.text().await.map_err(|_| broken())?;
            sent.fields.insert(name, Value::String(text));
        }
        if sent.fields.len() > MAX_FIELDS {
            return Err(broken());
        }
    }
    Ok(sent)
}

fn refuse(status: StatusCode, message: &str) -> Response {
    answer::error(status, message, "", None)
}

const MAX_FIELDS: usize = 64;
