//! What is sent for a required field that the caller did not set.

use crate::domain::model::{Shape, dimensions, nearest};
use crate::domain::money::Millicredits;
use crate::domain::value::Value;

/// The whole number that a shape takes and that is nearest to `wanted`; of equals the smaller.
pub(super) fn seconds(shape: &Shape, wanted: i64) -> Option<Value> {
    let candidates: Vec<i64> = match shape {
        Shape::Enum(values) => values.iter().filter_map(Value::as_int).collect(),
        Shape::Integer { minimum, maximum } => {
            vec![
                wanted
                    .max(minimum.unwrap_or(wanted))
                    .min(maximum.unwrap_or(i64::MAX)),
            ]
        }
        Shape::Either(shapes) => shapes
            .iter()
            .filter_map(|shape| seconds(shape, wanted)?.as_int())
            .collect(),
        _ => vec![wanted],
    };
    let fits = candidates
        .into_iter()
        .filter(|int| shape.takes(&Value::Int(*int)));
    fits.min_by_key(|int| ((int - wanted).abs(), *int))
        .map(Value::Int)
}

/// The default size where the model lists it, else the nearest that keeps its shape, else the first.
pub(super) fn size(
    shape: &Shape,
    wanted: &str,
    price: &dyn Fn(&str) -> Option<Millicredits>,
) -> Option<Value> {
    let listed: Vec<&str> = match shape {
        Shape::Enum(values) => values.iter().filter_map(Value::as_str).collect(),
        Shape::Either(shapes) => {
            return shapes.iter().find_map(|shape| size(shape, wanted, price));
        }
        _ => return None,
    };
    let near = dimensions(wanted)
        .and_then(|wanted| nearest(wanted, listed.iter().copied(), KEEP_SHAPE, price));
    near.or_else(|| listed.first().copied())
        .map(|size| Value::String(size.to_owned()))
}

/// The default size where the model takes it, listed or not, else the nearest that keeps its shape.
pub(super) fn near_size(
    shape: &Shape,
    wanted: &str,
    price: &dyn Fn(&str) -> Option<Millicredits>,
) -> Option<Value> {
    let own = Value::String(wanted.to_owned());
    if shape.takes(&own) {
        return Some(own);
    }
    match shape {
        Shape::Enum(values) => {
            let listed = values.iter().filter_map(Value::as_str);
            let near = nearest(dimensions(wanted)?, listed, KEEP_SHAPE, price)?;
            Some(Value::String(near.to_owned()))
        }
        Shape::Either(shapes) => {
            let near = |shape| near_size(shape, wanted, price);
            shapes.iter().find_map(near)
        }
        _ => None,
    }
}

/// How much a default size's shape counts against its number of pixels.
const KEEP_SHAPE: f64 = 2.0;
