//! A JSON-like value, so that `domain` can judge a provider's options without a JSON crate.
//!
//! The faces and the adapters convert their own trees to and from it; nothing here parses text.

use std::collections::BTreeMap;
use std::fmt;

/// One value of a provider option.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; finite once [`Value::within`] has passed.
    Number(f64),
    /// Text.
    String(String),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Object(BTreeMap<String, Value>),
}

/// Why a value is not within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfBounds {
    /// Nested deeper than the bound.
    TooDeep,
    /// More bytes than the bound.
    TooLarge,
    /// A text or a name holds U+0000.
    HoldsNul,
    /// A number is infinite or not a number.
    NotFinite,
}

impl Value {
    /// The whole number that this is, however it is spelled (`5` and `5.0` are the same).
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < EXACT_BELOW =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
                Some(*number as i64)
            }
            _ => None,
        }
    }

    /// The number that this is.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "compared with limits far below 2^53"
            )]
            Self::Int(int) => Some(*int as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text that this is.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether both mean the same in JSON: `5` equals `5.0`.
    pub fn same(&self, other: &Self) -> bool {
        match (self.as_int(), other.as_int()) {
            (Some(one), Some(two)) => one == two,
            _ => self == other,
        }
    }

    /// Bytes of text and names, plus a constant per node.
    pub fn size(&self) -> usize {
        NODE_BYTES
            + match self {
                Self::String(text) => text.len(),
                Self::List(items) => items.iter().map(Self::size).sum(),
                Self::Object(fields) => fields
                    .iter()
                    .map(|(name, value)| name.len() + value.size())
                    .sum(),
                _ => 0,
            }
    }

    /// Checks depth (a scalar is 1 deep), text and numbers; the recursion ends at `depth`.
    pub fn within(&self, depth: usize) -> Result<(), OutOfBounds> {
        if depth == 0 {
            return Err(OutOfBounds::TooDeep);
        }
        match self {
            Self::String(text) if text.contains('\0') => Err(OutOfBounds::HoldsNul),
            Self::Number(number) if !number.is_finite() => Err(OutOfBounds::NotFinite),
            Self::List(items) => items.iter().try_for_each(|item| item.within(depth - 1)),
            Self::Object(fields) => fields.iter().try_for_each(|(name, value)| {
                if name.contains('\0') {
                    Err(OutOfBounds::HoldsNul)
                } else {
                    value.within(depth - 1)
                }
            }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(flag) => write!(out, "{flag}"),
            Self::Int(int) => write!(out, "{int}"),
            Self::Number(number) => write!(out, "{number}"),
            Self::String(text) => out.write_str(text),
            Self::List(_) => out.write_str("a list"),
            Self::Object(_) => out.write_str("an object"),
        }
    }
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::TooDeep => "is nested too deep",
            Self::TooLarge => "is too large",
            Self::HoldsNul => "must not hold U+0000",
            Self::NotFinite => "must be a finite number",
        })
    }
}

/// What a node costs beside its text.
const NODE_BYTES: usize = 8;
/// Below this every whole `f64` is exact: 2^53.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_the_same_however_it_is_spelled() {
        assert!(Value::Int(5).same(&Value::Number(5.0)));
        assert!(!Value::Int(5).same(&Value::Number(5.5)));
        assert!(!Value::Int(5).same(&Value::String("5".into())));
    }

    #[test]
    fn depth_nul_and_infinity_are_found_wherever_they_hide() {
        let nest =
            |inner: Value| Value::List(vec![Value::Object(BTreeMap::from([("a".into(), inner)]))]);
        assert_eq!(nest(Value::Null).within(3), Ok(()));
        assert_eq!(nest(Value::Null).within(2), Err(OutOfBounds::TooDeep));
        assert_eq!(
            nest(Value::String("a\0".into())).within(3),
            Err(OutOfBounds::HoldsNul)
        );
        assert_eq!(
            nest(Value::Number(f64::NAN)).within(3),
            Err(OutOfBounds::NotFinite)
        );
        let named = Value::Object(BTreeMap::from([("\0".into(), Value::Null)]));
        assert_eq!(named.within(3), Err(OutOfBounds::HoldsNul));
    }
}
