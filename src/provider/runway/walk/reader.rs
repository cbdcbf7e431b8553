//! A strict reader of bodies, by the catalogue file's format alone.

use serde_json::{Value as Json, json};

use super::drafts::{Fields, Pair, range};

/// What a strict server would refuse in a body.
pub(super) fn issues(pair: &Pair, body: &Json) -> Vec<String> {
    let mut issues = Vec::new();
    let fields: Fields = pair
        .names()
        .map(|(name, field)| (name.clone(), field.clone()))
        .collect();
    let mut given = body.as_object().unwrap().clone();
    assert_eq!(given.remove("model"), Some(json!(pair.model)));
    read_object(&fields, &given, "", &mut issues);
    issues
}

fn read_object(fields: &Fields, given: &Fields, at: &str, issues: &mut Vec<String>) {
    for (name, value) in given {
        match fields.get(name) {
            Some(field) => read(field, value, &format!("{at}.{name}"), issues),
            None => issues.push(format!("{at}.{name} is unknown")),
        }
    }
    for (name, _) in fields
        .iter()
        .filter(|(name, f)| f["required"] == true && !given.contains_key(*name))
    {
        issues.push(format!("{at}.{name} is missing"));
    }
}

fn read(field: &Json, value: &Json, at: &str, issues: &mut Vec<String>) {
    if let Some(shapes) = field["any_of"].as_array() {
        let fits = |shape: &&Json| {
            let mut inner = Vec::new();
            read(shape, value, at, &mut inner);
            inner.is_empty()
        };
        if !shapes.iter().any(|shape| fits(&shape)) {
            issues.push(format!("{at} fits no alternative: {value}"));
        }
        return read_bounds(field, value, at, issues);
    }
    let right = match (field["type"].as_str(), value) {
        _ if field.get("enum").is_some() => field["enum"].as_array().unwrap().contains(value),
        (_, Json::Object(given)) if field.get("object").is_some() => {
            read_object(field["object"].as_object().unwrap(), given, at, issues);
            true
        }
        (_, Json::Array(items)) if field.get("array_of").is_some() => {
            for item in items {
                read(&field["array_of"], item, &format!("{at}[]"), issues);
            }
            true
        }
        (Some("boolean"), value) => value.is_boolean(),
        (Some("integer"), value) => value.is_i64() || value.is_u64(),
        (Some("number"), value) => value.is_number(),
        (Some("string" | "size"), value) => value.is_string(),
        (Some("<class 'object'>"), value) => value.is_object(),
        _ => false,
    };
    if !right {
        issues.push(format!("{at} is wrong: {value}"));
    }
    read_bounds(field, value, at, issues);
}

fn read_bounds(field: &Json, value: &Json, at: &str, issues: &mut Vec<String>) {
    let outside = |size: f64, (least, greatest): (Option<f64>, Option<f64>)| {
        least.is_some_and(|least| size < least) || greatest.is_some_and(|greatest| size > greatest)
    };
    let bounds = |least: &str, greatest: &str| (field[least].as_f64(), field[greatest].as_f64());
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let wrong = match value {
        Json::Number(number) => outside(number.as_f64().unwrap(), range(field)),
        Json::String(text) => outside(
            text.encode_utf16().count() as f64,
            bounds("minLength", "maxLength"),
        ),
        Json::Array(items) => {
            outside(items.len() as f64, bounds("minItems", "maxItems"))
                || outside(items.len() as f64, (None, field["max_items"].as_f64()))
        }
        _ => false,
    };
    if wrong {
        issues.push(format!("{at} is out of bounds"));
    }
}
