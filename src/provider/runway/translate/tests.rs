//! Bodies as Runway documents them.

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
