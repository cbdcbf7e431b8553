//! What a fallback asks for in the first model's place.

use super::*;

fn adapted(draft: &Draft, model: &str) -> Result<Adapted, String> {
    check(draft).unwrap().for_model(model, embedded())
}

fn with_size(model: &str, seconds: Option<u32>, size: &str) -> Draft {
    Draft {
        seconds,
        size: size.to_owned(),
        ..ask(model)
    }
}

#[test]
fn the_same_model_is_asked_for_the_same() {
    let draft = with_size("gen4.5", Some(5), "1280x720");
    let same = adapted(&draft, "gen4.5").unwrap();
    assert_eq!(same.generation, check(&draft).unwrap());
    assert!(same.changes.is_empty());
}

/// From a model with a length and a size to another: what is asked for there.
#[test]
fn lengths_become_the_next_longer_and_sizes_the_nearest_of_the_same_shape() {
    for (from, seconds, size, to, seconds_there, size_there, changes) in [
        ("gen4.5", 5, "1280:720", "veo3.1", 6, "1280:720", 1),
        ("gen4.5", 8, "720:1280", "veo3.1", 8, "720:1280", 0),
        ("gen4.5", 10, "1280:720", "veo3.1", 8, "1280:720", 1),
        ("veo3.1", 4, "1920:1080", "gen4.5", 4, "1280:720", 1),
        ("veo3.1", 6, "1080:1920", "gen4.5", 6, "720:1280", 1),
    ] {
        let draft = with_size(from, Some(seconds), size);
        let there = adapted(&draft, to).unwrap();
        let generation = &there.generation;
        assert_eq!(generation.model, to);
        let asked = (generation.seconds, generation.size.as_deref());
        assert_eq!(
            asked,
            (Some(seconds_there), Some(size_there)),
            "{from} to {to}"
        );
        assert_eq!(there.changes.len(), changes, "{:?}", there.changes);
    }
}

#[test]
fn what_another_model_does_not_take_makes_it_unfit_and_is_named() {
    let long = Draft {
        prompt: "a".repeat(1_001),
        ..option("seedance2", "nothing", Value::Null)
    };
    assert!(check(&long).is_err(), "it is not even valid");
    for (draft, to, named) in [
        (ask("gen4.5"), "gen4_image", "does not do"),
        (ask("gen4.5"), "gen4_turbo", "does not do"),
        (
            Draft {
                seed: Some(7),
                ..ask("gen4.5")
            },
            "kling3.0_pro",
            "seed",
        ),
        (
            Draft {
                audio: Some(true),
                ..ask("veo3.1")
            },
            "gen4.5",
            "audio",
        ),
    ] {
        let why = adapted(&draft, to).expect_err(named);
        assert!(why.contains(named) && why.contains(to), "{why}");
    }
}

#[test]
fn an_option_of_one_provider_is_none_of_another() {
    let draft = option(
        "gen4.5",
        "contentModeration",
        object(&[("publicFigureThreshold", text("low"))]),
    );
    let why = adapted(&draft, "openai/sora-2").expect_err("a foreign option");
    assert!(why.contains("contentModeration"), "{why}");
    assert!(adapted(&draft, "runway-to-come").is_ok(), "passed through");
}

/// Whatever is adapted is a request that the other model takes as it is; what is not adapted says
/// why.
#[test]
fn what_is_adapted_is_valid_there_for_every_pair_of_models() {
    let catalog = embedded();
    let (mut fitted, mut unfit) = (0, 0);
    for from in catalog.ids() {
        let offer = catalog.offer(from).unwrap();
        for operation in offer.keys() {
            let draft = Draft {
                operation: Some(*operation),
                ..ask(from)
            };
            let Ok(generation) = check(&draft) else {
                continue;
            };
            for to in catalog.ids() {
                match generation.for_model(to, catalog) {
                    Ok(there) => {
                        assert_valid(&there.generation);
                        fitted += 1;
                    }
                    Err(why) => {
                        assert!(why.contains(to), "{why}");
                        unfit += 1;
                    }
                }
            }
        }
    }
    assert!(
        fitted > 300 && unfit > 300,
        "{fitted} fitted, {unfit} unfit"
    );
}

fn assert_valid(generation: &Generation) {
    let again = Draft {
        model: generation.model.clone(),
        prompt: generation.prompt.clone(),
        seconds: generation.seconds,
        size: generation.size.clone().unwrap_or_default(),
        count: generation.count,
        operation: Some(generation.operation),
        options: generation.options.clone(),
        ..Draft::default()
    };
    let again = check(&again).expect("valid there");
    assert_eq!(
        (again.seconds, again.size),
        (generation.seconds, generation.size.clone())
    );
}

/// The embedded catalogue without what `is_lost` says of a model and its endpoint.
fn without(is_lost: impl Fn(&str, &str) -> bool) -> Catalog {
    let mut json: serde_json::Value = serde_json::from_str(catalog::EMBEDDED).unwrap();
    for (path, endpoint) in json["endpoints"].as_object_mut().unwrap() {
        let models = endpoint["models"].as_object_mut().unwrap();
        models.retain(|model, _| !is_lost(model, path));
    }
    catalog::parse(&json.to_string()).unwrap()
}

#[test]
fn what_the_catalogue_has_lost_is_asked_in_the_usual_words_or_not_at_all() {
    let draft = Draft {
        operation: Some(Operation::TextToVideo),
        ..with_size("veo3.1", Some(4), "1280x720")
    };
    let generation = check(&draft).unwrap();
    let lost = without(|model, _| model == "veo3.1");
    let same = generation.for_model("veo3.1", &lost).unwrap();
    assert_eq!(same.generation, generation);
    let lost = without(|model, endpoint| model == "veo3.1" && endpoint == "/v1/text_to_video");
    let why = generation.for_model("veo3.1", &lost).unwrap_err();
    assert!(why.contains("veo3.1 does not do"), "{why}");
    assert!(generation.for_model("gen4.5", &lost).is_ok());
}

#[test]
fn what_the_catalogue_never_knew_is_asked_as_it_was_checked() {
    for operation in Operation::ALL {
        let draft = Draft {
            operation: Some(operation),
            ..ask("runwayml/gen99")
        };
        let Ok(generation) = check(&draft) else {
            continue;
        };
        let same = generation.for_model("gen99", embedded());
        assert_eq!(same.unwrap().generation, generation, "{operation}");
    }
}
