//! What a price may look like, and what is refused.

use serde_json::json;

use super::super::{CatalogErrors, EMBEDDED, parse};
use super::*;
use crate::domain::generation::Operation;

/// The embedded file with another price of one model, and other named tariffs.
fn with(path: &str, model: &str, price: &Json, tariffs: &Json) -> Result<Tariff, CatalogErrors> {
    let mut file: Json = serde_json::from_str(EMBEDDED).unwrap();
    file["endpoints"][path]["models"][model]["_price"] = price.clone();
    let named = file["tariffs"].as_object_mut().unwrap();
    named.extend(tariffs.as_object().unwrap().clone());
    let catalog = parse(&file.to_string())?;
    let operation = Operation::parse(path.trim_start_matches("/v1/")).unwrap();
    let spec = catalog.spec(model, operation).unwrap();
    Ok(spec.price.clone().expect("is priced"))
}

fn refused(price: &Json) -> String {
    with("/v1/text_to_video", "gen4.5", price, &json!({}))
        .expect_err("is refused")
        .to_string()
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    let part = |part: Json| json!({"parts": [part]});
    let rate = |rate: Json| part(json!({"unit": "output_second", "rates": [rate]}));
    let when = |when: Json| rate(json!({"credits": 1, "when": [when]}));
    let also = |name: &str, value: Json| {
        let mut row = part(json!({"unit": "task", "credits": 1}));
        row[name] = value;
        row
    };
    for (price, word) in [
        (json!("gen4.6"), "gen4.6"),
        (json!(12), "_price"),
        (json!({}), "must charge something"),
        (json!({"part": []}), "part"),
        (
            part(json!({"unit": "output_minute", "credits": 1})),
            "output_minute: is no known unit",
        ),
        (
            part(json!({"unit": "task", "credits": 1, "colour": 1})),
            "colour",
        ),
        (part(json!({"unit": "task"})), "rates"),
        (
            part(json!({"unit": "task", "credits": 1, "rates": [{"credits": 1}]})),
            "rates",
        ),
        (
            part(json!({"unit": "task", "credits": 0})),
            "must charge something",
        ),
        (part(json!({"unit": "task", "credits": -1})), "credits"),
        (part(json!({"unit": "task", "credits": 0.0001})), "credits"),
        (part(json!({"unit": "task", "credits": 1e12})), "credits"),
        (
            part(json!({"unit": "task", "credits": 1, "per": 0})),
            "nonzero",
        ),
        (
            part(json!({"unit": "task", "credits": 1, "roles": ["reference"]})),
            "roles",
        ),
        (part(json!({"unit": "reference", "credits": 1})), "roles"),
        (
            part(json!({"unit": "reference", "credits": 1, "roles": ["prop"]})),
            "prop",
        ),
        (
            part(json!({"unit": "reference", "credits": 1, "roles": ["reference"]})),
            "does not take",
        ),
        (rate(json!({})), "credits"),
        (rate(json!({"credits": 1, "unknown": true})), "credits"),
        (
            when(json!({"field": "resolution", "is": ["720p"]})),
            "resolution: is no field of the model",
        ),
        (when(json!({"field": "outputFormat", "is": ["mp5"]})), "mp5"),
        (when(json!({"field": "outputFormat"})), "when"),
        (
            when(json!({"field": "outputFormat", "is": ["mp4"], "given": true})),
            "when",
        ),
        (
            when(json!({"field": "outputFormat", "pixels_above": 1})),
            "outputFormat: is no size",
        ),
        (when(json!({"pixels_above": 1})), "when"),
        (
            when(json!({"input": "source_video", "pixels_above": 1})),
            "source_video: is a role that the model does not take",
        ),
        (when(json!({"field": "ratio", "pixels": 1})), "pixels"),
        (also("minimum", json!(0.5555)), "credits"),
        (
            also("defaults", json!({"quality": "low"})),
            "defaults.quality: ",
        ),
        (also("defaults", json!({"outputFormat": "mp5"})), "mp5"),
        (
            also("follows", json!("source_video")),
            "follows.source_video: ",
        ),
        (
            also("longest_seconds", json!({"source_video": 30})),
            "longest_seconds.source_video: ",
        ),
    ] {
        let error = refused(&price);
        assert!(
            error.contains("/v1/text_to_video gen4.5") && error.contains(word),
            "{price}: {error}"
        );
    }
}

#[test]
fn a_tariff_takes_over_what_it_is_like_and_adds_to_it() {
    let named = json!({
        "base": {"parts": [{"unit": "output_second", "credits": 2}], "minimum": 9, "defaults": {"audio": true}},
        "more": {"like": "base", "parts": [{"unit": "task", "credits": 0.25, "per": 3}]}
    });
    let own = json!({"like": "more", "minimum": 5});
    let tariff = with("/v1/text_to_video", "veo3.1", &own, &named).unwrap();
    let parts = [(Unit::OutputSecond, 2000, 1), (Unit::Task, 250, 3)];
    let parts = parts.map(|(unit, price, per)| Part {
        unit,
        rates: vec![Rate {
            when: Vec::new(),
            amount: Some(Amount {
                price: Millicredits(price),
                per: NonZeroU64::new(per).unwrap(),
                fractions: false,
            }),
        }],
    });
    assert_eq!(
        tariff,
        Tariff {
            parts: parts.to_vec(),
            minimum: Some(Millicredits(5000)),
            defaults: BTreeMap::from([("audio".to_owned(), Value::Bool(true))]),
            ..Tariff::default()
        }
    );
}

#[test]
fn named_tariffs_are_checked_though_none_uses_them() {
    let with = |named: Json| with("/v1/text_to_video", "gen4.5", &json!("gen4.5"), &named);
    let error = with(json!({"mine": {"parts": [{"unit": "task", "credit": 1}]}}));
    let error = error.expect_err("is refused").to_string();
    assert!(
        error.contains("tariffs mine") && error.contains("credit"),
        "{error}"
    );
    assert!(
        with(json!({"mine": {"parts": []}})).is_ok(),
        "no model has it"
    );
    let error = with(json!({"gen4.5": {"like": "gen4.5"}})).expect_err("goes in a circle");
    assert!(error.to_string().contains("like itself"), "{error}");
}
