//! Inputs: sources, types, roles, tags, and the operation that follows from them.

use super::*;

#[test]
fn a_missing_image_is_missed() {
    assert_eq!(refused(&ask("gen4_turbo")), ["input_references"]);
    assert_eq!(refused(&ask("gen4_image_turbo")), ["input_references"]);
    assert_eq!(
        refused(&Draft {
            operation: Some(Operation::ImageToVideo),
            ..ask("veo3.1")
        }),
        ["input_references"]
    );
    assert_eq!(
        refused(&Draft {
            model: "aleph2".into(),
            ..Draft::default()
        }),
        ["input_references"]
    );
}

#[test]
fn roles_are_judged_by_the_models_places() {
    use Role::{FirstFrame, LastFrame, Reference, SourceVideo, Unspecified};
    for (model, roles, expected) in [
        ("gen4.5", &[FirstFrame][..], None),
        (
            "gen4.5",
            &[Unspecified, Unspecified],
            Some("input_references[1].role"),
        ),
        ("gen4.5", &[LastFrame], Some("input_references[0].role")),
        ("gen4.5", &[Reference], Some("input_references[0].role")),
        ("gen4.5", &[SourceVideo], Some("input_references[0].role")),
        ("veo3.1", &[LastFrame, FirstFrame], None),
        ("veo3.1", &[LastFrame], Some("input_references[0].role")),
        (
            "veo3.1",
            &[FirstFrame, FirstFrame],
            Some("input_references[1].role"),
        ),
        (
            "veo3.1",
            &[Unspecified, LastFrame],
            Some("input_references[0].role"),
        ),
        ("kling3.0_pro", &[LastFrame], None),
        ("seedance2", &[Reference, Reference, Reference], None),
        (
            "seedance2",
            &[FirstFrame, Reference],
            Some("input_references[1].role"),
        ),
        ("kling_4", &[FirstFrame, Reference], None),
        ("gen4_image", &[Unspecified, Reference, Reference], None),
        (
            "gen4_image",
            &[Reference, Reference, Reference, Reference],
            Some("input_references[3].role"),
        ),
    ] {
        let draft = pictures(model, roles);
        match expected {
            None => {
                drop(check(&draft).unwrap_or_else(|found| panic!("{model} {roles:?}: {found:?}")));
            }
            Some(field) => assert_eq!(refused(&draft), [field], "{model} {roles:?}"),
        }
    }
}

#[test]
fn the_operation_follows_the_inputs_where_they_leave_no_choice() {
    let video = || url("https://example.com/a.mp4", Role::Unspecified);
    for (draft, expected) in [
        (
            pictures("gen4.5", &[Role::Unspecified]),
            Operation::ImageToVideo,
        ),
        (
            pictures("grok_imagine_1_5", &[Role::Reference]),
            Operation::TextToVideo,
        ),
        (
            with("seedance2", vec![video(), url(PICTURE, Role::Unspecified)]),
            Operation::VideoToVideo,
        ),
        (
            with(
                "seedance2",
                vec![url("https://example.com/a.mp4", Role::ReferenceVideo)],
            ),
            Operation::TextToVideo,
        ),
        (
            with("mirelo_sfx_2_0", vec![video()]),
            Operation::VideoToAudio,
        ),
        (ask("mirelo_sfx_2_0"), Operation::SoundEffect),
        (ask("gen4_image"), Operation::TextToImage),
    ] {
        assert_eq!(
            check(&draft).unwrap().operation,
            expected,
            "{}",
            draft.model
        );
    }
    assert_eq!(refused(&ask("seed_audio")), ["operation"]);
}

#[test]
fn inline_data_is_known_by_its_first_bytes() {
    let input =
        |draft: DraftInput| check(&with("gen4.5", vec![draft])).map(|mut it| it.inputs.remove(0));
    let good = input(data(JPEG, "")).unwrap();
    assert_eq!(good.content_type, "image/jpeg");
    assert!(matches!(
        good.source,
        InputSource::Inline { size_bytes: 14, .. }
    ));
    assert_eq!(
        input(data(JPEG, "Image/JPG")).unwrap().content_type,
        "image/jpeg"
    );
    for (bytes, declared, field, reason) in [
        (&b""[..], "image/png", "data", InvalidReason::FieldInvalid),
        (
            JPEG,
            "image/png",
            "data",
            InvalidReason::InputTypeUnsupported,
        ),
        (
            b"GIF89a...",
            "",
            "data",
            InvalidReason::InputTypeUnsupported,
        ),
        (
            b"just text",
            "",
            "data",
            InvalidReason::InputTypeUnsupported,
        ),
        (
            JPEG,
            "text/html",
            "content_type",
            InvalidReason::InputTypeUnsupported,
        ),
    ] {
        let found = input(data(bytes, declared)).expect_err("is refused");
        assert_eq!(
            found[0].field,
            format!("input_references[0].{field}"),
            "{found:?}"
        );
        assert_eq!(found[0].reason, reason, "{found:?}");
    }
    let tight = Limits {
        inline_bytes: 13,
        ..Limits::default()
    };
    let found = Generation::new(&with("gen4.5", vec![data(JPEG, "")]), embedded(), &tight)
        .expect_err("large");
    assert_eq!(found[0].reason, InvalidReason::InputTooLarge);
}

#[test]
fn a_video_where_an_image_belongs_is_refused() {
    assert_eq!(
        refused(&with("gen4.5", vec![data(MP4, "")])),
        ["input_references[0]"]
    );
    let mut frame = data(MP4, "video/mp4");
    frame.role = Role::FirstFrame;
    let draft = Draft {
        operation: Some(Operation::ImageToVideo),
        ..with("gen4.5", vec![frame])
    };
    assert_eq!(refused(&draft), ["input_references[0].content_type"]);
    let unclear = url("https://example.com/a", Role::Character);
    let performance = url("https://example.com/b", Role::Performance);
    let act = Draft {
        model: "act_two".into(),
        inputs: vec![unclear, performance],
        ..Draft::default()
    };
    assert_eq!(refused(&act), ["input_references[0].content_type"]);
}

#[test]
fn sources_and_tags_are_checked_one_by_one() {
    let tagged = |tag: &str| DraftInput {
        tag: tag.into(),
        ..url(PICTURE, Role::Reference)
    };
    for (draft, expected) in [
        (
            with("gen4.5", vec![DraftInput::default()]),
            vec!["input_references[0]"],
        ),
        (
            with(
                "gen4.5",
                vec![DraftInput {
                    source: DraftSource::Upload("u".into()),
                    ..DraftInput::default()
                }],
            ),
            vec!["input_references[0].upload_id"],
        ),
        (
            with(
                "gen4.5",
                vec![url("data:image/png;base64,AA", Role::Unspecified)],
            ),
            vec!["input_references[0].url"],
        ),
        (
            with("gen4_image", vec![tagged("ab")]),
            vec!["input_references[0].tag"],
        ),
        (
            with("gen4_image", vec![tagged("1ab")]),
            vec!["input_references[0].tag"],
        ),
        (
            with("gen4_image", vec![tagged("lake"), tagged("LAKE")]),
            vec!["input_references[1].tag"],
        ),
        (
            with("seedance2", vec![tagged("lake")]),
            vec!["input_references[0].tag"],
        ),
    ] {
        assert_eq!(refused(&draft), expected);
    }
    assert!(check(&with("gen4_image", vec![tagged("lake"), tagged("Star_2")])).is_ok());
}

#[test]
fn a_voice_is_a_place_of_its_own() {
    let voice = with(
        "seed_audio",
        vec![url("https://example.com/a", Role::Voice)],
    );
    assert_eq!(check(&voice).unwrap().operation, Operation::TextToSpeech);
}

#[test]
fn keyframes_have_a_moment_and_ranges_together() {
    let frame = |moment: Option<Moment>, range: (Option<u32>, Option<u32>)| DraftInput {
        keyframe: Some(Keyframe {
            moment,
            range_start_seconds: range.0,
            range_end_seconds: range.1,
        }),
        ..url(PICTURE, Role::Keyframe)
    };
    let at = Some(Moment::Seconds(30.0));
    let plain = (None, None);
    let missing = url(PICTURE, Role::Keyframe);
    let misplaced = DraftInput {
        role: Role::Reference,
        ..frame(at, plain)
    };
    for (model, frames, expected) in [
        (
            "aleph2",
            vec![frame(at, plain), frame(Some(Moment::Fraction(1.0)), plain)],
            vec![],
        ),
        ("aleph2", vec![missing], vec!["[0].keyframe"]),
        ("aleph2", vec![frame(None, plain)], vec!["[0].keyframe"]),
        (
            "aleph2",
            vec![frame(Some(Moment::Seconds(30.5)), plain)],
            vec!["[0].keyframe.time"],
        ),
        (
            "aleph2",
            vec![frame(Some(Moment::Fraction(f64::NAN)), plain)],
            vec!["[0].keyframe.fraction"],
        ),
        (
            "aleph2",
            vec![frame(at, (Some(2), Some(2)))],
            vec!["[0].keyframe.range_end_seconds"],
        ),
        (
            "aleph2",
            vec![frame(at, (None, Some(2)))],
            vec!["[0].keyframe.range_end_seconds"],
        ),
        (
            "aleph2",
            vec![frame(at, (Some(1), Some(2))), frame(at, plain)],
            vec!["[1].keyframe.range_start_seconds"],
        ),
        ("klingO3_pro", vec![misplaced], vec!["[0].keyframe"]),
    ] {
        let mut draft = with(model, frames);
        draft
            .inputs
            .push(url("https://example.com/a.mp4", Role::Unspecified));
        let found = check(&draft).map_or_else(|found| found, |_| vec![]);
        let fields: Vec<_> = found
            .iter()
            .map(|invalid| invalid.field.replace("input_references", ""))
            .collect();
        assert_eq!(fields, expected, "{found:?}");
    }
}

#[test]
fn an_image_without_a_role_never_becomes_a_keyframe() {
    let video = url("https://example.com/a.mp4", Role::Unspecified);
    let draft = with("aleph2", vec![video, url(PICTURE, Role::Unspecified)]);
    assert_eq!(refused(&draft), ["input_references[1]"]);
}

#[test]
fn subjects_are_said_only_where_the_model_asks_and_so_often() {
    let of = |subject: &str| DraftInput {
        subject: subject.into(),
        ..url(PICTURE, Role::Reference)
    };
    assert!(check(&with("gemini_image3_pro", vec![of("human"); 5])).is_ok());
    let six = with("gemini_image3_pro", vec![of("human"); 6]);
    assert_eq!(refused(&six), ["input_references[5].subject"]);
    assert_eq!(
        refused(&with("gemini_image3_pro", vec![of("cat")])),
        ["input_references[0].subject"]
    );
    assert_eq!(
        refused(&with("gen4_image", vec![of("human")])),
        ["input_references[0].subject"]
    );
}

#[test]
fn an_upload_is_judged_by_what_is_known_of_it() {
    use crate::domain::upload::{SpoolId, UploadId};
    let upload = |content_type: &str, size_bytes, declared: &str| DraftInput {
        source: DraftSource::Uploaded(Uploaded {
            id: UploadId::new(SpoolId::new(1, [1; 10]), &[7; 32]),
            content_type: content_type.into(),
            size_bytes,
            sha256: [7; 32],
        }),
        content_type: declared.into(),
        measured: Measured {
            duration_ms: Some(5_000),
            ..Measured::default()
        },
        ..DraftInput::default()
    };
    let good = check(&with("gen4.5", vec![upload("image/png", 200_000_000, "")])).unwrap();
    let expected = InputSource::Inline {
        size_bytes: 200_000_000,
        sha256: [7; 32],
    };
    assert_eq!(good.inputs[0].source, expected);
    assert_eq!(good.inputs[0].content_type, "image/png");
    assert_eq!(good.inputs[0].measured.duration_ms, Some(5_000));
    for (input, field, reason) in [
        (
            upload("image/png", 9, "image/jpeg"),
            "input_references[0].content_type",
            InvalidReason::InputTypeUnsupported,
        ),
        (
            upload("image/png", 9, "text/html"),
            "input_references[0].content_type",
            InvalidReason::InputTypeUnsupported,
        ),
        (
            upload("image/png", 200_000_001, ""),
            "input_references[0].upload_id",
            InvalidReason::InputTooLarge,
        ),
        (
            upload("video/mp4", 9, ""),
            "input_references[0]",
            InvalidReason::FieldInvalid,
        ),
    ] {
        let found = check(&with("gen4.5", vec![input])).expect_err(field);
        assert_eq!(
            (found.len(), found[0].field.as_str()),
            (1, field),
            "{found:?}"
        );
        assert_eq!(found[0].reason, reason);
    }
}

#[test]
fn where_no_operation_takes_all_inputs_the_one_that_takes_the_most_says_what_is_amiss() {
    let draft = Draft {
        inputs: vec![
            url("https://example.com/a.jpg", Role::Unspecified),
            url("https://example.com/a.mp4", Role::Unspecified),
        ],
        ..ask("gen4.5")
    };
    let found = problem(&draft);
    assert_eq!(found.field, "input_references[1]");
    let problem = found.problem;
    assert!(
        problem.starts_with("gen4.5 for image_to_video takes no video"),
        "{problem}"
    );
}
