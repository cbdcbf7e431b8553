//! Reads one section of the merged tree: every key asked for must be there and within its bounds,
//! and every key that is there must have been asked for.
//!
//! A text that is written `os.environ/NAME` is that variable's value, here and nowhere else, so that
//! what nobody reads need not be set. Such a value may be a secret and is in no problem.
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
use super::quantity::{bytes_within, parse_duration, show_duration, within};
use super::tree::{Node, Origin, Value};

/// A section being read.
pub struct Section<'a> {
    path: String,
    origin: &'a Origin,
    keys: &'a BTreeMap<String, Node>,
    asked: RefCell<Vec<&'static str>>,
    report: &'a Report,
    /// Whether every key that is asked for must be there, if only in the embedded defaults.
    complete: bool,
}

impl<'a> Section<'a> {
    /// Reads a whole tree with `read`.
    pub fn root<T>(node: &'a Node, report: &'a Report, read: impl FnOnce(&Section<'_>) -> T) -> T {
        Self::read(String::new(), node, (report, true), read)
    }

    /// Reads the section `key` with `read`.
    pub fn within<T>(&self, key: &'static str, read: impl FnOnce(&Section<'_>) -> T) -> T {
        let missing = Node {
            origin: self.origin.clone(),
            value: Value::Null,
        };
        let node = self.node(key).unwrap_or(&missing);
        Section::read(self.name(key), node, (self.report, self.complete), read)
    }

    /// Reads the section `key`, which need not be there and has no defaults.
    pub fn maybe<T>(&self, key: &'static str, read: impl FnOnce(&Section<'_>) -> T) -> T {
        let missing = Node {
            origin: self.origin.clone(),
            value: Value::Map(BTreeMap::new()),
        };
        let node = self.given(key).unwrap_or(&missing);
        Section::read(self.name(key), node, (self.report, false), read)
    }

    /// Reads a section without defaults under a name, or an index as `[0]`, of its own.
    pub fn below<T>(&self, step: &str, node: &Node, read: impl FnOnce(&Section<'_>) -> T) -> T {
        Section::read(self.name(step), node, (self.report, false), read)
    }

    fn read<T>(
        path: String,
        node: &Node,
        (report, complete): (&Report, bool),
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
            complete,
        };
        let result = read(&section);
        section.refuse_unasked();
        result
    }

    /// The text of `key`, or of the variable that it names; `None` when it is null or wrong.
    pub fn optional(&self, key: &'static str) -> Option<String> {
        match &self.node(key)?.value {
            Value::Text(text, _) => self.resolved(key, text),
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
            .map_err(|problem| self.wrong(key, &self.discreet(key, text.trim(), problem)))
            .ok()
    }

    /// The name of the variable that `key` takes its text from, when it does.
    pub fn variable(&self, key: &str) -> Option<&'a str> {
        match &self.keys.get(key)?.value {
            Value::Text(text, _) => named_variable(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The text of `key` as written, whether or not the variable that it names is there.
    pub fn spelled(&self, key: &'static str) -> Option<&'a str> {
        match &self.given(key)?.value {
            Value::Text(text, _) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The node of `key`, which need not be there; `None` when it is null.
    pub fn given(&self, key: &'static str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(key);
        let node = self.keys.get(key)?;
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    /// What stands in the list `key`; nothing when it is null or not there.
    pub fn items(&self, key: &'static str) -> &'a [Node] {
        match self.node(key).map(|node| &node.value) {
            None | Some(Value::Null) => &[],
            Some(Value::List(items)) => items,
            Some(Value::Text(..) | Value::Map(_)) => {
                self.wrong(key, "takes a list: a line that begins with `-` for each");
                &[]
            }
        }
    }

    /// Whether `key` is there and holds something.
    pub fn has(&self, key: &str) -> bool {
        self.keys
            .get(key)
            .is_some_and(|node| !matches!(node.value, Value::Null))
    }

    fn resolved(&self, key: &str, text: &str) -> Option<String> {
        let Some(name) = named_variable(text) else {
            return Some(text.to_owned());
        };
        let value = self.report.env().get(name).map(str::to_owned);
        if value.is_none() {
            let state = if self.report.env().is_set(name) {
                "empty"
            } else {
                "not set"
            };
            let name = shortened(name);
            let text = format!("the variable {name} is {state}; set it, or name another");
            self.wrong(key, &text);
        }
        value
    }

    /// A problem with a text that came from a variable, without the text.
    fn discreet(&self, key: &str, text: &str, problem: String) -> String {
        let Some(name) = self.variable(key) else {
            return problem;
        };
        let told = problem.replace(&format!("`{text}`"), &format!("the variable {name}"));
        if text.len() > 3 && told.contains(text) {
            format!("the variable {name} holds nothing that fits here")
        } else {
            told
        }
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
            Value::Text(text, _) => Some((key.clone(), self.resolved(key, text)?)),
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.wrong(key, "takes one value");
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

    /// Warns of `key`, at the place where it was written.
    pub fn warn(&self, key: &str, text: &str) {
        let origin = self.keys.get(key).map_or(self.origin, |node| &node.origin);
        self.warn_at(origin, key, text);
    }

    /// Warns of a place of its own below this section.
    pub fn warn_at(&self, origin: &Origin, path: &str, text: &str) {
        self.report
            .warn(Problem::new(origin, &self.name(path), text));
    }

    /// Warns of those of `keys` that are there and say something.
    pub fn not_honoured(&self, keys: &[&'static str], text: &str) {
        self.asked.borrow_mut().extend_from_slice(keys);
        for (key, node) in self.keys {
            if keys.contains(&key.as_str()) && !matches!(node.value, Value::Null) {
                self.warn(key, text);
            }
        }
    }

    /// Warns of every key that was not asked for, in the place of refusing it.
    pub fn shrug_at_the_rest(&self, text: &str) {
        let asked = self.asked.borrow().clone();
        for key in self.keys.keys() {
            if self.report.is_full() {
                break;
            }
            if !asked.contains(&key.as_str()) {
                let hint = nearest(key, &asked).filter(|near| near != key);
                let hint = hint.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                self.warn(key, &format!("{text}{hint}"));
            }
        }
        self.leave_the_rest();
    }

    /// Whether so much is wrong that nothing further need be looked for.
    pub fn is_given_up(&self) -> bool {
        self.report.is_full()
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
        if node.is_none() && self.complete && !self.keys.is_empty() {
            self.wrong(key, "is missing from the embedded defaults");
        }
        node
    }

    /// The whole path of `key`.
    pub fn name(&self, key: &str) -> String {
        let key = shortened(key);
        let is_step = !self.path.is_empty() && !key.is_empty() && !key.starts_with('[');
        let dot = if is_step { "." } else { "" };
        format!("{}{dot}{key}", self.path)
    }

    fn refuse_unasked(&self) {
        let asked = self.asked.borrow();
        for key in self
            .keys
            .keys()
            .filter(|key| !asked.contains(&ANY) && !asked.contains(&key.as_str()))
        {
            if self.report.is_full() {
                break;
            }
            let text = match nearest(key, &asked) {
                Some(near) => format!("is no such key; did you mean `{}`?", self.name(near)),
                None if asked.len() > LISTED => "is no such key".to_owned(),
                None => format!("is no such key; here are: {}", asked.join(", ")),
            };
            self.wrong(key, &text);
        }
    }
}

/// The name that `wrong` was probably meant to be.
pub fn nearest<'n>(wrong: &str, names: &[&'n str]) -> Option<&'n str> {
    if wrong.len() > LONGEST {
        return None;
    }
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

/// The variable that a text names.
fn named_variable(text: &str) -> Option<&str> {
    text.trim().strip_prefix(VARIABLE).map(str::trim)
}

/// A name as a problem shows it: what is longer than any name was not meant to be read.
pub fn shortened(name: &str) -> std::borrow::Cow<'_, str> {
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]).into(),
        None => name.into(),
    }
}

/// How alike two names must be for one to be offered for the other.
const NEAR: f64 = 0.8;
/// Letters of the longest name that a slip is looked for in.
const LONGEST: usize = 128;
/// Keys that are listed for one that is none of them.
const LISTED: usize = 40;
/// What stands before a variable's name in the place of a text.
const VARIABLE: &str = "os.environ/";
/// Stands for every key of a section with free names.
const ANY: &str = "*";
