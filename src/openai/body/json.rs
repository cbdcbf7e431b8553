//! JSON as values of the domain, read more strictly than usual: a name that comes twice is refused and
//! not the last one taken, and there is an end to depth and number.
//!
//! A value may take a hundred times its text: an object of one member some 600 bytes. So a request has a
//! [`Budget`] of values for all that is read of it. Whatever a body says, its values take 3 MiB beside
//! the bytes of their texts.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use super::broken;
use crate::domain::value::Value;
use crate::openai::{Problem, problem};

/// The members of an object.
pub(in crate::openai) type Members = BTreeMap<String, Value>;

/// The members of a body that is one JSON object. Members that are null are absent.
///
/// # Errors
/// 400 with the place, and the name of the member that comes twice.
pub(in crate::openai) fn parse(body: &[u8]) -> Result<Members, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let place = error.valid_up_to();
        broken(format!(
            "the body is not UTF-8: byte {place} belongs to no character"
        ))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(broken("the body is empty: send a JSON object"));
    }
    match read(text, &Budget::default())? {
        Value::Object(mut members) => {
            members.retain(|_, value| *value != Value::Null);
            Ok(members)
        }
        other => {
            let kind = kind(&other);
            Err(broken(format!("the body is {kind}: send a JSON object")))
        }
    }
}

/// Any JSON text as a value, out of the budget of its request.
///
/// # Errors
/// As [`parse`].
pub(in crate::openai) fn read(text: &str, budget: &Budget) -> Result<Value, Problem> {
    let state = State {
        budget,
        twice: RefCell::default(),
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let seed = Seed {
        state: &state,
        depth: 0,
    };
    let value = seed.deserialize(&mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    value.map_err(|error| {
        let bad = broken(format!("the body is no good JSON: {error}"));
        match state.twice.take() {
            Some(name) => bad.param(problem::shortened(&name)),
            None => bad,
        }
    })
}

/// What a value is, in words.
pub(in crate::openai) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Int(_) | Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::List(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// What all the texts of a request may hold together, counted as they are read.
#[derive(Debug, Default)]
pub(in crate::openai) struct Budget(Cell<usize>);

impl Budget {
    /// Counts one more value, whatever becomes of it.
    fn take(&self) {
        self.0.set(self.0.get().saturating_add(1));
    }

    /// Whether there were more than may be: nothing more can be read.
    pub fn is_exceeded(&self) -> bool {
        self.0.get() > MOST_VALUES
    }
}

/// What is known of a text while it is read.
struct State<'a> {
    budget: &'a Budget,
    /// The outermost member that came twice or holds one that did.
    twice: RefCell<Option<String>>,
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    state: &'a State<'a>,
    depth: usize,
}

impl<'a> Seed<'a> {
    fn within(self) -> Seed<'a> {
        Seed {
            depth: self.depth + 1,
            ..self
        }
    }

    fn open<E: Error>(self) -> Result<(), E> {
        if self.depth >= DEEPEST {
            return Err(E::custom(format!("nested deeper than {DEEPEST} levels")));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        self.state.budget.take();
        if self.state.budget.is_exceeded() {
            return Err(D::Error::custom(format!("more than {MOST_VALUES} values")));
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, int: i64) -> Result<Value, E> {
        Ok(Value::Int(int))
    }

    fn visit_u64<E: Error>(self, int: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "beyond what any field takes")]
        Ok(i64::try_from(int).map_or(Value::Number(int as f64), Value::Int))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        self.open()?;
        let mut items = Vec::new();
        while let Some(item) = from.next_element_seed(self.within())? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        self.open()?;
        let mut members = BTreeMap::new();
        while let Some(name) = from.next_key::<String>()? {
            let seed = self.within();
            let blame = |name: &str| self.state.twice.replace(Some(name.to_owned()));
            let value = from.next_value_seed(seed).inspect_err(|_| {
                // From the inside out: the last to say it is the outermost.
                if self.state.twice.borrow().is_some() {
                    blame(&name);
                }
            })?;
            if members.contains_key(&name) {
                blame(&name);
                let shown = problem::shortened(&name);
                return Err(A::Error::custom(format!("the name {shown} comes twice")));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

/// Levels of a body; the deepest option of a provider has eight.
const DEEPEST: usize = 32;
/// Values in a request. What is large in one is text: no model's option is a list of more than 30.
pub(in crate::openai) const MOST_VALUES: usize = 4_096;

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn members_are_read_and_nulls_are_absent() {
        let read =
            parse(b"\xef\xbb\xbf {\"a\": 1, \"b\": null, \"c\": [1.5, \"x\", {\"d\": null}]}")
                .unwrap();
        let inner = Value::Object([("d".to_owned(), Value::Null)].into());
        let list = vec![Value::Number(1.5), Value::String("x".to_owned()), inner];
        let expected = [
            ("a".to_owned(), Value::Int(1)),
            ("c".to_owned(), Value::List(list)),
        ];
        assert_eq!(read, expected.into());
    }

    #[test]
    fn what_is_no_object_of_good_json_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
        let many = format!("{{\"a\":[{}0]}}", "0,".repeat(MOST_VALUES));
        for bad in [
            "",
            "  ",
            "null",
            "1",
            "\"x\"",
            "[]",
            "{",
            "{\"a\":}",
            "{\"a\":1}x",
            "{\"a\":1e999}",
            "{\"a\":\"\\ud800\"}",
            "{'a':1}",
            "{\"a\":NaN}",
            "{\"a\":1,\"a\":2}",
            &deep,
            &many,
        ] {
            let refused = parse(bad.as_bytes()).unwrap_err();
            assert_eq!(
                refused.status().as_u16(),
                400,
                "{}",
                &bad[..bad.len().min(40)]
            );
        }
        assert_eq!(
            parse(b"{\"a\":\"\xff\"}").unwrap_err().status().as_u16(),
            400
        );
    }

    #[tokio::test]
    async fn the_member_that_comes_twice_is_named() {
        for (body, param) in [
            (r#"{"model": "a", "model": "b"}"#, "model"),
            (r#"{"metadata": {"x": {"y": 1, "y": 2}}}"#, "metadata"),
        ] {
            let answer = parse(body.as_bytes()).unwrap_err().into_response();
            let body = axum::body::to_bytes(answer.into_body(), 10_000)
                .await
                .unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["error"]["param"], param);
            assert!(
                body["error"]["message"]
                    .as_str()
                    .unwrap()
                    .contains("line 1")
            );
        }
    }
}
