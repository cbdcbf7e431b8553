//! A catalogue file as a text that people keep: its order, its layout, and nothing said twice.
//!
//! [`super::parse`] reads meaning; this reads and writes the file itself, so that a tool can change
//! a part of it and leave every other line as it was.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

/// A JSON document that keeps the order of its keys.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// Anything but a list or an object.
    Scalar(Json),
    /// Items in order.
    List(Vec<Document>),
    /// Members in order; no name twice.
    Map(Vec<(String, Document)>),
}

impl Document {
    /// Reads a document; a name that stands twice in one object is an error, as is deep nesting.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    /// The same without its order.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Scalar(scalar) => scalar.clone(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(members) => members
                .iter()
                .map(|(name, member)| (name.clone(), member.to_json()))
                .collect(),
        }
    }

    /// The member of that name.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => members
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, member)| member),
            _ => None,
        }
    }

    /// Its members, in order; none where it is no object.
    pub fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Map(members) => members,
            _ => &[],
        }
    }

    /// The text of a catalogue file: a line for each field, however long.
    pub fn write(&self) -> String {
        let mut out = String::new();
        self.lay_out(&mut Vec::new(), &mut out);
        out.push('\n');
        out
    }

    fn lay_out(&self, path: &mut Vec<String>, out: &mut String) {
        let (open, close, length) = match self {
            Self::List(items) if is_spread(path) => ('[', ']', items.len()),
            Self::Map(members) if is_spread(path) => ('{', '}', members.len()),
            _ if path.first().is_some_and(|first| first == "tariffs") => {
                return self.hang(path.len(), out);
            }
            _ => return self.inline(out),
        };
        out.push(open);
        for index in 0..length {
            out.push_str(if index == 0 { "\n" } else { ",\n" });
            out.push_str(&" ".repeat(path.len() + 1));
            match self {
                Self::Map(members) => {
                    let (name, member) = &members[index];
                    write_scalar(&Json::String(name.clone()), out);
                    out.push_str(": ");
                    path.push(name.clone());
                    member.lay_out(path, out);
                }
                Self::List(items) => {
                    path.push(index.to_string());
                    items[index].lay_out(path, out);
                }
                Self::Scalar(_) => {}
            }
            path.pop();
        }
        if length > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(path.len()));
        }
        out.push(close);
    }

    /// A tariff: on one line, but for long lists in it.
    fn hang(&self, indent: usize, out: &mut String) {
        match self {
            Self::Map(members) => {
                out.push('{');
                for (index, (name, member)) in members.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    write_scalar(&Json::String(name.clone()), out);
                    out.push_str(": ");
                    member.hang(indent, out);
                }
                out.push('}');
            }
            Self::List(items) if self.length() > LONGEST_LIST => {
                let margin = " ".repeat(indent);
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "\n" } else { ",\n" });
                    out.push_str(&margin);
                    out.push(' ');
                    item.hang(indent + 1, out);
                }
                out.push('\n');
                out.push_str(&margin);
                out.push(']');
            }
            short => short.inline(out),
        }
    }

    fn length(&self) -> usize {
        let mut text = String::new();
        self.inline(&mut text);
        text.len()
    }

    fn inline(&self, out: &mut String) {
        match self {
            Self::Scalar(scalar) => write_scalar(scalar, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    item.inline(out);
                }
                out.push(']');
            }
            Self::Map(members) => {
                out.push('{');
                for (index, (name, member)) in members.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    write_scalar(&Json::String(name.clone()), out);
                    out.push_str(": ");
                    member.inline(out);
                }
                out.push('}');
            }
        }
    }
}

/// Longest list of a tariff that stays on one line.
const LONGEST_LIST: usize = 250;

/// Whether what stands there is broken into lines: the file's frame is, the fields are not.
fn is_spread(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        path[..],
        [] | ["inputs" | "tariffs" | "endpoints"]
            | ["endpoints", _]
            | ["endpoints", _, "pass_through" | "models"]
            | ["endpoints", _, "models", _]
    )
}

/// In the order of the names, for JSON here keeps no other.
impl From<&Json> for Document {
    fn from(json: &Json) -> Self {
        match json {
            Json::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Json::Object(members) => Self::Map(
                members
                    .iter()
                    .map(|(name, member)| (name.clone(), Self::from(member)))
                    .collect(),
            ),
            scalar => Self::Scalar(scalar.clone()),
        }
    }
}

fn write_scalar(scalar: &Json, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{scalar}");
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Scalar(Json::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut given: A) -> Result<Document, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = given.next_element()? {
            items.push(item);
        }
        Ok(Document::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut given: A) -> Result<Document, A::Error> {
        let mut members = Vec::new();
        let mut names = std::collections::BTreeSet::new();
        while let Some((name, member)) = given.next_entry::<String, Document>()? {
            if !names.insert(name.clone()) {
                let shown: String = name.chars().take(64).collect();
                return Err(A::Error::custom(format_args!("{shown:?} is given twice")));
            }
            members.push((name, member));
        }
        Ok(Document::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::super::EMBEDDED;
    use super::*;

    #[test]
    fn what_is_written_is_what_was_read() {
        let read = Document::parse(EMBEDDED).unwrap();
        let written = read.write();
        assert_eq!(Document::parse(&written).unwrap(), read);
        let whole: Json = serde_json::from_str(EMBEDDED).unwrap();
        assert_eq!(read.to_json(), whole);
        // Most lines are as they were: a change to one field is a change to one line.
        let lines: std::collections::BTreeSet<&str> = EMBEDDED.lines().collect();
        let moved: Vec<&str> = written.lines().filter(|l| !lines.contains(l)).collect();
        assert!(moved.len() < written.lines().count() / 10, "{moved:#?}");
    }

    #[test]
    fn a_name_that_stands_twice_and_endless_nesting_are_refused() {
        let told = Document::parse(r#"{"a": 1, "b": {"c": 1, "c": 2}}"#).unwrap_err();
        assert!(told.to_string().contains("\"c\" is given twice"), "{told}");
        assert!(Document::parse(&"[".repeat(100_000)).is_err());
    }
}
