//! What is taken and what is refused, table by table.

mod adapted;
mod arbitrary;
mod inputs;
mod options;

use std::sync::OnceLock;

use bytes::Bytes;

use super::*;
use crate::config::catalog;

const JPEG: &[u8] = b"\xFF\xD8\xFF\xE0 a picture";
const MP4: &[u8] = b"\0\0\0\x18ftypisom a video";
const PICTURE: &str = "https://example.com/a.jpg";

fn embedded() -> &'static Catalog {
    static EMBEDDED: OnceLock<Catalog> = OnceLock::new();
    EMBEDDED.get_or_init(|| catalog::parse(catalog::EMBEDDED).unwrap())
}

fn check(draft: &Draft) -> Result<Generation, Vec<InvalidField>> {
    Generation::new(draft, embedded(), &Limits::default())
}

/// The fields that are refused, in order.
fn refused(draft: &Draft) -> Vec<String> {
    check(draft)
        .expect_err("is refused")
        .into_iter()
        .map(|invalid| invalid.field)
        .collect()
}

fn problem(draft: &Draft) -> InvalidField {
    let mut found = check(draft).expect_err("is refused");
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn ask(model: &str) -> Draft {
    Draft {
        model: model.into(),
        prompt: "a lake".into(),
        ..Draft::default()
    }
}

fn url(address: &str, role: Role) -> DraftInput {
    DraftInput {
        source: DraftSource::Url(address.into()),
        role,
        ..DraftInput::default()
    }
}

fn data(bytes: &'static [u8], content_type: &str) -> DraftInput {
    DraftInput {
        source: DraftSource::Data(Bytes::from_static(bytes)),
        content_type: content_type.into(),
        ..DraftInput::default()
    }
}

fn with(model: &str, inputs: Vec<DraftInput>) -> Draft {
    Draft {
        inputs,
        ..ask(model)
    }
}

fn pictures(model: &str, roles: &[Role]) -> Draft {
    with(
        model,
        roles.iter().map(|role| url(PICTURE, *role)).collect(),
    )
}

fn option(model: &str, name: &str, value: Value) -> Draft {
    Draft {
        options: BTreeMap::from([(name.into(), value)]),
        ..ask(model)
    }
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

fn object(fields: &[(&str, Value)]) -> Value {
    Value::Object(
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    )
}

#[test]
fn a_bare_request_gets_the_documented_defaults_and_they_are_echoed() {
    let generation = check(&ask("")).unwrap();
    assert_eq!(generation.model, "gen4.5");
    assert_eq!(generation.operation, Operation::TextToVideo);
    assert_eq!(
        (generation.seconds, generation.size.as_deref()),
        (Some(5), Some("1280:720"))
    );
    let generation = check(&ask("runwayml/gen4_image")).unwrap();
    assert_eq!(generation.size.as_deref(), Some("1920:1080"));
    let generation = check(&pictures("", &[Role::Unspecified])).unwrap();
    assert_eq!(generation.model, "gen4_turbo");
    assert_eq!(generation.seconds, None, "optional there, so not sent");
}

#[test]
fn a_required_size_that_a_model_lacks_becomes_the_nearest_of_the_same_shape() {
    for (model, expected) in [
        ("kling3.0_4k", "3840:2160"),
        ("klingO3_pro", "1920:1080"),
        ("gpt_image_2", "1920:1088"),
        ("gemini_2.5_flash", "1344:768"),
    ] {
        assert_eq!(
            check(&ask(model)).unwrap().size.as_deref(),
            Some(expected),
            "{model}"
        );
    }
}

#[test]
fn every_violation_is_answered_at_once() {
    let draft = Draft {
        prompt: "x".repeat(1001),
        seconds: Some(11),
        size: "7x7".into(),
        seed: Some(1 << 40),
        audio: Some(true),
        negative_prompt: "rain".into(),
        count: Some(2),
        inputs: vec![url("http://example.com/a.jpg", Role::LastFrame)],
        options: BTreeMap::from([("proresProfile".into(), text("422"))]),
        ..ask("gen4.5")
    };
    let mut fields = refused(&draft);
    fields.sort();
    assert_eq!(
        fields,
        [
            "audio",
            "count",
            "input_references[0].role",
            "input_references[0].url",
            "negative_prompt",
            "prompt",
            "provider_options.proresProfile",
            "seconds",
            "seed",
            "size",
        ]
    );
}

#[test]
fn unknown_models_are_refused_by_name_and_passed_through_when_qualified() {
    let found = problem(&pictures("gen4_turb", &[Role::Unspecified]));
    assert_eq!(
        (found.field.as_str(), found.reason),
        ("model", InvalidReason::ModelUnknown)
    );
    assert!(found.problem.contains("gen4_turbo"), "{}", found.problem);
    let found = problem(&ask("runwayml/gen9"));
    assert_eq!(found.field, "operation");
    assert!(found.problem.contains("text_to_video"), "{}", found.problem);
    let draft = Draft {
        operation: Some(Operation::TextToVideo),
        ..ask("runwayml/gen9")
    };
    let generation = check(&draft).unwrap();
    assert_eq!(
        (generation.model.as_str(), generation.seconds),
        ("gen9", None)
    );
    assert!(generation.notes[0].contains("passed on unchecked"));
}

#[test]
fn an_operation_that_the_model_lacks_is_refused_with_those_it_has() {
    let found = problem(&Draft {
        operation: Some(Operation::TextToImage),
        ..ask("gen4.5")
    });
    assert_eq!(found.field, "operation");
    assert!(
        found.problem.contains("text_to_video, image_to_video"),
        "{}",
        found.problem
    );
}

#[test]
fn what_is_wrong_in_any_case_is_told_beside_an_unknown_model_or_operation() {
    let wrong = |draft: Draft| Draft {
        seconds: Some(99),
        prompt: "x".repeat(1001),
        seed: Some(1 << 40),
        inputs: vec![url("ftp://example.com/a.jpg", Role::Mask)],
        ..draft
    };
    let both = [
        "seed",
        "input_references[0].url",
        "model",
        "input_references[0].role",
        "prompt",
        "seconds",
    ];
    let mut found = refused(&wrong(ask("gen4.6")));
    found.sort();
    let mut expected = both.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "gen4.5 is meant");
    let nothing_near = refused(&wrong(ask("stable-diffusion-xl")));
    assert_eq!(nothing_near, ["seed", "input_references[0].url", "model"]);
    let mut found = refused(&Draft {
        operation: Some(Operation::TextToImage),
        ..wrong(ask("gen4.5"))
    });
    found.sort();
    expected.retain(|field| *field != "model");
    expected.push("operation");
    expected.sort_unstable();
    assert_eq!(found, expected, "gen4.5 takes these for no operation");
}

#[test]
fn sizes_are_matched_in_any_spelling_and_refused_with_the_list() {
    for (model, size, expected) in [
        ("gen4.5", "720x1280", "720:1280"),
        ("hailuo3", "16:9", "16:9"),
        ("hailuo3", "768P", "768P"),
        ("h3_max", "480P", "480p"),
        ("kling_4", "AUTO_720P", "auto_720p"),
        ("seedream5_lite", "4096x1024", "4096:1024"),
        ("gen4_image", "1792x1024", "1920:1080"),
        ("gen4_image", "1024x1792", "1080:1920"),
    ] {
        let generation = check(&Draft {
            size: size.into(),
            ..ask(model)
        })
        .unwrap();
        assert_eq!(generation.size.as_deref(), Some(expected), "{model} {size}");
        assert_eq!(
            generation.notes.len(),
            usize::from(size.contains("1792")),
            "{model} {size}"
        );
    }
    let found = problem(&Draft {
        size: "1792x1024".into(),
        ..ask("gen4.5")
    });
    assert!(
        found.problem.contains("1280:720, 720:1280"),
        "{}",
        found.problem
    );
    let draft = Draft {
        size: "1280x720".into(),
        ..ask("klingO3_pro")
    };
    assert_eq!(refused(&draft), ["size"]);
    let video = vec![url("https://example.com/a.mp4", Role::Unspecified)];
    let found = problem(&Draft {
        size: "1280x720".into(),
        ..with("gemini_omni_flash", video)
    });
    assert!(
        found.problem.contains("no choice of size"),
        "{}",
        found.problem
    );
    assert_eq!(
        refused(&Draft {
            size: "4096x256".into(),
            ..ask("seedream5_lite")
        }),
        ["size"]
    );
}

#[test]
fn durations_are_whole_seconds_unless_the_option_says_otherwise() {
    assert_eq!(
        refused(&Draft {
            seconds: Some(5),
            ..ask("veo3.1")
        }),
        ["seconds"]
    );
    assert_eq!(
        check(&Draft {
            seconds: Some(6),
            ..ask("veo3.1")
        })
        .unwrap()
        .seconds,
        Some(6)
    );
    let auto = option("seedance2", "duration", text("auto"));
    assert_eq!(check(&auto).unwrap().seconds, None);
    assert_eq!(
        refused(&Draft {
            seconds: Some(5),
            ..auto
        }),
        ["provider_options.duration"]
    );
    let half = option("eleven_text_to_sound_v2", "duration", Value::Number(0.5));
    assert!(check(&half).is_ok());
    assert_eq!(
        refused(&option("gen4.5", "duration", Value::Number(5.5))),
        ["provider_options.duration"]
    );
    let seven = check(&option("gen4.5", "duration", Value::Number(7.0))).unwrap();
    assert_eq!(
        (seven.seconds, seven.options.len()),
        (Some(7), 0),
        "shown where it belongs"
    );
    assert_eq!(
        refused(&Draft {
            seconds: Some(0),
            ..ask("wan3")
        }),
        ["seconds"]
    );
}

#[test]
fn nul_and_sheer_amount_are_refused() {
    assert_eq!(
        refused(&Draft {
            prompt: "a\0b".into(),
            ..ask("gen4.5")
        }),
        ["prompt"]
    );
    assert_eq!(
        refused(&option("gen4_image", "x", text("\0"))),
        ["provider_options.x"]
    );
    assert_eq!(
        refused(&with("gen4.5", vec![DraftInput::default(); 65])),
        ["input_references"]
    );
    let many = (0..65)
        .map(|index| (format!("o{index}"), Value::Null))
        .collect();
    assert_eq!(
        refused(&Draft {
            options: many,
            ..ask("gen4.5")
        }),
        ["provider_options"]
    );
    assert_eq!(
        refused(&option("gen4_image", "x", text(&"y".repeat(70_000)))),
        ["provider_options"]
    );
    assert_eq!(
        refused(&Draft {
            prompt: "y".repeat(32_001),
            ..ask("wan3")
        }),
        ["prompt"]
    );
    assert!(
        check(&Draft {
            prompt: "ä".repeat(32_000),
            ..ask("wan3")
        })
        .is_ok()
    );
    let mut deep = Value::Null;
    (0..8).for_each(|_| deep = Value::List(vec![deep.clone()]));
    assert_eq!(
        refused(&option("gen4_image", "x", deep)),
        ["provider_options.x"]
    );
    assert_eq!(
        refused(&Draft {
            prompt: " \n".into(),
            ..ask("gen4.5")
        }),
        ["prompt"]
    );
}

#[test]
fn prompts_are_measured_in_utf16_code_units() {
    let draft = |prompt: String| Draft {
        prompt,
        ..ask("gen4.5")
    };
    assert!(check(&draft("🌊".repeat(500))).is_ok());
    assert_eq!(refused(&draft("🌊".repeat(501))), ["prompt"]);
    assert!(
        check(&draft("ä".repeat(1000))).is_ok(),
        "2000 bytes, 1000 units"
    );
}

#[test]
fn no_answer_repeats_much_of_what_the_caller_sent() {
    let long = "\u{1b}[31m".to_owned() + &"z".repeat(60_000);
    let mut draft = option("hailuo3", "x", object(&[(&long, Value::Null)]));
    draft.size = "y".repeat(150);
    draft.inputs = vec![data(JPEG, "image/"), url(&long, Role::Mask)];
    draft.inputs[0].content_type = long;
    for invalid in check(&draft).expect_err("is refused") {
        assert!(
            invalid.field.len() < 1_000 && invalid.problem.len() < 2_500,
            "{invalid}"
        );
        assert!(!invalid.to_string().contains('\u{1b}'));
    }
}

#[test]
fn a_hidden_model_is_not_offered_however_it_is_asked_for() {
    let mut catalog = embedded().clone();
    catalog.hide("gen4.5");
    for name in ["gen4.5", "runwayml/gen4.5"] {
        let found = Generation::new(&ask(name), &catalog, &Limits::default()).unwrap_err();
        assert_eq!(found[0].reason, InvalidReason::ModelUnknown);
        assert!(
            found[0].problem.starts_with("is not offered here; "),
            "{found:?}"
        );
    }
}

#[test]
fn a_video_without_a_length_has_the_default_where_its_model_lets_one_be_chosen() {
    let seconds = |draft: Draft| {
        let asked = Draft {
            default_seconds: Some(5),
            ..draft.clone()
        };
        check(&asked).unwrap().seconds
    };
    let animated = |model| pictures(model, &[Role::Unspecified]);
    for (draft, expected) in [
        (animated("gen4_turbo"), Some(5)),
        (ask("gen4.5"), Some(5)),
        (ask("veo3.1"), Some(4)),
        (ask("kling2.5_turbo_pro"), Some(5)),
        (ask("seedance2"), Some(5)),
        (ask("wan3"), Some(5)),
    ] {
        let model = draft.model.clone();
        assert_eq!(seconds(draft.clone()), expected, "{model}");
        let said = Draft {
            seconds: Some(8),
            ..draft.clone()
        };
        if check(&said).is_ok() {
            assert_eq!(seconds(said), Some(8), "{model}");
        }
    }
    let long = |draft: Draft| {
        let draft = Draft {
            default_seconds: Some(8),
            ..draft
        };
        check(&draft).unwrap().seconds
    };
    assert_eq!(long(ask("gen4.5")), Some(8));
    assert_eq!(long(animated("gen4_turbo")), Some(8));
    assert_eq!(long(ask("kling2.5_turbo_pro")), Some(10));
    assert_eq!(check(&ask("veo3.1")).unwrap().seconds, None);
    let part = |seconds| {
        let prompt = Value::String("a".to_owned());
        let fields = [("duration", Value::Int(seconds)), ("prompt", prompt)];
        Value::Object(fields.map(|(name, value)| (name.to_owned(), value)).into())
    };
    let parts = Value::List(vec![part(5), part(5)]);
    let mut shots = ask("kling3.0_pro");
    let settings = Value::Object([("multiPrompt".to_owned(), parts)].into());
    shots.options.insert("providerSettings".into(), settings);
    assert_eq!(seconds(shots), None);
    let mut auto = ask("seedance2");
    auto.options
        .insert("duration".into(), Value::String("auto".into()));
    assert_eq!(seconds(auto), None);
    // Of a model that nobody knows, nobody knows what it takes.
    let mut foreign = ask("runwayml/gen9");
    foreign.operation = Some(Operation::TextToVideo);
    assert_eq!(seconds(foreign), None);
}

#[test]
fn no_default_length_makes_a_request_bad() {
    for id in embedded().ids() {
        for draft in [ask(id), pictures(id, &[Role::Unspecified])] {
            let asked = Draft {
                default_seconds: Some(5),
                ..draft.clone()
            };
            assert_eq!(check(&asked).is_ok(), check(&draft).is_ok(), "{id}");
        }
    }
}
