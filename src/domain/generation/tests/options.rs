//! Options of the provider's own, and rules across fields.

use super::*;

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
    assert_eq!(check(&instead).unwrap().size, None);
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
    let mut edit = mode("edit");
    edit.options.insert("duration".into(), text("auto"));
    assert!(check(&edit).is_ok());
}
