//! Reads one section of the merged tree: every key asked for must be there and within its bounds,
//! and every key that is there must have been asked for.
//!
//! After a problem the reader goes on with a value that is merely of the right type, so that all
//! problems are found in one pass. Such a value never leaves `config`: with a problem there is no
//! configuration.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::problem::{Problem, Report};
use super::quantity::{parse_bytes, parse_duration, show_bytes, show_duration};
use super::tree::{Node, Origin, Value};

/// A section being read.
pub struct Section<'a> {
    path: String,
    origin: &'a Origin,
    keys: &'a BTreeMap<String, Node>,
    asked: RefCell<Vec<&'static str>>,
    report: &'a Report,
}

impl<'a> Section<'a> {
    /// Reads a whole tree with `read`.
    pub fn root<T>(node: &'a Node, report: &'a Report, read: impl FnOnce(&Section<'_>) -> T) -> T {
        Self::read(String::new(), node, report, read)
    }

    /// Reads the section `key` with `read`.
    pub fn within<T>(&self, key: &'static str, read: impl FnOnce(&Section<'_>) -> T) -> T {
        let missing = Node {
            origin: self.origin.clone(),
            value: Value::Null,
        };
        let node = self.node(key).unwrap_or(&missing);
        Section::read(self.name(key), node, self.report, read)
    }

    fn read<T>(
        path: String,
        node: &Node,
        report: &Report,
        read: impl FnOnce(&Section<'_>) -> T,
    ) -> T {
        let empty = BTreeMap::new();
        let keys = if let Value::Map(keys) = &node.value {
            keys
        } else {
            report.add(Problem::new(
                &node.origin,
                &path,
                "holds keys of its own, not a value",
            ));
            &empty
        };
        let section = Section {
            path,
            origin: &node.origin,
            keys,
            asked: RefCell::default(),
            report,
        };
        let result = read(&section);
        section.refuse_unasked();
        result
    }

    /// The text of `key` as written; `None` when it is null.
    pub fn optional(&self, key: &'static str) -> Option<String> {
        match &self.node(key)?.value {
            Value::Text(text, _) => Some(text.clone()),
            Value::Null => None,
            Value::List(_) | Value::Map(_) => {
                self.wrong(key, "takes one value");
                None
            }
        }
    }

    /// What `parse` makes of `key`; `None` when it is null or wrong.
    pub fn parsed<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.optional(key)?;
        parse(text.trim())
            .map_err(|problem| self.wrong(key, &problem))
            .ok()
    }

    /// The same, but null is wrong.
    pub fn required<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if matches!(
            self.keys.get(key).map(|node| &node.value),
            Some(Value::Null)
        ) {
            self.wrong(key, "needs a value");
        }
        self.parsed(key, parse)
    }

    /// A text that is not empty.
    pub fn text(&self, key: &'static str) -> String {
        let parse = |text: &str| match text {
            "" => Err("must not be empty".into()),
            text => Ok(text.to_owned()),
        };
        self.required(key, parse).unwrap_or_default()
    }

    /// A path; `None` when null or empty.
    pub fn path(&self, key: &'static str) -> Option<PathBuf> {
        self.optional(key)
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    }

    /// `true` or `false`; variables are often given as `1` or `0`.
    pub fn flag(&self, key: &'static str) -> bool {
        self.choice(
            key,
            &[("true", true), ("false", false), ("1", true), ("0", false)],
            false,
        )
    }

    /// One of some names.
    pub fn choice<T: Copy>(&self, key: &'static str, names: &[(&str, T)], fallback: T) -> T {
        let parse = |text: &str| {
            let found = names.iter().find(|(name, _)| *name == text);
            let all: Vec<_> = names.iter().map(|(name, _)| *name).collect();
            found
                .map(|(_, value)| *value)
                .ok_or_else(|| format!("`{text}` is none of: {}", all.join(", ")))
        };
        self.required(key, parse).unwrap_or(fallback)
    }

    /// A duration within bounds.
    pub fn duration(&self, key: &'static str, bounds: RangeInclusive<Duration>) -> Duration {
        let parse = |text: &str| {
            within(parse_duration(text)?, &bounds, |value| {
                show_duration(*value)
            })
        };
        self.required(key, parse).unwrap_or(*bounds.start())
    }

    /// A number within bounds.
    pub fn count<T>(&self, key: &'static str, bounds: RangeInclusive<T>) -> T
    where
        T: Copy + PartialOrd + Display + std::str::FromStr,
    {
        let parse = |text: &str| {
            let number = text
                .parse()
                .map_err(|_| format!("`{text}` is no number within bounds"))?;
            within(number, &bounds, T::to_string)
        };
        self.required(key, parse).unwrap_or(*bounds.start())
    }

    /// A number of bytes within bounds.
    pub fn bytes<T>(&self, key: &'static str, bounds: RangeInclusive<T>) -> T
    where
        T: Copy + PartialOrd + TryFrom<u64> + TryInto<u64>,
    {
        let parse = |text: &str| bytes_within(text, &bounds);
        self.required(key, parse).unwrap_or(*bounds.start())
    }

    /// Every entry of a section with free names.
    pub fn entries(&self) -> Vec<(String, String)> {
        let text = |(key, node): (&String, &Node)| match &node.value {
            Value::Text(text, _) => Some((key.clone(), text.clone())),
            Value::Null | Value::List(_) | Value::Map(_) => {
                let path = format!("{}.{key}", self.path);
                self.report
                    .add(Problem::new(&node.origin, &path, "takes one value"));
                None
            }
        };
        let entries: Vec<_> = self.keys.iter().filter_map(text).collect();
        self.asked.borrow_mut().push(ANY);
        entries
    }

    /// Every key of a section with free names, as it was written.
    pub fn nodes(&self) -> &'a BTreeMap<String, Node> {
        self.leave_the_rest();
        self.keys
    }

    /// What was written for `key`, for a section with a form of its own.
    pub fn raw(&self, key: &'static str) -> Option<&'a Node> {
        self.node(key)
    }

    /// Keys that were not asked for are somebody else's business.
    pub fn leave_the_rest(&self) {
        self.asked.borrow_mut().push(ANY);
    }

    /// Reports a problem at a place of its own below this section.
    pub fn wrong_at(&self, origin: &Origin, path: &str, text: &str) {
        self.report
            .add(Problem::new(origin, &self.name(path), text));
    }

    /// Reports a problem of another source, such as a file that a key names.
    pub fn tell(&self, problem: Problem) {
        self.report.add(problem);
    }

    /// Whether nobody set `key`.
    pub fn is_default(&self, key: &str) -> bool {
        self.keys
            .get(key)
            .is_none_or(|node| node.origin == Origin::Default)
    }

    /// Reports a problem with `key`, at the place where it was written.
    pub fn wrong(&self, key: &str, text: &str) {
        let origin = self.keys.get(key).map_or(self.origin, |node| &node.origin);
        self.report.add(Problem::new(origin, &self.name(key), text));
    }

    fn node(&self, key: &'static str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(key);
        let node = self.keys.get(key);
        if node.is_none() && !self.keys.is_empty() {
            self.wrong(key, "is missing from the embedded defaults");
        }
        node
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.into()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn refuse_unasked(&self) {
        let asked = self.asked.borrow();
        for key in self
            .keys
            .keys()
            .filter(|key| !asked.contains(&ANY) && !asked.contains(&key.as_str()))
        {
            let text = match nearest(key, &asked) {
                Some(near) => format!("is no such key; did you mean `{}`?", self.name(near)),
                None => format!("is no such key; here are: {}", asked.join(", ")),
            };
            self.wrong(key, &text);
        }
    }
}

/// The name that `wrong` was probably meant to be.
pub fn nearest<'n>(wrong: &str, names: &[&'n str]) -> Option<&'n str> {
    let near = |name: &&'n str| {
        (
            strsim::jaro_winkler(&wrong.to_lowercase(), &name.to_lowercase()),
            *name,
        )
    };
    let best = names
        .iter()
        .map(near)
        .max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= NEAR).then_some(best.1)
}

fn bytes_within<T>(text: &str, bounds: &RangeInclusive<T>) -> Result<T, String>
where
    T: Copy + PartialOrd + TryFrom<u64> + TryInto<u64>,
{
    let bytes = parse_bytes(text)?;
    let value = T::try_from(bytes).map_err(|_| format!("`{text}` is too large"))?;
    within(value, bounds, |value| {
        show_bytes((*value).try_into().unwrap_or(u64::MAX))
    })
}

fn within<T: PartialOrd>(
    value: T,
    bounds: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<T, String> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    let (value, least, most) = (show(&value), show(bounds.start()), show(bounds.end()));
    Err(format!("{value} is out of bounds: {least} to {most}"))
}

/// How alike two names must be for one to be offered for the other.
const NEAR: f64 = 0.8;
/// Stands for every key of a section with free names.
const ANY: &str = "*";
