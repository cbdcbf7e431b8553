//! A configuration before it has meaning: keys, texts, and where each of them was written.
//!
//! Scalars stay text here. What a text must look like is said once, by the section that reads it,
//! so that a file, a variable and a flag are held to the same rules. How a scalar was written is
//! remembered for the one section that holds data of another form (`models`). Lines are kept so
//! that a problem can be pointed at; the text of a file is never quoted, because it may hold a key.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_saphyr::Spanned;

use super::problem::Problem;
use super::yaml;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the embedded defaults.
    Default,
    /// In a file, at a line.
    File(String, u64),
    /// In an environment variable.
    Variable(String),
    /// In a flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => Ok(()), // nobody wrote it, so there is no place to point at
            Self::File(name, line) => write!(out, "{name}:{line}"),
            Self::Variable(name) | Self::Flag(name) => out.write_str(name),
        }
    }
}

/// A value and where it was written.
#[derive(Clone)]
pub struct Node {
    pub origin: Origin,
    pub value: Value,
}

/// What was written.
#[derive(Clone)]
pub enum Value {
    Null,
    Text(String, Scalar),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
}

/// What a scalar was before it became text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    Text,
    Bool,
    Number,
}

impl Node {
    /// Reads a YAML document. `name` is what problems call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problem> {
        Self::parse_within(name, text, options())
    }

    /// Reads a YAML document that may hold a long list of small entries, as a keys file does.
    pub fn parse_long(name: &str, text: &str) -> Result<Self, Problem> {
        Self::parse_within(name, text, long_options())
    }

    fn parse_within(
        name: &str,
        text: &str,
        options: serde_saphyr::Options,
    ) -> Result<Self, Problem> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let parsed: Result<Option<Raw>, _> = serde_saphyr::from_str_with_options(text, options);
        match parsed {
            Ok(Some(raw)) => Ok(raw.named(name)),
            Ok(None) => Ok(Self {
                origin: Origin::File(name.into(), 1),
                value: Value::Null,
            }),
            Err(error) => {
                let line = error.location().map_or(1, |place| place.line());
                let origin = Origin::File(name.into(), line);
                Err(Problem::new(&origin, "", &yaml::reason(&error)))
            }
        }
    }

    /// A text given outside any file.
    pub fn text(origin: Origin, text: &str) -> Self {
        Self {
            origin,
            value: Value::Text(text.into(), Scalar::Text),
        }
    }

    /// The JSON that this stands for; an infinite number is none, and stays text.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Text(text, Scalar::Text) => Json::String(text.clone()),
            Value::Text(text, Scalar::Bool) => Json::Bool(text == "true"),
            Value::Text(text, Scalar::Number) => text
                .parse()
                .map_or_else(|_| Json::String(text.clone()), Json::Number),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(keys) => keys
                .iter()
                .map(|(key, node)| (key.clone(), node.to_json()))
                .collect(),
        }
    }

    /// The files that are named in it: every value of a key that is `file` or ends in `_file`. At
    /// most [`MAX_FILES`].
    pub fn files(&self) -> Vec<PathBuf> {
        let (mut found, mut rest) = (Vec::new(), vec![self]);
        while let Some(node) = rest.pop() {
            match &node.value {
                Value::Map(keys) => rest.extend(keys.iter().map(|(key, node)| {
                    let names_one = key == "file" || key.ends_with("_file");
                    if let (true, Value::Text(text, Scalar::Text)) = (names_one, &node.value)
                        && !text.is_empty()
                        && found.len() < MAX_FILES
                    {
                        found.push(PathBuf::from(text));
                    }
                    node
                })),
                Value::List(items) => rest.extend(items),
                Value::Null | Value::Text(..) => {}
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// The deepest node on a path of keys and indexes, with how many steps lead to it.
    pub fn along(&self, path: &[String]) -> (&Self, usize) {
        let Some((step, rest)) = path.split_first() else {
            return (self, 0);
        };
        let next = match &self.value {
            Value::Map(keys) => keys.get(step),
            Value::List(items) => step.parse::<usize>().ok().and_then(|at| items.get(at)),
            Value::Null | Value::Text(..) => None,
        };
        next.map_or((self, 0), |next| {
            let (node, steps) = next.along(rest);
            (node, steps + 1)
        })
    }

    /// Puts `over` on top: sections merge key by key, everything else is replaced.
    pub fn overlay(&mut self, over: Self) {
        match (&mut self.value, over.value) {
            (Value::Map(_), Value::Null) => {} // a section whose keys are all commented out
            (Value::Map(base), Value::Map(keys)) => {
                for (key, node) in keys {
                    match base.get_mut(&key) {
                        Some(old) => old.overlay(node),
                        None => drop(base.insert(key, node)),
                    }
                }
            }
            (_, value) => {
                *self = Self {
                    origin: over.origin,
                    value,
                }
            }
        }
    }

    /// Puts `leaf` at a dotted path, making sections on the way.
    pub fn put(&mut self, path: &str, leaf: Self) {
        let over = path.rsplit('.').fold(leaf, |node, key| Self {
            origin: node.origin.clone(),
            value: Value::Map(BTreeMap::from([(key.into(), node)])),
        });
        self.overlay(over);
    }

    /// The dotted paths of everything that is not a section.
    pub fn leaves(&self) -> Vec<String> {
        let Value::Map(keys) = &self.value else {
            return vec![String::new()];
        };
        let under = |(key, node): (&String, &Self)| {
            let join = |rest: String| {
                if rest.is_empty() {
                    key.clone()
                } else {
                    format!("{key}.{rest}")
                }
            };
            node.leaves().into_iter().map(join).collect::<Vec<_>>()
        };
        keys.iter().flat_map(under).collect()
    }

    /// Says that everything in this tree is a default.
    pub fn into_default(mut self) -> Self {
        self.origin = Origin::Default;
        if let Value::Map(keys) = self.value {
            let keys = keys
                .into_iter()
                .map(|(key, node)| (key, node.into_default()));
            self.value = Value::Map(keys.collect());
        }
        self
    }
}

/// A node as YAML gives it: a line, but not yet the file's name.
struct Raw {
    line: u64,
    value: RawValue,
}

enum RawValue {
    Null,
    Text(String, Scalar),
    List(Vec<Raw>),
    Map(BTreeMap<String, Raw>),
}

impl Raw {
    fn named(self, name: &str) -> Node {
        let value = match self.value {
            RawValue::Null => Value::Null,
            RawValue::Text(text, scalar) => Value::Text(text, scalar),
            RawValue::List(items) => {
                Value::List(items.into_iter().map(|raw| raw.named(name)).collect())
            }
            RawValue::Map(keys) => Value::Map(
                keys.into_iter()
                    .map(|(key, raw)| (key, raw.named(name)))
                    .collect(),
            ),
        };
        Node {
            origin: Origin::File(name.into(), self.line),
            value,
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<RawValue>::deserialize(source)?;
        Ok(Self {
            line: spanned.referenced.line(),
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value or a section")
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_none<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, source: D) -> Result<RawValue, D::Error> {
        RawValue::deserialize(source)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_string(), Scalar::Bool))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_string(), Scalar::Number))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_string(), Scalar::Number))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_string(), Scalar::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.into(), Scalar::Text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut given: A) -> Result<RawValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = given.next_element::<Raw>()? {
            items.push(item);
        }
        Ok(RawValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawValue, A::Error> {
        let mut keys = BTreeMap::new();
        while let Some((key, node)) = entries.next_entry::<String, Raw>()? {
            if keys.insert(key, node).is_some() {
                return Err(A::Error::custom("a key is given twice"));
            }
        }
        Ok(RawValue::Map(keys))
    }
}

/// Limits for data of some thousand entries, of which none refers to another.
fn long_options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_nodes: 500_000,
            max_events: 1_000_000,
            max_aliases: 0,
            max_documents: 1,
        },
    }
}

/// Small limits: a configuration is a page, not a data set.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_nodes: 20_000,
            max_events: 100_000,
            max_aliases: 100,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
        },
    }
}

/// Files that are followed for changes, at most.
const MAX_FILES: usize = 256;
