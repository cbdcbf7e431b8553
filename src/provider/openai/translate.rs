//! From a valid generation to the body of its create.
//!
//! Videos are asked for with a form, as `OpenAI`'s own SDK always does: every server takes that, and
//! some take nothing else. JSON is for what a form cannot say: an input by its address, or an option
//! that is no plain value. Images are asked for in JSON.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use crate::domain::generation::{Generation, Operation};
use crate::domain::model::{Catalog, dimensions};
use crate::provider::Prepared;
use crate::provider::http::{extension, to_json, write_typed};

/// The create call of a generation. `uris` has one address for each input; a data URI is sent as
/// the file that it is.
pub(super) fn prepare(generation: &Generation, uris: &[String], catalog: &Catalog) -> Prepared {
    let mut fields = fields(generation, catalog);
    if generation.operation == Operation::TextToImage {
        ask_for_bytes(&mut fields);
        return json_body(IMAGES, fields);
    }
    if let Some(seconds) = fields.get_mut(SECONDS).filter(|value| value.is_number()) {
        *seconds = json!(seconds.to_string());
    }
    let input = uris.first().map(|uri| File::read(uri).ok_or(uri));
    match input {
        Some(Err(uri)) => {
            fields.insert(INPUT.to_owned(), json!({ "image_url": uri }));
            json_body(VIDEOS, fields)
        }
        None if !fields.values().all(is_plain) => json_body(VIDEOS, fields),
        Some(Ok(_)) | None => form_body(&fields, input.and_then(Result::ok)),
    }
}

/// Every field under the server's names, with its spelling of the model and of sizes.
fn fields(generation: &Generation, catalog: &Catalog) -> Map<String, Json> {
    let mut fields = Map::new();
    let options = generation.options.iter();
    for (name, value) in options.filter(|(name, _)| !REFUSED.contains(&name.as_str())) {
        fields.insert(name.clone(), to_json(value));
    }
    let model = generation.model.strip_prefix(PREFIX);
    let model = model.unwrap_or(&generation.model);
    fields.insert("model".into(), json!(model));
    if let Some(spec) = catalog.spec(&generation.model, generation.operation) {
        write_typed(generation, spec, &mut fields);
    }
    if let Some(size) = fields.get_mut("size")
        && let Some((width, height)) = size.as_str().and_then(dimensions)
    {
        *size = json!(format!("{width}x{height}"));
    }
    fields
}

/// Asks for the image itself and not for an address, which dies soon and would have to be fetched
/// after the one answer. Some models know nothing else and refuse to be asked. A caller's own word
/// goes before, and an empty one asks for nothing.
fn ask_for_bytes(fields: &mut Map<String, Json>) {
    let model = fields.get("model").and_then(Json::as_str);
    let always = model.is_some_and(|model| BYTES_ALWAYS.iter().any(|known| model.contains(known)));
    match fields.get(FORMAT) {
        Some(Json::String(none)) if none.is_empty() => drop(fields.remove(FORMAT)),
        None if !always => drop(fields.insert(FORMAT.to_owned(), json!("b64_json"))),
        Some(_) | None => {}
    }
}

fn is_plain(value: &Json) -> bool {
    matches!(value, Json::String(_) | Json::Number(_) | Json::Bool(_))
}

fn json_body(endpoint: &str, fields: Map<String, Json>) -> Prepared {
    Prepared {
        endpoint: endpoint.to_owned(),
        content_type: "application/json".to_owned(),
        body: Bytes::from(Json::Object(fields).to_string()),
    }
}

/// A file out of a data URI.
struct File {
    content_type: String,
    bytes: Vec<u8>,
}

impl File {
    /// `None`: it is no data URI.
    fn read(uri: &str) -> Option<Self> {
        let (content_type, data) = uri.strip_prefix("data:")?.split_once(";base64,")?;
        Some(Self {
            content_type: content_type.to_owned(),
            bytes: BASE64_STANDARD.decode(data).ok()?,
        })
    }
}

/// A form (RFC 7578) with every field and perhaps a file. The boundary is random, so that nothing
/// in the fields can be taken for it.
fn form_body(fields: &Map<String, Json>, file: Option<File>) -> Prepared {
    let boundary = format!(
        "mediagen-{}",
        uuid::Uuid::from_u128(rand::random()).simple()
    );
    let mut body = Vec::new();
    for (name, value) in fields {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let name = quoted(name);
        let head =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    if let Some(file) = file {
        let (kind, ending) = (&file.content_type, extension(&file.content_type));
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{INPUT}\"; \
             filename=\"input.{ending}\"\r\nContent-Type: {kind}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&file.bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Prepared {
        endpoint: VIDEOS.to_owned(),
        content_type: format!("multipart/form-data; boundary={boundary}"),
        body: Bytes::from(body),
    }
}

/// A field's name within quotes.
fn quoted(name: &str) -> String {
    let escape = |sign| match sign {
        '"' => "%22".to_owned(),
        '\r' => "%0D".to_owned(),
        '\n' => "%0A".to_owned(),
        other => other.to_string(),
    };
    name.chars().map(escape).collect()
}

/// Where videos are asked for.
pub(super) const VIDEOS: &str = "/v1/videos";
/// Where images are asked for.
pub(super) const IMAGES: &str = "/v1/images/generations";
/// How the catalogue's ids of these models begin.
const PREFIX: &str = "openai/";
const INPUT: &str = "input_reference";
const SECONDS: &str = "seconds";
const FORMAT: &str = "response_format";
/// Options that would change the form of the answer.
const REFUSED: [&str; 3] = ["stream", "stream_format", "partial_images"];
/// Models that answer with bytes whatever is asked, and refuse to be asked.
const BYTES_ALWAYS: [&str; 2] = ["gpt-image", "chatgpt-image"];
