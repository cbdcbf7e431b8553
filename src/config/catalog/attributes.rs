//! Which attributes a field of a row may have, and what each must look like.
//!
//! An attribute that nobody reads is a mistake that nobody sees (`{"typ": "integer"}`), so it is
//! refused, as is a bound on what has none.

use serde_json::{Map, Value as Json};

use super::{CatalogError, wrong};
use crate::config::section::nearest;

/// Checks one field's own attributes; what stands inside it is checked where it is read.
pub(super) fn check(field: &Json) -> Result<(), CatalogError> {
    let Some(field) = field.as_object() else {
        return Err(wrong("", "must be an object of attributes"));
    };
    let kinds: Vec<&str> = KINDS
        .into_iter()
        .filter(|kind| field.contains_key(*kind))
        .collect();
    let kind = match kinds[..] {
        [kind] => kind,
        [] => {
            let typo = field.keys().find_map(|key| unknown(key));
            let problem = format!("needs one of {}", KINDS.join(", "));
            return Err(typo.unwrap_or_else(|| wrong("", &problem)));
        }
        _ => {
            let both = kinds.join(" and ");
            let problem = format!("has {both}: it must have one, so set the others to null");
            return Err(wrong("", &problem));
        }
    };
    for (key, value) in field {
        if let Some(error) = unknown(key) {
            return Err(error);
        }
        if !may_have(kind, field).contains(&key.as_str()) && !ALWAYS.contains(&key.as_str()) {
            let problem = format!("means nothing beside this {kind}");
            return Err(wrong(key, &problem));
        }
        if let Some(problem) = malformed(key, value) {
            return Err(wrong(key, problem));
        }
    }
    Ok(())
}

fn unknown(key: &str) -> Option<CatalogError> {
    let known: Vec<&str> = KINDS
        .into_iter()
        .chain(ALWAYS)
        .chain(BOUNDS.iter().copied())
        .collect();
    if known.contains(&key) {
        return None;
    }
    Some(wrong(
        key,
        &match nearest(key, &known) {
            Some(near) => format!("is no attribute of a field; did you mean `{near}`?"),
            None => format!("is no attribute of a field; there are {}", known.join(", ")),
        },
    ))
}

/// The bounds that a field of this kind may have. Around alternatives stand those of each.
fn may_have(kind: &str, field: &Map<String, Json>) -> &'static [&'static str] {
    match (kind, field.get("type").and_then(Json::as_str)) {
        ("type", Some("integer" | "number")) => &["minimum", "maximum", "range"],
        ("type", Some("string")) => &["minLength", "maxLength", "max_data_uri_mb"],
        ("type", Some("size")) => &["min_pixels", "max_pixels"],
        // The extraction puts there what a docstring says of seconds inside; `_rules` hold it.
        ("array_of", _) => &["minItems", "maxItems", "max_items", "range"],
        ("object", _) => &["range"],
        ("any_of", _) => BOUNDS,
        _ => &[],
    }
}

fn malformed(key: &str, value: &Json) -> Option<&'static str> {
    let is_scalar = |value: &Json| value.is_string() || value.is_number() || value.is_boolean();
    let fits = match key {
        "required" => value.is_boolean(),
        "type" => value.is_string(),
        "object" => value.is_object(),
        "any_of" => value.as_array().is_some_and(|shapes| !shapes.is_empty()),
        "enum" => value
            .as_array()
            .is_some_and(|values| !values.is_empty() && values.iter().all(is_scalar)),
        "minimum" | "maximum" | "max_data_uri_mb" => value.is_number(),
        "range" => value
            .as_array()
            .is_some_and(|ends| ends.len() == 2 && ends.iter().all(Json::is_number)),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "max_items" | "min_pixels"
        | "max_pixels" => value.is_u64(),
        _ => true,
    };
    let wanted = match key {
        "required" => "must be true or false",
        "type" => "must be a name",
        "object" => "must be an object of fields",
        "any_of" => "must be a list of fields, not empty",
        "enum" => "must be a list of texts, numbers, true or false, not empty",
        "range" => "must be two numbers, the least and the greatest",
        "minimum" | "maximum" | "max_data_uri_mb" => "must be a number",
        _ => "must be a whole number, not negative",
    };
    (!fits).then_some(wanted)
}

/// What a field is: exactly one of these.
const KINDS: [&str; 5] = ["type", "enum", "object", "array_of", "any_of"];
/// What any field may say.
const ALWAYS: [&str; 7] = [
    "required", "default", "type", "enum", "object", "array_of", "any_of",
];
/// What some fields may say.
const BOUNDS: &[&str] = &[
    "minimum",
    "maximum",
    "range",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "max_items",
    "min_pixels",
    "max_pixels",
    "max_data_uri_mb",
];
