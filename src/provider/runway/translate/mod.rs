//! From a valid generation to the body that Runway's endpoint takes.
//!
//! Generic over the catalogue: which field a value goes to is the specification's business, how a
//! medium is written is read off the field's shape. Nothing is sent that was not asked for, except
//! defaults of required fields, which validation filled in. Media are resolved by the caller.

use serde_json::{Map, Value as Json, json};

use crate::domain::generation::{Generation, Input, Media, Moment, Operation, Role};
use crate::domain::model::{Catalog, Shape, Spec};
use crate::domain::value::Value;
use crate::provider::http::{to_json, write_typed};

/// The path of an operation's endpoint, with the leading `/v1`.
pub const fn endpoint(operation: Operation) -> &'static str {
    match operation {
        Operation::TextToVideo => "/v1/text_to_video",
        Operation::ImageToVideo => "/v1/image_to_video",
        Operation::VideoToVideo => "/v1/video_to_video",
        Operation::CharacterPerformance => "/v1/character_performance",
        Operation::VideoUpscale => "/v1/video_upscale",
        Operation::VideoToHdr => "/v1/video_to_hdr",
        Operation::TextToImage => "/v1/text_to_image",
        Operation::ImageUpscale => "/v1/image_upscale",
        Operation::TextToSpeech => "/v1/text_to_speech",
        Operation::SpeechToSpeech => "/v1/speech_to_speech",
        Operation::SoundEffect => "/v1/sound_effect",
        Operation::VideoToAudio => "/v1/video_to_audio",
        Operation::VoiceDubbing => "/v1/voice_dubbing",
        Operation::VoiceIsolation => "/v1/voice_isolation",
    }
}

/// Longest data URI that Runway takes, counted in characters of the encoded text; what is longer
/// is uploaded.
pub const fn data_uri_limit_chars() -> usize {
    5_242_880
}

/// The length of a data URI for so many bytes of a media type.
pub const fn data_uri_chars(content_type: &str, size_bytes: u64) -> u64 {
    let wrapping = "data:;base64,".len() + content_type.len();
    size_bytes
        .div_ceil(3)
        .saturating_mul(4)
        .saturating_add(wrapping as u64)
}

/// The body of the create call.
///
/// `uris` has one entry for each of the generation's inputs, in order: https, data or runway.
pub fn body(generation: &Generation, uris: &[String], catalog: &Catalog) -> Json {
    let mut body = Map::new();
    body.insert("model".into(), json!(generation.model));
    if let Some(spec) = catalog.spec(&generation.model, generation.operation) {
        write_typed(generation, spec, &mut body);
        write_inputs(generation, uris, spec, &mut body);
    }
    for (name, value) in &generation.options {
        body.insert(name.clone(), to_json(value));
    }
    Json::Object(body)
}

fn write_inputs(
    generation: &Generation,
    uris: &[String],
    spec: &Spec,
    body: &mut Map<String, Json>,
) {
    let asked: Vec<(Role, Option<Media>)> = generation
        .inputs
        .iter()
        .map(|input| (input.role, input.media()))
        .collect();
    let places = spec.place(&asked);
    for (index, slot) in spec.slots.iter().enumerate() {
        let media: Vec<Medium<'_>> = generation
            .inputs
            .iter()
            .zip(uris)
            .zip(&places)
            .filter_map(|((input, uri), place)| {
                let place = place.as_ref().ok().filter(|place| place.slot == index)?;
                Some(Medium {
                    input,
                    uri,
                    media: place.media,
                })
            })
            .collect();
        if let Some(written) = write_slot(&slot.shape, &media) {
            body.insert(slot.name.clone(), written);
        }
    }
}

/// One medium on its way into the body.
struct Medium<'a> {
    input: &'a Input,
    uri: &'a str,
    media: Media,
}

fn write_slot(shape: &Shape, media: &[Medium<'_>]) -> Option<Json> {
    let only = media.first()?;
    match shape {
        Shape::List { item, .. } => Some(
            media
                .iter()
                .map(|medium| write_medium(item, medium))
                .collect(),
        ),
        Shape::Either(shapes) => write_slot(alternative(shapes, only)?, media),
        one => Some(write_medium(one, only)),
    }
}

/// A single medium without a role is a plain address, where there is that form; otherwise the form
/// that can say the role or the kind.
fn alternative<'a>(shapes: &'a [Shape], medium: &Medium<'_>) -> Option<&'a Shape> {
    let fits = |shape: &&Shape| match shape {
        Shape::Uri | Shape::Text { .. } => medium.input.role == Role::Unspecified,
        Shape::Object(fields) => fields.get("type").is_none_or(|kind| {
            kind.shape
                .takes(&Value::String(medium.media.as_str().to_owned()))
        }),
        _ => medium.input.role != Role::Unspecified,
    };
    shapes.iter().find(fits).or(shapes.first())
}

fn write_medium(shape: &Shape, medium: &Medium<'_>) -> Json {
    let fields = match shape {
        Shape::Object(fields) => Some(fields),
        Shape::Any => None,
        Shape::Either(shapes) => return write_keyframe(shapes, medium),
        _ => return json!(medium.uri),
    };
    let field = |name: &str| fields.and_then(|fields| fields.get(name));
    let address = fields.and_then(|fields| fields.values().find(|field| field.shape == Shape::Uri));
    let address = address.map_or("uri", |field| &field.name);
    let mut written = Map::from_iter([(address.to_owned(), json!(medium.uri))]);
    if let Some(kind) = field("type") {
        written.insert("type".into(), kind_name(&kind.shape, medium.media));
    }
    let position = match medium.input.role {
        Role::FirstFrame => Some("first"),
        Role::LastFrame => Some("last"),
        _ => None,
    };
    if let Some(position) = position {
        written.insert("position".into(), json!(position));
    }
    if field("subject").is_some() && !medium.input.subject.is_empty() {
        written.insert("subject".into(), json!(medium.input.subject));
    }
    if field("tag").is_some() && !medium.input.tag.is_empty() {
        written.insert("tag".into(), json!(medium.input.tag));
    }
    Json::Object(written)
}

/// A keyframe is placed by seconds or by a share of the length; each is a form of its own.
fn write_keyframe(shapes: &[Shape], medium: &Medium<'_>) -> Json {
    let keyframe = medium.input.keyframe.as_ref();
    let (name, value) = match keyframe.and_then(|keyframe| keyframe.moment) {
        Some(Moment::Fraction(fraction)) => ("at", Value::Number(fraction)),
        Some(Moment::Seconds(seconds)) => ("seconds", Value::Number(seconds)),
        None => return json!({ "uri": medium.uri }),
    };
    let has = |shape: &&Shape| matches!(shape, Shape::Object(fields) if fields.contains_key(name));
    let mut written = write_medium(shapes.iter().find(has).unwrap_or(&Shape::Any), medium);
    written[name] = to_json(&value);
    let range = keyframe.and_then(|k| k.range_start_seconds.zip(k.range_end_seconds));
    if let Some((start, end)) = range {
        written["range"] = json!({ "start_seconds": start, "end_seconds": end });
    }
    written
}

/// A kind of its own, as a reference voice has, where the medium's is not one.
fn kind_name(shape: &Shape, media: Media) -> Json {
    let plain = Value::String(media.as_str().to_owned());
    match shape {
        Shape::Enum(values) if !shape.takes(&plain) => values.first().map_or(Json::Null, to_json),
        _ => to_json(&plain),
    }
}

#[cfg(test)]
mod tests;
