//! What a caller asks for: the fields that only this call has, and those that all creates share.

use axum::extract::Request;

use crate::domain::caller::Caller;
use crate::domain::generation::{Draft, Media};
use crate::openai::refusal::Words;
use crate::openai::{Face, Problem};
use crate::service::NewRequest;

/// How the images are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// By addresses of ours.
    Url,
    /// In the answer, in base64.
    Bytes,
}

/// A call for images.
pub(super) struct Asked {
    pub request: NewRequest,
    /// How many.
    pub count: u32,
    pub format: Format,
    /// What the caller calls the fields.
    pub words: Words,
}

pub(super) async fn read(
    face: &Face,
    _caller: &Caller,
    request: Request,
) -> Result<Asked, Problem> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let bytes = axum::body::to_bytes(body, face.settings.max_body)
        .await
        .map_err(|_| Problem::field("body", "broken"))?;
    let v: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|_| Problem::field("body", "broken"))?;
    let text = |name: &str| v[name].as_str().unwrap_or_default().to_owned();
    let model = text("model");
    let draft = Draft {
        model: if model.is_empty() {
            face.settings.image_model.clone()
        } else {
            model
        },
        prompt: text("prompt"),
        size: text("size"),
        output: Some(Media::Image),
        ..Draft::default()
    };
    Ok(Asked {
        request: NewRequest {
            request_id: header("idempotency-key"),
            draft,
            labels: Default::default(),
            timeout: None,
            priority: 0,
            webhook_url: String::new(),
            is_repeat: header("x-stainless-retry-count")
                .parse::<u32>()
                .unwrap_or(0)
                > 0,
        },
        count: v["n"].as_u64().unwrap_or(1) as u32,
        format: if v["response_format"] == "b64_json" {
            Format::Bytes
        } else {
            Format::Url
        },
        words: Words::default(),
    })
}
