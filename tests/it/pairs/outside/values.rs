//! Values that a member does not take.

use serde_json::{Value as Json, json};

use super::super::catalogue::{bound, range};
use super::super::requests::sample;

/// Values that a member does not take, each with the path to what is wrong in it.
pub(super) fn wrong_values(field: &Json, strict: bool) -> Vec<(String, Json)> {
    let here = |value: Json| (String::new(), value);
    let mut wrong = vec![here(json!([[]])), here(Json::Null)];
    let (low, high) = range(field);
    match field["type"].as_str() {
        Some(kind @ ("integer" | "number")) => {
            wrong.extend(low.map(|low| here(json!(low - 1.0))));
            wrong.extend(
                high.filter(|high| *high < 1e9)
                    .map(|high| here(json!(high + 1.0))),
            );
            wrong.push(here(json!("many")));
            wrong.extend((kind == "integer").then(|| here(json!(low.unwrap_or(1.0) + 0.5))));
        }
        Some("boolean") => wrong.extend([here(json!("true")), here(json!(1))]),
        Some("string") => {
            let lengths = (bound(field, &["minLength"]), bound(field, &["maxLength"]));
            wrong.extend(
                lengths
                    .0
                    .filter(|least| *least > 1)
                    .map(|n| here(json!("a".repeat(n - 1)))),
            );
            wrong.extend(lengths.1.map(|most| here(json!("a".repeat(most + 1)))));
            wrong.push(here(json!(true)));
        }
        _ => {}
    }
    if field.get("enum").is_some() {
        wrong.extend([here(json!("nonsense")), here(json!(-7))]);
    }
    if let Some(members) = field["object"].as_object() {
        wrong.extend(wrong_objects(field, members, strict));
    }
    if let Some(item) = field.get("array_of") {
        let many = |count: usize| -> Json { (0..count).map(|_| sample(item, true)).collect() };
        wrong.extend(bound(field, &["maxItems", "max_items"]).map(|most| here(many(most + 1))));
        wrong.extend(bound(field, &["minItems"]).map(|least| here(many(least - 1))));
        let inside = wrong_values(item, strict)
            .into_iter()
            .filter(|(_, value)| !value.is_null());
        wrong.extend(inside.map(|(path, value)| (format!("[0]{path}"), json!([value]))));
    }
    wrong
}

fn wrong_objects(
    field: &Json,
    members: &serde_json::Map<String, Json>,
    strict: bool,
) -> Vec<(String, Json)> {
    let mut wrong = vec![
        (String::new(), json!("an object")),
        (String::new(), json!([1])),
    ];
    let whole = sample(field, false);
    for (name, member) in members {
        let inside = wrong_values(member, strict)
            .into_iter()
            .filter(|(_, value)| !value.is_null());
        for (path, value) in inside {
            let mut odd = whole.clone();
            odd[name] = value;
            wrong.push((format!(".{name}{path}"), odd));
        }
        if member["required"] == true {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().remove(name);
            wrong.push((format!(".{name}"), less));
        }
    }
    if strict {
        let mut more = whole;
        more["fooBar"] = json!(1);
        wrong.push((".fooBar".into(), more));
    }
    wrong
}
