//! What a caller asks for: what only this call has, beside what all creates share.

use axum::extract::Request;

use crate::domain::caller::Caller;
use crate::domain::generation::Media;
use crate::domain::value::Value;
use crate::openai::asked::{self, Given};
use crate::openai::body::{self, Held, Members};
use crate::openai::{Face, Problem};

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
    pub create: asked::Asked,
    /// How many.
    pub count: u32,
    pub format: Format,
    /// Of the room for bodies, until the tasks are made.
    pub held: Held,
}

impl Asked {
    /// Whether the caller gave the call a key of its own.
    pub const fn has_key(&self) -> bool {
        !self.create.request.request_id.is_empty()
    }
}

/// Reads a body. What is wrong with it is told when it is made.
///
/// # Errors
/// For what is no JSON object.
pub(super) async fn read(face: &Face, caller: &Caller, request: Request) -> Result<Asked, Problem> {
    let headers = request.headers().clone();
    let (mut members, held) = body::json(request, face, caller).await?;
    let format = format(&mut members);
    let streamed = streamed(&mut members);
    let given = Given {
        members,
        is_form: false,
    };
    let mut create = asked::Asked::read(given, Media::Image, &headers);
    let request = &mut create.request;
    if request.draft.model.is_empty() {
        // Named here, for a fingerprint does not say what must come out.
        request.draft.model = face.service.default_model_of_images();
    }
    let count = request.draft.count.unwrap_or(1);
    let format = format.unwrap_or_else(|problem| {
        create.refuse("response_format", problem);
        Format::Url
    });
    if let Some((name, problem)) = streamed {
        create.refuse(name, problem);
    }
    if !(1..=MOST).contains(&count) {
        create.refuse("count", format!("must be from 1 to {MOST}; got {count}"));
    }
    create.settle(face, caller, &FOREIGN).await?;
    Ok(Asked {
        create,
        count: count.clamp(1, MOST),
        format,
        held,
    })
}

fn format(members: &mut Members) -> Result<Format, &'static str> {
    match members.remove("response_format") {
        None => Ok(Format::Url),
        Some(Value::String(text)) if text == "url" => Ok(Format::Url),
        Some(Value::String(text)) if text == "b64_json" => Ok(Format::Bytes),
        Some(_) => Err("must be url or b64_json"),
    }
}

/// The member that asks for the images in pieces, which are not offered: there is nothing to show
/// before the end.
fn streamed(members: &mut Members) -> Option<(&'static str, &'static str)> {
    let stream = members.remove("stream");
    let partial = members.remove("partial_images");
    let is_asked =
        |value: &Option<Value>, none: &Value| value.as_ref().is_some_and(|value| value != none);
    let problem = "is not offered: the answer comes when the images are done";
    if is_asked(&stream, &Value::Bool(false)) {
        return Some(("stream", problem));
    }
    is_asked(&partial, &Value::Int(0)).then_some(("partial_images", problem))
}

/// Images in one call, as at OpenAI.
const MOST: u32 = 10;
/// Members of OpenAI's own, with the values that ask for nothing.
const FOREIGN: [(&str, &[&str]); 7] = [
    ("quality", &["auto", "standard"]),
    ("background", &["auto"]),
    ("moderation", &["auto"]),
    ("style", &[]),
    ("output_format", &[]),
    ("output_compression", &[]),
    ("input_fidelity", &[]),
];
