//! From a valid generation to the body that Runway's endpoint takes.
//!
//! Generic over the catalogue: which field a value goes to is the specification's business, how a
//! medium is written is read off the field's shape. Nothing is sent that was not asked for, except
//! defaults of required fields, which validation filled in. Media are resolved by the caller.

use serde_json::{Map, Value as Json, json};

use crate::domain::generation::{Generation, Input, Media, Moment, Operation, Role};
use crate::domain::model::{Catalog, Param, Shape, Spec};
use crate::domain::value::Value;

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

fn write_typed(generation: &Generation, spec: &Spec, body: &mut Map<String, Json>) {
    let typed = &spec.typed;
    let text = |text: &String| (!text.is_empty()).then(|| json!(text));
    let mut write = |param: Option<&Param>, value: Option<Json>| {
        if let (Some(param), Some(value)) = (param, value) {
            body.insert(param.name.clone(), value);
        }
    };
    write(typed.prompt.as_ref(), text(&generation.prompt));
    write(
        typed.negative_prompt.as_ref(),
        text(&generation.negative_prompt),
    );
    write(
        typed.seconds.as_ref(),
        generation.seconds.map(|seconds| json!(seconds)),
    );
    write(
        typed.count.as_ref(),
        generation.count.map(|count| json!(count)),
    );
    write(typed.seed.as_ref(), generation.seed.map(|seed| json!(seed)));
    write(
        typed.audio.as_ref(),
        generation.audio.map(|audio| json!(audio)),
    );
    let size = generation.size.as_ref().and_then(|size| spec.size(size));
    if let Some((param, size)) = size {
        write(Some(param), Some(json!(size)));
    }
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

fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::String(text) => json!(text),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Object(fields) => Json::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), to_json(value)))
                .collect(),
        ),
        Value::Int(_) | Value::Number(_) => match value.as_int() {
            Some(int) => json!(int),
            None => json!(value.as_number()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::catalog;
    use crate::domain::generation::{Draft, DraftInput, DraftSource, Keyframe, Limits};

    const LAKE: &str = "https://example.com/lake.jpg";

    fn image(role: Role) -> DraftInput {
        DraftInput {
            source: DraftSource::Url(LAKE.into()),
            role,
            ..DraftInput::default()
        }
    }

    fn written(draft: &Draft) -> Json {
        let catalog = catalog::parse(catalog::EMBEDDED).expect("embedded");
        let generation = Generation::new(draft, &catalog, &Limits::default()).expect("valid");
        let uris: Vec<String> = (0..generation.inputs.len())
            .map(|index| format!("runway://input/{index}"))
            .collect();
        body(&generation, &uris, &catalog)
    }

    fn draft(model: &str, inputs: Vec<DraftInput>) -> Draft {
        Draft {
            model: model.into(),
            prompt: "a lake".into(),
            inputs,
            ..Draft::default()
        }
    }

    #[test]
    fn text_becomes_the_documented_body_with_required_defaults_only() {
        let expected =
            json!({"model": "gen4.5", "promptText": "a lake", "duration": 5, "ratio": "1280:720"});
        assert_eq!(written(&draft("", vec![])), expected);
        let expected = json!({"model": "gemini_omni_flash", "promptText": "a lake"});
        assert_eq!(written(&draft("gemini_omni_flash", vec![])), expected);
    }

    #[test]
    fn a_single_image_is_a_plain_address_and_frames_are_positions() {
        let body = written(&draft("", vec![image(Role::Unspecified)]));
        assert_eq!(body["model"], "gen4_turbo");
        assert_eq!(body["promptImage"], "runway://input/0");
        let frames = vec![image(Role::LastFrame), image(Role::FirstFrame)];
        assert_eq!(
            written(&draft("veo3.1", frames))["promptImage"],
            json!([
                {"uri": "runway://input/0", "position": "last"},
                {"uri": "runway://input/1", "position": "first"},
            ])
        );
        let one = written(&draft("gen4.5", vec![image(Role::FirstFrame)]));
        assert_eq!(
            one["promptImage"],
            json!([{"uri": "runway://input/0", "position": "first"}])
        );
    }

    #[test]
    fn references_have_no_position_and_go_to_their_own_field_beside_a_frame() {
        let references = vec![image(Role::Reference), image(Role::Reference)];
        let body = written(&draft("seedance2", references.clone()));
        assert_eq!(
            body["promptImage"],
            json!([{"uri": "runway://input/0"}, {"uri": "runway://input/1"}])
        );
        let body = written(&draft(
            "kling_4",
            vec![image(Role::FirstFrame), image(Role::Reference)],
        ));
        assert_eq!(
            body["promptImage"],
            json!([{"uri": "runway://input/0", "position": "first"}])
        );
        assert_eq!(body["references"], json!([{"uri": "runway://input/1"}]));
        let text = Draft {
            operation: Some(Operation::TextToVideo),
            ..draft("seedance2", references)
        };
        assert_eq!(
            written(&text)["references"],
            json!([{"uri": "runway://input/0"}, {"uri": "runway://input/1"}])
        );
    }

    #[test]
    fn source_media_and_their_kinds_are_written_as_each_endpoint_wants_them() {
        let media = |address: &str, role| DraftInput {
            source: DraftSource::Url(address.into()),
            role,
            ..DraftInput::default()
        };
        let video = "https://example.com/a.mp4";
        let sound = "https://example.com/a.mp3";
        let body = written(&draft(
            "hailuo3",
            vec![
                media(video, Role::SourceVideo),
                media(sound, Role::ReferenceAudio),
            ],
        ));
        assert_eq!(body["promptVideo"], "runway://input/0");
        assert_eq!(
            body["referenceAudio"],
            json!([{"type": "audio", "uri": "runway://input/1"}])
        );
        let act = Draft {
            model: "act_two".into(),
            inputs: vec![
                media(LAKE, Role::Character),
                media(video, Role::Performance),
            ],
            ..Draft::default()
        };
        let body = written(&act);
        assert_eq!(
            body["character"],
            json!({"type": "image", "uri": "runway://input/0"})
        );
        assert_eq!(
            body["reference"],
            json!({"type": "video", "uri": "runway://input/1"})
        );
    }

    #[test]
    fn keyframes_are_placed_by_seconds_or_by_share_with_their_range() {
        let frame = |moment, range: Option<(u32, u32)>| DraftInput {
            keyframe: Some(Keyframe {
                moment: Some(moment),
                range_start_seconds: range.map(|range| range.0),
                range_end_seconds: range.map(|range| range.1),
            }),
            ..image(Role::Keyframe)
        };
        let video = DraftInput {
            source: DraftSource::Url("https://example.com/a.mp4".into()),
            ..DraftInput::default()
        };
        let frames = vec![
            video,
            frame(Moment::Seconds(1.5), Some((1, 2))),
            frame(Moment::Fraction(1.0), Some((2, 3))),
        ];
        assert_eq!(
            written(&draft("aleph2", frames))["keyframes"],
            json!([
                {"uri": "runway://input/1", "seconds": 1.5, "range": {"start_seconds": 1, "end_seconds": 2}},
                {"uri": "runway://input/2", "at": 1, "range": {"start_seconds": 2, "end_seconds": 3}},
            ])
        );
    }

    #[test]
    fn options_and_tags_arrive_as_they_were_given() {
        let mut tagged = image(Role::Reference);
        tagged.tag = "lake".into();
        let options = BTreeMap::from([(
            "contentModeration".to_owned(),
            Value::Object(BTreeMap::from([(
                "publicFigureThreshold".to_owned(),
                Value::String("low".into()),
            )])),
        )]);
        let draft = Draft {
            options,
            seed: Some(7),
            size: "1792x1024".into(),
            ..draft("gen4_image", vec![tagged])
        };
        let expected = json!({
            "model": "gen4_image", "promptText": "a lake", "ratio": "1920:1080", "seed": 7,
            "referenceImages": [{"uri": "runway://input/0", "tag": "lake"}],
            "contentModeration": {"publicFigureThreshold": "low"},
        });
        assert_eq!(written(&draft), expected);
    }

    #[test]
    fn a_model_that_the_catalogue_lacks_is_asked_in_the_usual_words() {
        let draft = Draft {
            operation: Some(Operation::ImageToVideo),
            seconds: Some(7),
            size: "720p".into(),
            options: BTreeMap::from([("newField".into(), Value::Number(2.0))]),
            ..draft("runwayml/gen9", vec![image(Role::Unspecified)])
        };
        let expected = json!({
            "model": "gen9", "promptText": "a lake", "promptImage": "runway://input/0", "duration": 7,
            "resolution": "720p", "newField": 2,
        });
        assert_eq!(written(&draft), expected);
    }

    #[test]
    fn every_endpoint_is_the_operations_name() {
        for operation in Operation::ALL {
            assert_eq!(endpoint(operation), format!("/v1/{operation}"));
        }
        assert_eq!(
            data_uri_chars("image/png", 4),
            "data:image/png;base64,AAAAAA==".len() as u64
        );
    }
}
