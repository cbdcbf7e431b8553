//! Numbers of units, in thousandths.

use super::amount::THOUSANDTHS;
use crate::domain::model::Shape;
use crate::domain::value::Value;

/// So many whole units.
pub(super) fn whole(units: u64) -> Option<u64> {
    units.checked_mul(THOUSANDTHS)
}

/// Seconds in milliseconds, rounded up; `None`: not a length.
pub(super) fn milliseconds(seconds: f64) -> Option<u64> {
    let exact = (seconds * MILLI).ceil();
    if !(exact > 0.0 && exact < LONGEST_MS) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, above zero and below 2^53"
    )]
    Some(exact as u64)
}

/// A length as it is counted: to the millisecond, or in begun seconds.
pub(super) fn counted(ms: u64, fractions: bool) -> Option<u64> {
    if fractions {
        return Some(ms);
    }
    whole(ms.div_ceil(THOUSANDTHS))
}

/// The greatest duration that a shape takes; `None`: it has no bound.
pub(super) fn longest_ms(shape: &Shape) -> Option<u64> {
    let bounds: Option<Vec<u64>> = bounds(shape).into_iter().collect();
    bounds?.into_iter().max()
}

/// The greatest of each alternative that is a number.
fn bounds(shape: &Shape) -> Vec<Option<u64>> {
    match shape {
        Shape::Integer { maximum, .. } => {
            vec![maximum.and_then(|maximum| whole(u64::try_from(maximum).ok()?))]
        }
        Shape::Number { maximum, .. } => vec![maximum.and_then(milliseconds)],
        Shape::Enum(values) => {
            let numbers = values.iter().filter_map(Value::as_number);
            numbers.map(milliseconds).collect()
        }
        Shape::Either(shapes) => shapes.iter().flat_map(bounds).collect(),
        _ => vec![None],
    }
}

const MILLI: f64 = 1000.0;
/// Below this every whole `f64` is exact: 2^53.
const LONGEST_MS: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_milliseconds_or_nothing() {
        for (seconds, expected) in [
            (5.0, Some(5000)),
            (2.5, Some(2500)),
            (0.0001, Some(1)),
            (0.0, None),
            (-1.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (1e300, None),
        ] {
            assert_eq!(milliseconds(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn the_longest_is_the_greatest_number_of_any_alternative() {
        let integer = |maximum| Shape::Integer {
            minimum: Some(4),
            maximum,
        };
        let auto = Shape::Enum(vec![Value::String("auto".into())]);
        let steps = Shape::Enum([4, 6, 8].map(Value::Int).to_vec());
        let number = Shape::Number {
            minimum: None,
            maximum: Some(0.5),
        };
        for (shape, expected) in [
            (integer(Some(15)), Some(15_000)),
            (integer(None), None),
            (steps, Some(8000)),
            (number, Some(500)),
            (
                Shape::Either(vec![integer(Some(15)), auto.clone()]),
                Some(15_000),
            ),
            (Shape::Either(vec![auto.clone(), integer(None)]), None),
            (auto, None),
            (Shape::Any, None),
        ] {
            assert_eq!(longest_ms(&shape), expected, "{shape:?}");
        }
    }
}
