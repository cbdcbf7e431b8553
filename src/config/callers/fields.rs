//! Reads a map whose keys may all be left out: an entry of `keys`, its limits, a tenant.
//!
//! As a [`super::super::section::Section`] it finds every problem in one pass and refuses what it was
//! not asked for; unlike one it has no defaults to stand on. What a value was is never quoted where it
//! may be a secret.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::super::problem::{Problem, Report};
use super::super::section::nearest;
use super::super::tree::{Node, Origin, Scalar, Value};

/// A map being read.
pub(super) struct Fields<'a> {
    path: String,
    origin: &'a Origin,
    keys: &'a BTreeMap<String, Node>,
    asked: RefCell<Vec<&'static str>>,
    report: &'a Report,
}

impl<'a> Fields<'a> {
    /// Reads `node`, which problems call `path`, with `read`. A null has no keys.
    pub fn read<T>(
        path: String,
        node: &'a Node,
        report: &'a Report,
        read: impl FnOnce(&Self) -> T,
    ) -> T {
        const EMPTY: &BTreeMap<String, Node> = &BTreeMap::new();
        let keys = match &node.value {
            Value::Map(keys) => keys,
            Value::Null => EMPTY,
            Value::Text(..) | Value::List(_) => {
                report.add(Problem::new(
                    &node.origin,
                    &path,
                    "must hold keys of its own",
                ));
                EMPTY
            }
        };
        let fields = Self {
            path,
            origin: &node.origin,
            keys,
            asked: RefCell::default(),
            report,
        };
        let result = read(&fields);
        fields.refuse_unasked();
        result
    }

    /// Reads the map `key`, if there is one.
    pub fn within<T: Default>(&self, key: &'static str, read: impl FnOnce(&Self) -> T) -> T {
        let Some(node) = self.node(key) else {
            return T::default();
        };
        Self::read(self.name(key), node, self.report, read)
    }

    /// What was written for `key`; `None` when nothing was, or null.
    pub fn node(&self, key: &'static str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(key);
        let node = self.keys.get(key);
        node.filter(|node| !matches!(node.value, Value::Null))
    }

    /// Whether `key` was written, be it as null.
    pub fn is_given(&self, key: &'static str) -> bool {
        self.asked.borrow_mut().push(key);
        self.keys.contains_key(key)
    }

    /// The text of `key`, a number as it is shown.
    pub fn text(&self, key: &'static str) -> Option<String> {
        match &self.node(key)?.value {
            Value::Text(text, _) => Some(text.trim().to_owned()),
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.wrong(key, "takes one value");
                None
            }
        }
    }

    /// A text that must not have been read as a number, because that would have changed it.
    pub fn exact(&self, key: &'static str) -> Option<String> {
        if let Some(Node {
            value: Value::Text(_, Scalar::Number | Scalar::Bool),
            ..
        }) = self.node(key)
        {
            self.wrong(key, "must be written in quotes");
            return None;
        }
        self.text(key)
    }

    /// What `parse` makes of `key`.
    pub fn parsed<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(key)?;
        parse(&text)
            .map_err(|problem| self.wrong(key, &problem))
            .ok()
    }

    /// A whole number within bounds.
    pub fn count<T>(&self, key: &'static str, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: PartialOrd + Display + FromStr,
    {
        self.parsed(key, |text| {
            let number = text.parse().ok().filter(|number| bounds.contains(number));
            number.ok_or_else(|| {
                let (least, most) = (bounds.start(), bounds.end());
                format!("must be a whole number from {least} to {most}")
            })
        })
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &'static str) -> Option<bool> {
        self.parsed(key, |text| {
            text.parse().map_err(|_| "must be true or false".to_owned())
        })
    }

    /// A list of texts, each with the place where it was written; one text is a list of one.
    pub fn names(&self, key: &'static str) -> Option<Vec<(String, &'a Origin)>> {
        let node = self.node(key)?;
        let one = |item: &'a Node| match &item.value {
            Value::Text(text, _) => Some((text.trim().to_owned(), &item.origin)),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        };
        let names: Option<Vec<_>> = match &node.value {
            Value::List(items) => items.iter().map(one).collect(),
            Value::Null | Value::Text(..) | Value::Map(_) => one(node).map(|name| vec![name]),
        };
        match names {
            Some(names) if names.is_empty() => {
                self.wrong(key, "must not be empty; leave it out for the default");
                None
            }
            None => {
                self.wrong(key, "must be a list of names");
                None
            }
            names => names,
        }
    }

    /// Where the map begins.
    pub fn origin(&self) -> &'a Origin {
        self.origin
    }

    /// Reports a problem with `key`, at the place where it was written.
    pub fn wrong(&self, key: &str, text: &str) {
        let origin = self.keys.get(key).map_or(self.origin, |node| &node.origin);
        self.report.add(Problem::new(origin, &self.name(key), text));
    }

    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    fn refuse_unasked(&self) {
        let asked = self.asked.borrow();
        let is_unasked = |key: &&String| !asked.contains(&key.as_str());
        for key in self.keys.keys().filter(is_unasked) {
            let text = match nearest(key, &asked) {
                Some(near) => format!("is no such key; did you mean `{}`?", self.name(near)),
                None => format!("is no such key; here are: {}", known(&asked)),
            };
            self.wrong(key, &text);
        }
    }
}

/// Each key once, in the order in which they are read.
fn known(asked: &[&'static str]) -> String {
    let mut once: Vec<&str> = Vec::new();
    for key in asked {
        if !once.contains(key) {
            once.push(key);
        }
    }
    once.join(", ")
}
