//! `provider_options`: from a protobuf struct to the domain's values.
//!
//! A struct's numbers are all floats; whole ones become whole again. The size is bounded before
//! anything is converted and the depth before each step down; what a model takes is the domain's.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value as Given};

use super::Violations;
use crate::domain::value::{OutOfBounds, Value};

/// The options of a request; those that cannot be converted are noted and left out.
pub(super) fn options(given: Option<Struct>, found: &mut Violations) -> BTreeMap<String, Value> {
    let given = given.unwrap_or_default();
    let bytes = given.encoded_len();
    if bytes > MAX_BYTES {
        let problem = format!("takes at most {MAX_BYTES} bytes; got {bytes}");
        found.field("provider_options", problem);
        return BTreeMap::new();
    }
    let mut options = BTreeMap::new();
    for (name, value) in given.fields {
        match convert(value, DEEPEST) {
            Ok(value) => {
                options.insert(name, value);
            }
            Err(problem) => {
                let shown: String = name.chars().filter(|sign| !sign.is_control()).collect();
                found.field(format!("provider_options.{shown}"), problem);
            }
        }
    }
    options
}

fn convert(given: Given, depth: usize) -> Result<Value, String> {
    if depth == 0 {
        return Err(OutOfBounds::TooDeep.to_string());
    }
    Ok(match given.kind.ok_or("has a part without a value")? {
        Kind::NullValue(_) => Value::Null,
        Kind::BoolValue(flag) => Value::Bool(flag),
        Kind::StringValue(text) => Value::String(text),
        Kind::NumberValue(number) if number.is_finite() => {
            let number = Value::Number(number);
            number.as_int().map_or(number, Value::Int)
        }
        Kind::NumberValue(_) => return Err(OutOfBounds::NotFinite.to_string()),
        Kind::ListValue(list) => {
            let items = list.values.into_iter();
            Value::List(
                items
                    .map(|item| convert(item, depth - 1))
                    .collect::<Result<_, _>>()?,
            )
        }
        Kind::StructValue(fields) => {
            let below = |(name, value)| Ok::<_, String>((name, convert(value, depth - 1)?));
            Value::Object(
                fields
                    .fields
                    .into_iter()
                    .map(below)
                    .collect::<Result<_, _>>()?,
            )
        }
    })
}

/// Most bytes of the encoded struct: what the contract says.
const MAX_BYTES: usize = 64 * 1024;
/// Deepest nesting that is converted at all; the domain takes less.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use prost_types::ListValue;

    use super::*;

    fn value(kind: Kind) -> Given {
        Given { kind: Some(kind) }
    }

    fn read(value: Given) -> (Option<Value>, bool) {
        let given = Struct {
            fields: [("a".to_owned(), value)].into(),
        };
        let mut found = Violations::default();
        let mut options = options(Some(given), &mut found);
        (options.remove("a"), found.is_empty())
    }

    #[test]
    fn whole_numbers_are_whole_and_others_stay() {
        let number = |number| read(value(Kind::NumberValue(number)));
        let table = [
            (5.0, Value::Int(5)),
            (-3.0, Value::Int(-3)),
            (0.5, Value::Number(0.5)),
            (1e300, Value::Number(1e300)),
        ];
        for (given, expected) in table {
            assert_eq!(number(given), (Some(expected), true), "{given}");
        }
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(number(bad), (None, false), "{bad}");
        }
    }

    #[test]
    fn null_is_a_value_and_nothing_is_not() {
        assert_eq!(read(value(Kind::NullValue(0))), (Some(Value::Null), true));
        assert_eq!(read(Given { kind: None }), (None, false));
    }

    fn nested(levels: usize) -> Given {
        (1..levels).fold(value(Kind::BoolValue(true)), |inner, level| {
            value(if level % 2 == 0 {
                Kind::ListValue(ListValue {
                    values: vec![inner],
                })
            } else {
                let fields = [("k".to_owned(), inner)].into();
                Kind::StructValue(Struct { fields })
            })
        })
    }

    #[test]
    fn depth_is_bounded() {
        assert!(read(nested(DEEPEST)).1);
        assert_eq!(read(nested(DEEPEST + 1)), (None, false));
    }

    #[test]
    fn bytes_are_bounded() {
        let text = |length| read(value(Kind::StringValue("x".repeat(length))));
        assert!(text(60_000).1);
        assert_eq!(text(MAX_BYTES), (None, false));
    }
}
