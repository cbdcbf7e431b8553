//! Reads JSON that may hold anything where a value is expected.
//!
//! A member of the wrong type must not cost us the id beside it. Everything is capped while it is
//! read, so a hostile answer allocates no more than its own kept strings. Duplicate members of the
//! same name are an error of the derived readers above this one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::domain::money::Millicredits;

/// A JSON value, as far as we care.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::provider) enum Loose {
    /// A number.
    Number(f64),
    /// A string of at most [`MAX_TEXT`] bytes.
    Text(String),
    /// The strings among an array's elements, at most [`MAX_ITEMS`].
    Texts(Vec<String>),
    /// An object; of its members only `credits` is kept.
    Object { credits: Option<f64> },
    /// Anything else.
    #[default]
    Other,
}

impl Loose {
    pub(in crate::provider) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(in crate::provider) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(in crate::provider) fn into_texts(self) -> Vec<String> {
        match self {
            Self::Texts(texts) => texts,
            _ => Vec::new(),
        }
    }

    /// The price in `{"credits": n}`; `None` where it is no sensible amount. To the nearest
    /// thousandth, but what is not nothing never becomes nothing: that would mean "not charged".
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked first"
    )]
    pub(in crate::provider) fn millicredits(&self) -> Option<Millicredits> {
        let Self::Object {
            credits: Some(credits),
        } = self
        else {
            return None;
        };
        let sensible = (0.0..=MAX_CREDITS).contains(credits);
        let least = u64::from(*credits > 0.0);
        sensible.then(|| Millicredits(((credits * 1000.0).round() as u64).max(least)))
    }
}

/// Reads a member on its own: whatever it holds, even a number beyond all numbers (`1e999`), the
/// members beside it are read.
pub(in crate::provider) fn apart<'de, D: Deserializer<'de>>(source: D) -> Result<Loose, D::Error> {
    let text = Box::<RawValue>::deserialize(source)?;
    Ok(serde_json::from_str(text.get()).unwrap_or_default())
}

/// Whether JSON text nests no deeper than [`MAX_DEPTH`]; linear, without allocating.
pub(in crate::provider) fn is_shallow(json: &[u8]) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in json {
        match (quoted, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, false, b'"') => quoted = !quoted,
            (false, _, b'{' | b'[') => depth += 1,
            (false, _, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return false;
        }
    }
    true
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
        Ok(Loose::Other)
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Other)
    }

    #[expect(clippy::cast_precision_loss, reason = "prices and shares are small")]
    fn visit_i64<E>(self, number: i64) -> Result<Loose, E> {
        Ok(Loose::Number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "prices and shares are small")]
    fn visit_u64<E>(self, number: u64) -> Result<Loose, E> {
        Ok(Loose::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Loose, E> {
        Ok(Loose::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
        Ok(if text.len() <= MAX_TEXT {
            Loose::Text(text.to_owned())
        } else {
            Loose::Other
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
        let mut texts = Vec::new();
        while texts.len() < MAX_ITEMS {
            match items.next_element()? {
                Some(Loose::Text(text)) => texts.push(text),
                Some(_) => {}
                None => return Ok(Loose::Texts(texts)),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Texts(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Loose, A::Error> {
        let mut credits = None;
        while let Some(name) = members.next_key::<String>()? {
            if name == "credits" {
                credits = members.next_value::<Loose>()?.number();
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Loose::Object { credits })
    }
}

/// Longest string that is kept, in bytes.
const MAX_TEXT: usize = 8 * 1024;
/// Most strings of an array that are kept.
const MAX_ITEMS: usize = 64;
/// Deepest nesting that is read.
const MAX_DEPTH: usize = 32;
/// Largest price that is believed, in credits.
const MAX_CREDITS: f64 = 1e9;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Loose {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn any_value_is_read() {
        assert_eq!(read("null"), Loose::Other);
        assert_eq!(read("true"), Loose::Other);
        assert_eq!(read("-1"), Loose::Number(-1.0));
        assert_eq!(read(r#"["a",1,null,["x"],"b"]"#).into_texts(), ["a", "b"]);
        assert_eq!(
            read(&format!("[{}1]", "\"u\",".repeat(500)))
                .into_texts()
                .len(),
            MAX_ITEMS
        );
        assert_eq!(
            read(&format!("\"{}\"", "x".repeat(MAX_TEXT + 1))),
            Loose::Other
        );
    }

    #[test]
    fn prices_become_thousandths() {
        for (json, expected) in [
            (r#"{"credits":25}"#, Some(25_000)),
            (r#"{"credits":0.25,"x":[{}]}"#, Some(250)),
            (r#"{"credits":0}"#, Some(0)),
            (r#"{"credits":-0.0}"#, Some(0)),
            (r#"{"credits":1.1}"#, Some(1_100)),
            (r#"{"credits":0.0001}"#, Some(1)),
            (r#"{"credits":null}"#, None),
            (r#"{"credits":1000000000}"#, Some(1_000_000_000_000)),
            (r#"{"credits":1000000001}"#, None),
            (r#"{"credits":18446744073709551616}"#, None),
            (r#"{"credits":{"credits":5}}"#, None),
            (r#"[{"credits":5}]"#, None),
            (r#"{"credits":-1}"#, None),
            (r#"{"credits":1e300}"#, None),
            (r#"{"credits":"5"}"#, None),
            ("{}", None),
            ("7", None),
        ] {
            assert_eq!(
                read(json).millicredits(),
                expected.map(Millicredits),
                "{json}"
            );
        }
    }

    #[test]
    fn depth_is_counted_outside_strings_only() {
        assert!(is_shallow(
            br#"{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[[[["}"#
        ));
        assert!(is_shallow(
            &[b"[".repeat(MAX_DEPTH), b"]".repeat(MAX_DEPTH)].concat()
        ));
        assert!(!is_shallow(&b"[".repeat(10_000)));
        assert!(!is_shallow(&br#"{"a":"#.repeat(40)));
    }
}
