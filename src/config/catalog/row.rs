//! One row, held to what a row can be before and after it becomes a specification.
//!
//! Bounds first: nothing large or deep is looked at. Then every field by itself, so that all that
//! is wrong with a row is told at once; then what only the whole shows.

use serde_json::Value as Json;

use super::rows::{Fields, File};
use super::shape::param;
use super::{CatalogError, wrong};
use crate::config::section::nearest;
use crate::domain::generation::Operation;
use crate::domain::model::{Param, Shape, Spec};
use crate::domain::value::Value;

/// The specification that a row stands for.
pub(super) fn spec(
    file: &File,
    operation: Operation,
    fields: &Fields,
) -> Result<Spec, Vec<CatalogError>> {
    check_bounds(fields).map_err(|error| vec![error])?;
    let errors: Vec<CatalogError> = fields.iter().filter_map(check_key).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let spec = file.spec(operation, fields).map_err(|error| vec![error])?;
    let errors = unsound(&spec);
    if errors.is_empty() {
        Ok(spec)
    } else {
        Err(errors)
    }
}

fn check_bounds(fields: &Fields) -> Result<(), CatalogError> {
    if fields.values().any(|field| !is_within(field, DEEPEST)) {
        let problem = format!("is nested deeper than {DEEPEST} levels");
        return Err(wrong("", &problem));
    }
    let size: usize = fields
        .iter()
        .map(|(name, field)| name.len() + size(field))
        .sum();
    if size > MAX_ROW {
        return Err(wrong("", "is larger than 64KiB"));
    }
    Ok(())
}

/// Tariffs with names of their own, held to a bound as rows are.
pub(super) fn large_tariffs(file: &File) -> Vec<CatalogError> {
    let large = |tariff: &Json| !is_within(tariff, DEEPEST) || size(tariff) > MAX_TARIFF;
    let named = file.tariffs.iter().filter(|(_, tariff)| large(tariff));
    named
        .map(|(name, _)| wrong(name, "is larger than 16KiB, or nested too deep").under("tariffs"))
        .collect()
}

fn is_within(json: &Json, depth: usize) -> bool {
    match (json, depth) {
        (_, 0) => false,
        (Json::Array(items), _) => items.iter().all(|item| is_within(item, depth - 1)),
        (Json::Object(fields), _) => fields.values().all(|field| is_within(field, depth - 1)),
        _ => true,
    }
}

/// About what it takes as text. The depth was bounded before.
fn size(json: &Json) -> usize {
    NODE + match json {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(size).sum(),
        Json::Object(fields) => fields
            .iter()
            .map(|(name, field)| name.len() + size(field))
            .sum(),
        _ => 0,
    }
}

fn check_key((name, field): (&String, &Json)) -> Option<CatalogError> {
    if name.starts_with('_') {
        let own = OURS.contains(&name.as_str());
        return (!own).then(|| unknown_key(name)).or_else(|| {
            let is_flag = matches!(name.as_str(), "_strict" | "_last_alone");
            (is_flag && !field.is_boolean()).then(|| wrong(name, "must be true or false"))
        });
    }
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        let problem = "is no field's name: those have 1 to 160 bytes, none of control characters";
        return Some(wrong(name, problem));
    }
    if name == "model" {
        return Some(wrong(name, "is written by mediagen itself"));
    }
    param(name, field).err()
}

fn unknown_key(name: &str) -> CatalogError {
    let problem = match nearest(name, &OURS) {
        Some(near) => format!("is no key that rows have; did you mean `{near}`?"),
        None => format!("is no key that rows have; there are {}", OURS.join(", ")),
    };
    wrong(name, &problem)
}

/// Fields that stand for a field of the request must be able to take what that holds.
fn unsound(spec: &Spec) -> Vec<CatalogError> {
    let typed = &spec.typed;
    let mut errors = Vec::new();
    let mut hold = |param: &Param, takes: fn(&Shape) -> bool, problem: &str| {
        if !leaves(&param.shape).into_iter().any(takes) {
            errors.push(wrong(&param.name, problem));
        }
    };
    for param in typed.prompt.iter().chain(&typed.negative_prompt) {
        hold(param, takes_text, "must take text, for it is the prompt");
    }
    for param in typed.seconds.iter().chain(&typed.count).chain(&typed.seed) {
        hold(param, takes_numbers, "must take whole numbers");
    }
    if let Some(param) = &typed.audio {
        hold(param, takes_flags, "must take true and false");
    }
    for param in &typed.sizes {
        hold(param, takes_text, "must take text, for it is a size");
    }
    for slot in spec.slots.iter().filter(|slot| !holds_address(&slot.shape)) {
        errors.push(wrong(
            &slot.name,
            "must hold an address, for it is a place for media",
        ));
    }
    errors
}

fn leaves(shape: &Shape) -> Vec<&Shape> {
    match shape {
        Shape::Either(shapes) => shapes.iter().flat_map(leaves).collect(),
        one => vec![one],
    }
}

fn takes_text(shape: &Shape) -> bool {
    match shape {
        Shape::Any | Shape::Text { .. } | Shape::Size { .. } => true,
        Shape::Enum(values) => values.iter().any(|value| value.as_str().is_some()),
        _ => false,
    }
}

fn takes_numbers(shape: &Shape) -> bool {
    match shape {
        Shape::Any | Shape::Integer { .. } | Shape::Number { .. } => true,
        Shape::Enum(values) => values.iter().any(|value| value.as_int().is_some()),
        _ => false,
    }
}

fn takes_flags(shape: &Shape) -> bool {
    match shape {
        Shape::Any | Shape::Bool => true,
        Shape::Enum(values) => values.iter().any(|value| matches!(value, Value::Bool(_))),
        _ => false,
    }
}

fn holds_address(shape: &Shape) -> bool {
    match shape {
        Shape::Any | Shape::Uri | Shape::Text { .. } => true,
        Shape::List { item, .. } => holds_address(item),
        Shape::Object(fields) => fields.values().any(|field| holds_address(&field.shape)),
        Shape::Either(shapes) => shapes.iter().any(holds_address),
        _ => false,
    }
}

/// Most bytes of a row, so that an answer that describes it stays small.
const MAX_ROW: usize = 64 << 10;
/// Most bytes of a named tariff; a few of them may add up in one row.
const MAX_TARIFF: usize = 16 << 10;
/// What a value counts beside its text.
const NODE: usize = 4;
/// Deepest nesting of a field.
const DEEPEST: usize = 24;
/// Longest name of a field; options are held to the same.
const LONGEST_NAME: usize = 160;
/// Keys of a row that are not Runway's fields.
const OURS: [&str; 4] = ["_strict", "_rules", "_last_alone", "_price"];
