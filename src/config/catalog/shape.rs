//! From a field's JSON to its shape.

use serde_json::Value as Json;

use super::{CatalogError, wrong};
use crate::domain::model::{Param, Shape};
use crate::domain::value::Value;

pub(super) fn param(name: &str, field: &Json) -> Result<Param, CatalogError> {
    let required = field
        .get("required")
        .and_then(Json::as_bool)
        .unwrap_or(false);
    let shape = shape(name, field, field)?;
    Ok(Param {
        name: name.to_owned(),
        required,
        shape,
        fallback: None,
    })
}

/// `outer` carries the bounds of an alternative.
fn shape(name: &str, field: &Json, outer: &Json) -> Result<Shape, CatalogError> {
    if let Some(values) = field.get("enum").and_then(Json::as_array) {
        return Ok(Shape::Enum(values.iter().map(value).collect()));
    }
    if let Some(fields) = field.get("object").and_then(Json::as_object) {
        let params = fields
            .iter()
            .map(|(name, field)| Ok((name.clone(), param(name, field)?)));
        return Ok(Shape::Object(params.collect::<Result<_, _>>()?));
    }
    if let Some(item) = field.get("array_of") {
        let limit = first_of(outer, &["maxItems", "max_items"]);
        return Ok(Shape::List {
            item: Box::new(shape(name, item, item)?),
            minimum: count(outer.get("minItems")).unwrap_or(0),
            maximum: count(limit),
        });
    }
    if let Some(shapes) = field.get("any_of").and_then(Json::as_array) {
        let shapes = shapes
            .iter()
            .map(|field| shape(name, field, &merged(outer, field)));
        return Ok(Shape::Either(shapes.collect::<Result<_, _>>()?));
    }
    scalar(name, field, outer)
}

fn scalar(name: &str, field: &Json, outer: &Json) -> Result<Shape, CatalogError> {
    let kind = field.get("type").and_then(Json::as_str).unwrap_or_default();
    let range = outer.get("range").and_then(Json::as_array);
    let end = |index, key| {
        range
            .and_then(|range| range.get(index))
            .or_else(|| outer.get(key))
    };
    let (minimum, maximum) = (end(0, "minimum"), end(1, "maximum"));
    Ok(match kind {
        "boolean" => Shape::Bool,
        "integer" => Shape::Integer {
            minimum: minimum.and_then(Json::as_i64),
            maximum: maximum.and_then(Json::as_i64),
        },
        "number" => Shape::Number {
            minimum: minimum.and_then(Json::as_f64),
            maximum: maximum.and_then(Json::as_f64),
        },
        "string" if is_address(name, field) => Shape::Uri,
        "string" => Shape::Text {
            minimum: count(outer.get("minLength")),
            maximum: count(outer.get("maxLength")),
        },
        "size" => Shape::Size {
            min_pixels: field.get("min_pixels").and_then(Json::as_u64).unwrap_or(1),
            max_pixels: field
                .get("max_pixels")
                .and_then(Json::as_u64)
                .unwrap_or(u64::MAX),
        },
        // What the SDK's extraction says where a type has no name.
        "<class 'object'>" => Shape::Any,
        other => return Err(wrong(name, &format!("has the unknown type {other:?}"))),
    })
}

fn is_address(name: &str, field: &Json) -> bool {
    field.get("max_data_uri_mb").is_some() || name == "uri" || name.ends_with("Uri")
}

/// The bounds of the whole, unless an alternative has its own.
fn merged(outer: &Json, field: &Json) -> Json {
    let (Some(outer), Some(field)) = (outer.as_object(), field.as_object()) else {
        return field.clone();
    };
    let mut both = outer.clone();
    both.extend(field.clone());
    Json::Object(both)
}

pub(super) fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => number.as_i64().map_or_else(
            || Value::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::Int,
        ),
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, field)| (name.clone(), value(field)))
                .collect(),
        ),
    }
}

fn first_of<'a>(field: &'a Json, names: &[&str]) -> Option<&'a Json> {
    names.iter().find_map(|name| field.get(name))
}

fn count(json: Option<&Json>) -> Option<usize> {
    json.and_then(Json::as_u64)
        .and_then(|count| usize::try_from(count).ok())
}
