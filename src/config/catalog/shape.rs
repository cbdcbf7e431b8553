//! From a field's JSON to its shape.

use serde_json::Value as Json;

use super::{CatalogError, attributes, wrong};
use crate::domain::model::{Param, Shape};
use crate::domain::value::Value;

pub(super) fn param(name: &str, field: &Json) -> Result<Param, CatalogError> {
    let read = || {
        attributes::check(field)?;
        let shape = shape(name, field, field)?;
        let default = field.get("default").map(value);
        if default.as_ref().is_some_and(|value| !shape.takes(value)) {
            let problem = format!("must be {}", shape.wanted());
            return Err(wrong("default", &problem));
        }
        Ok((shape, default))
    };
    let (shape, default) = read().map_err(|error| error.under(name))?;
    Ok(Param {
        name: name.to_owned(),
        required: field.get("required") == Some(&Json::Bool(true)),
        shape,
        fallback: None,
        default,
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
        let params: Result<_, CatalogError> = params.collect();
        return Ok(Shape::Object(
            params.map_err(|error| error.under("object"))?,
        ));
    }
    if let Some(item) = field.get("array_of") {
        let limit = first_of(outer, &["maxItems", "max_items"]);
        let within = || {
            attributes::check(item)?;
            shape(name, item, item)
        };
        let (minimum, maximum) = (count(outer.get("minItems")).unwrap_or(0), count(limit));
        if maximum.is_some_and(|maximum| maximum < minimum) {
            return Err(wrong("minItems", "is above the greatest number"));
        }
        return Ok(Shape::List {
            item: Box::new(within().map_err(|error| error.under("array_of"))?),
            minimum,
            maximum,
        });
    }
    if let Some(shapes) = field.get("any_of").and_then(Json::as_array) {
        let shapes = shapes.iter().enumerate().map(|(index, field)| {
            let within = || {
                attributes::check(field)?;
                shape(name, field, &merged(outer, field))
            };
            within().map_err(|error| error.under(&index.to_string()).under("any_of"))
        });
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
    let shape = match kind {
        "boolean" => Shape::Bool,
        "integer" => Shape::Integer {
            minimum: whole("minimum", minimum)?,
            maximum: whole("maximum", maximum)?,
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
        other => {
            let problem = format!("has the unknown type {other:?}; known are {KNOWN_TYPES}");
            return Err(wrong("type", &problem));
        }
    };
    if is_empty(&shape) {
        return Err(wrong("", "has a least value above its greatest"));
    }
    Ok(shape)
}

/// Whether nothing at all is between the bounds.
fn is_empty(shape: &Shape) -> bool {
    let above = |minimum: Option<f64>, maximum: Option<f64>| {
        minimum
            .zip(maximum)
            .is_some_and(|(minimum, maximum)| minimum > maximum)
    };
    match shape {
        Shape::Integer { minimum, maximum } => minimum.zip(*maximum).is_some_and(|(a, b)| a > b),
        Shape::Number { minimum, maximum } => above(*minimum, *maximum),
        Shape::Text { minimum, maximum } => minimum.zip(*maximum).is_some_and(|(a, b)| a > b),
        Shape::Size {
            min_pixels,
            max_pixels,
        } => min_pixels > max_pixels,
        _ => false,
    }
}

fn whole(name: &str, bound: Option<&Json>) -> Result<Option<i64>, CatalogError> {
    bound
        .map(|bound| {
            value(bound)
                .as_int()
                .ok_or_else(|| wrong(name, "must be a whole number beside an integer"))
        })
        .transpose()
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

const KNOWN_TYPES: &str = "string, integer, number, boolean and size";
