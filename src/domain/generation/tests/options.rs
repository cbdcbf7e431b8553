//! Options of the provider's own, and rules across fields.

use super::*;
use crate::domain::model::{Extras, Spec};

#[test]
fn options_that_repeat_a_field_are_refused_with_its_name() {
    for (name, value, field) in [
        ("promptText", text("x"), "prompt"),
        ("ratio", text("720:1280"), "size"),
        ("seed", Value::Int(1), "seed"),
        ("model", text("veo3.1"), "model"),
    ] {
        let draft = Draft {
            size: "1280x720".into(),
            seed: Some(1),
            ..option("gen4.5", name, value)
        };
        let found = problem(&draft);
        assert_eq!(found.field, format!("provider_options.{name}"));
        assert!(found.problem.contains(field), "{}", found.problem);
    }
    let image = Draft {
        operation: Some(Operation::ImageToVideo),
        ..option("gen4.5", "promptImage", text("https://10.0.0.1/a.jpg"))
    };
    assert_eq!(
        refused(&image),
        ["input_references", "provider_options.promptImage"]
    );
    let other = Draft {
        size: "16:9".into(),
        ..option("hailuo3", "resolution", text("2k"))
    };
    assert!(
        check(&other).is_ok(),
        "the other of two sizes goes in the options"
    );
    let instead = option("gen4.5", "ratio", text("720:1280"));
    let instead = check(&instead).unwrap();
    assert_eq!(instead.size.as_deref(), Some("720:1280"));
    assert!(instead.options.is_empty(), "shown where it belongs");
}

#[test]
fn every_size_that_a_model_requires_is_filled_in_or_missed() {
    let ratio = r#""ratio": {"enum": ["1280:720", "720:1280"], "required": true}"#;
    let with = |resolution: &str, draft: &Draft| {
        let both = format!(r#"{ratio}, "resolution": {resolution}"#);
        let text = catalog::EMBEDDED.replacen(ratio, &both, 1);
        let catalog = catalog::parse(&text).unwrap();
        Generation::new(draft, &catalog, &Limits::default())
    };
    let listed = r#"{"enum": ["720p", "1080p"], "required": true}"#;
    let sized = |size: &str, resolution: Option<&str>| {
        let options = resolution.map(|given| ("resolution".to_owned(), text(given)));
        let draft = Draft {
            size: size.into(),
            options: options.into_iter().collect(),
            ..ask("gen4.5")
        };
        let made = with(listed, &draft).unwrap();
        let other = |name: &str| made.options.get(name).cloned();
        (
            made.size.clone().unwrap(),
            other("ratio"),
            other("resolution"),
        )
    };
    for (size, option, expected) in [
        ("", None, ("1280:720", None, Some("720p"))),
        ("720x1280", None, ("720:1280", None, Some("720p"))),
        ("720x1280", Some("1080p"), ("720:1280", None, Some("1080p"))),
        ("1080p", None, ("1080p", Some("1280:720"), None)),
    ] {
        let (size_made, ratio, resolution) = expected;
        let expected = (size_made.to_owned(), ratio.map(text), resolution.map(text));
        assert_eq!(sized(size, option), expected, "{size} {option:?}");
    }
    let open = r#"{"type": "string", "required": true}"#;
    let missed = with(open, &ask("gen4.5")).unwrap_err();
    assert_eq!(missed[0].field, "provider_options.resolution", "{missed:?}");
}

#[test]
fn typed_fields_given_by_the_providers_name_take_their_own_place() {
    let draft = Draft {
        options: [
            ("duration", Value::Number(6.0)),
            ("ratio", text("1920:1080")),
            ("seed", Value::Int(7)),
            ("audio", Value::Bool(false)),
            ("negativePrompt", text("rain")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
        ..ask("veo3.1")
    };
    let generation = check(&draft).unwrap();
    assert_eq!(
        (generation.seconds, generation.size.as_deref()),
        (Some(6), Some("1920:1080"))
    );
    assert_eq!((generation.seed, generation.audio), (Some(7), Some(false)));
    assert_eq!(generation.negative_prompt, "rain");
    assert!(generation.options.is_empty());
    let half = check(&option("mirelo_sfx_2_0", "duration", Value::Number(2.5))).unwrap();
    assert_eq!((half.seconds, half.options.len()), (None, 1));
    let both = Draft {
        options: [("ratio", text("16:9")), ("resolution", text("2k"))]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        ..ask("hailuo3")
    };
    let both = check(&both).unwrap();
    assert_eq!(both.size.as_deref(), Some("16:9"));
    assert_eq!(both.options.get("resolution"), Some(&text("2k")));
    let free = Draft {
        inputs: vec![url("https://example.com/a.mp4", Role::Unspecified)],
        ..option("aleph2", "ratio", text("16:9"))
    };
    assert_eq!(check(&free).unwrap().size, None, "16:9 is another field's");
}

#[test]
fn typed_fields_given_by_the_providers_name_keep_every_bound() {
    for (model, name, value) in [
        ("wan3", "duration", Value::Int(-5)),
        ("wan3", "duration", Value::Int(0)),
        ("wan3", "duration", Value::Int(3_601)),
        ("mirelo_sfx_2_0", "duration", Value::Number(0.0)),
        ("veo3.1", "seed", Value::Int(-1)),
        ("veo3.1", "seed", Value::Int(1 << 32)),
        ("muse_image", "outputCount", Value::Int(0)),
        ("muse_image", "outputCount", Value::Int(65)),
    ] {
        let found = problem(&option(model, name, value));
        assert_eq!(found.field, format!("provider_options.{name}"));
        assert!(found.problem.contains("must be"), "{}", found.problem);
    }
}

#[test]
fn a_number_stands_for_the_listed_text_that_spells_it() {
    let framed = |rate: Value| Draft {
        prompt: String::new(),
        inputs: vec![url("https://example.com/a.mp4", Role::Unspecified)],
        ..option("enhance_frame_rate", "targetFramerate", rate)
    };
    let taken = check(&framed(Value::Number(24.0))).unwrap();
    assert_eq!(taken.options["targetFramerate"], text("24"));
    let field = "provider_options.targetFramerate";
    assert_eq!(refused(&framed(Value::Number(23.98))), [field]);
    assert_eq!(refused(&framed(Value::Int(23))), [field]);
}

#[test]
fn a_measured_input_plays_as_long_as_the_model_takes() {
    let playing = |model: &str, role: Role, ms: Option<u64>| {
        let mut inputs = vec![url("https://example.com/a.mp4", role)];
        inputs[0].measured.duration_ms = ms;
        if role == Role::Performance {
            inputs.push(url(PICTURE, Role::Character));
        }
        check(&Draft {
            prompt: String::new(),
            ..with(model, inputs)
        })
    };
    let (source, performance) = (Role::SourceVideo, Role::Performance);
    for (model, role, taken, refused) in [
        ("aleph2", source, [2_000, 30_000], &[1_999, 30_001][..]),
        ("act_two", performance, [3_000, 30_000], &[2_999, 30_001]),
        ("ruby", source, [1, 30_000], &[30_001]),
        (
            "magnific_video_upscaler_creative",
            source,
            [1, 30_000],
            &[30_001],
        ),
    ] {
        assert!(playing(model, role, None).is_ok(), "{model}");
        for ms in taken {
            assert!(playing(model, role, Some(ms)).is_ok(), "{model} {ms}");
        }
        for ms in refused {
            let found = playing(model, role, Some(*ms)).expect_err(model);
            assert_eq!(found[0].field, "input_references[0]", "{model} {ms}");
            assert!(found[0].problem.contains(" 30 s"), "{found:?}");
        }
    }
}

#[test]
fn options_are_judged_by_the_catalogue_down_to_their_parts() {
    let voice =
        |preset: &str| object(&[("type", text("runway-preset")), ("presetId", text(preset))]);
    assert!(check(&option("eleven_v3", "voice", voice("Maya"))).is_ok());
    assert_eq!(
        refused(&option("eleven_v3", "voice", voice("Nobody"))),
        ["provider_options.voice.presetId"]
    );
    assert_eq!(refused(&ask("eleven_v3")), ["provider_options.voice"]);
    let found = problem(&option("hailuo3", "foo", Value::Bool(true)));
    assert_eq!(found.reason, InvalidReason::OptionUnsupported);
    let inside = |address: &str| {
        option(
            "gen4_image",
            "x",
            Value::List(vec![object(&[("uri", text(address))])]),
        )
    };
    assert!(check(&inside(PICTURE)).is_ok());
    let found = problem(&inside("https://127.0.0.1/a.jpg"));
    assert_eq!(found.field, "provider_options.x[0].uri");
    assert_eq!(found.reason, InvalidReason::InputUrlForbidden);
}

#[test]
fn rules_across_fields_hold() {
    let shot = |seconds: i64| {
        let shots = vec![object(&[
            ("prompt", text("a")),
            ("duration", Value::Int(seconds)),
        ])];
        option(
            "kling3.0_pro",
            "providerSettings",
            object(&[("multiPrompt", Value::List(shots))]),
        )
    };
    assert!(check(&shot(15)).is_ok());
    assert_eq!(
        refused(&shot(16)),
        ["provider_options.providerSettings.multiPrompt"]
    );
    assert_eq!(
        refused(&shot(2)),
        ["provider_options.providerSettings.multiPrompt"]
    );
    let size = |size: &str, draft: Draft| Draft {
        size: size.into(),
        ..draft
    };
    assert_eq!(refused(&size("adaptive", ask("hailuo3"))), ["size"]);
    let sound = with(
        "hailuo3",
        vec![url("https://example.com/a.mp3", Role::ReferenceAudio)],
    );
    assert_eq!(refused(&size("adaptive", sound)), ["size"]);
    assert!(check(&size("adaptive", pictures("hailuo3", &[Role::Reference]))).is_ok());
    assert_eq!(
        refused(&size("1280x720", pictures("wan3", &[Role::FirstFrame]))),
        ["size"]
    );
    assert!(check(&size("1280x720", pictures("wan3", &[Role::Reference]))).is_ok());
    assert!(check(&size("auto_720p", pictures("wan3", &[Role::FirstFrame]))).is_ok());
    let profile = option("gen4.5", "proresProfile", text("422 HQ"));
    assert_eq!(refused(&profile), ["provider_options.proresProfile"]);
    let mut both = profile;
    both.options.insert("outputFormat".into(), text("prores"));
    assert!(check(&both).is_ok());
}

#[test]
fn drafts_and_modes_of_seedance_follow_their_rules() {
    let enhance = option("seedance2_5", "draftTaskId", text("17f2"));
    assert!(
        check(&Draft {
            prompt: String::new(),
            ..enhance.clone()
        })
        .is_ok()
    );
    assert_eq!(
        refused(&Draft {
            seconds: Some(5),
            ..enhance
        }),
        ["prompt", "seconds"]
    );
    assert_eq!(
        refused(&Draft {
            prompt: String::new(),
            ..ask("seedance2_5")
        }),
        ["prompt"]
    );
    let mode = |mode: &str| Draft {
        inputs: vec![url("https://example.com/a.mp4", Role::Unspecified)],
        ..option("seedance2_5", "mode", text(mode))
    };
    assert!(
        check(&Draft {
            size: "1280x720".into(),
            ..mode("reference")
        })
        .is_ok()
    );
    assert!(check(&mode("extend")).is_ok());
    assert_eq!(
        refused(&Draft {
            size: "1280x720".into(),
            ..mode("extend")
        }),
        ["size"]
    );
    assert_eq!(
        refused(&Draft {
            prompt: String::new(),
            ..mode("extend")
        }),
        ["prompt"]
    );
    assert_eq!(refused(&mode("edit")), ["provider_options.duration"]);
    assert_eq!(
        refused(&Draft {
            seconds: Some(5),
            ..mode("edit")
        }),
        ["seconds", "provider_options.duration"]
    );
    let mut edit = mode("edit");
    edit.options.insert("duration".into(), text("auto"));
    assert!(check(&edit).is_ok());
}

#[test]
fn an_option_that_may_be_misspelt_is_passed_on_with_a_note() {
    let told = |name: &str| {
        let generation = check(&option("gen4.5", name, text("prores"))).unwrap();
        assert!(generation.options.contains_key(name));
        generation.notes
    };
    let expected = "gen4.5 does not list the option outputFromat, which is passed on; \
                    did you mean outputFormat?";
    assert_eq!(told("outputFromat"), [expected]);
    assert_eq!(told("camera"), Vec::<String>::new());
    let model = embedded().ids().find_map(|id| {
        let offer = embedded().offer(id)?;
        let loose = |spec: &&Spec| spec.extras == Extras::Unknown && spec.typed.seed.is_some();
        Some((id, offer.values().find(loose)?))
    });
    let (id, spec) = model.expect("the catalogue does not know everything");
    let draft = option(id, "sead", Value::Int(1));
    let chosen = super::super::choice::Chosen {
        id: id.to_owned(),
        operation: Operation::TextToVideo,
        spec,
        known: true,
    };
    let notes = super::super::options::notes(&draft, &chosen);
    assert!(
        notes[0].ends_with("passed on unchecked: sead (did you mean seed?)"),
        "{notes:?}"
    );
}
