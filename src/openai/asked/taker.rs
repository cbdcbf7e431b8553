//! Takes members out of a body, each by its type.

use super::{Given, invalid};
use crate::domain::generation::InvalidField;
use crate::domain::model::canonical;
use crate::domain::value::Value;
use crate::openai::body::{Budget, MOST_VALUES, Members, kind, read};
use crate::openai::problem::shortened;
use crate::openai::refusal::Words;

/// A body of which members are taken, with what was found wrong on the way.
pub(super) struct Taker {
    pub members: Members,
    pub is_form: bool,
    words: Words,
    wrong: Vec<InvalidField>,
    /// For all texts that are unfolded.
    budget: Budget,
}

impl Taker {
    /// Begins with all members, those within `extra_body` among them.
    pub fn new(given: Given) -> Self {
        let mut taker = Self {
            members: given.members,
            is_form: given.is_form,
            words: Words::default(),
            wrong: Vec::new(),
            budget: Budget::default(),
        };
        if taker.is_form {
            // A form's way to say nothing; in JSON that is null.
            let is_absent = |name: &str, value: &Value| {
                value.as_str().is_some_and(str::is_empty) && EMPTY_IS_ABSENT.contains(&name)
            };
            taker.members.retain(|name, value| !is_absent(name, value));
        }
        for (name, value) in taker.object("extra_body").unwrap_or_default() {
            match taker.members.get(&name) {
                Some(known) if !known.same(&value) => {
                    taker.wrong(
                        name,
                        "stands in extra_body too, and says something else there",
                    );
                }
                _ => drop(taker.members.insert(name, value)),
            }
        }
        taker
    }

    /// The words of the caller, and everything that was wrong.
    pub fn end(self) -> (Words, Vec<InvalidField>) {
        (self.words, self.wrong)
    }

    /// Notes what is wrong with a field, by the domain's name of it.
    pub fn wrong(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        let mut field = field.into();
        if field.len() > LONGEST_FIELD {
            field = shortened(&field);
        }
        self.wrong.push(invalid(field, problem));
    }

    /// How the caller names a field of the domain.
    pub fn say(&mut self, field: &'static str, here: &str) {
        self.words.say(field, here);
    }

    /// The member of any of these names; all that are there must say the same.
    pub fn any(&mut self, field: &'static str, names: &[&'static str]) -> Option<Value> {
        self.same(field, names, Value::same)
    }

    fn same(
        &mut self,
        field: &'static str,
        names: &[&'static str],
        is_same: impl Fn(&Value, &Value) -> bool,
    ) -> Option<Value> {
        let mut taken: Option<(&str, Value)> = None;
        for name in names {
            let Some(value) = self.members.remove(*name) else {
                continue;
            };
            match &taken {
                None => {
                    self.say(field, name);
                    taken = Some((name, value));
                }
                Some((first, known)) if !is_same(known, &value) => {
                    let problem = format!("says something else than {first}: give one of the two");
                    self.wrong(*name, problem);
                }
                Some(_) => {}
            }
        }
        taken.map(|(_, value)| value)
    }

    /// A text.
    pub fn text(&mut self, field: &'static str, names: &[&'static str]) -> Option<String> {
        let value = self.any(field, names)?;
        self.as_text(field, value)
    }

    /// A value as text, which nothing else is.
    pub fn as_text(&mut self, field: &str, value: Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text),
            other => {
                self.wrong(field, format!("must be text; got {}", kind(&other)));
                None
            }
        }
    }

    /// A size by either name and in either spelling.
    pub fn size(&mut self) -> String {
        let is_same = |one: &Value, other: &Value| match (one.as_str(), other.as_str()) {
            (Some(one), Some(other)) => canonical(one) == canonical(other),
            _ => one == other,
        };
        let value = self.same("size", &["size", "ratio"], is_same);
        value
            .and_then(|value| self.as_text("size", value))
            .unwrap_or_default()
    }

    /// A whole number of seconds, as number or as text.
    pub fn seconds(&mut self) -> Option<u32> {
        let value = self.any("seconds", &["seconds"])?;
        let read = whole(&value, true).and_then(|whole| u32::try_from(whole).ok());
        if read.is_none() {
            let got = got(&value);
            self.wrong(
                "seconds",
                format!("must be whole seconds, as 5 or \"5\"; got {got}"),
            );
        }
        read
    }

    /// A whole number that its type holds.
    pub fn small<T: TryFrom<i64>>(
        &mut self,
        field: &'static str,
        names: &[&'static str],
    ) -> Option<T> {
        let value = self.any(field, names)?;
        let read = whole(&value, self.is_form).and_then(|whole| T::try_from(whole).ok());
        if read.is_none() {
            let got = got(&value);
            self.wrong(
                field,
                format!("must be a whole number within bounds; got {got}"),
            );
        }
        read
    }

    /// A number, as number or as text.
    pub fn number(&mut self, field: &'static str, names: &[&'static str]) -> Option<f64> {
        let value = self.any(field, names)?;
        let text = || value.as_str()?.trim().parse::<f64>().ok();
        let read = value
            .as_number()
            .or_else(text)
            .filter(|number| number.is_finite());
        if read.is_none() {
            self.wrong(field, format!("must be a number; got {}", got(&value)));
        }
        read
    }

    /// True or false.
    pub fn flag(&mut self, field: &'static str, names: &[&'static str]) -> Option<bool> {
        let value = self.any(field, names)?;
        let read = match &value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if self.is_form => text.to_ascii_lowercase().parse().ok(),
            _ => None,
        };
        if read.is_none() {
            self.wrong(field, format!("must be true or false; got {}", got(&value)));
        }
        read
    }

    /// The members of an object, those that are null left out; in a form it may be a text of JSON.
    pub fn object(&mut self, name: &'static str) -> Option<Members> {
        let value = self.members.remove(name)?;
        match self.unfolded(name, value)? {
            Value::Object(mut members) => {
                members.retain(|_, value| *value != Value::Null);
                Some(members)
            }
            other => {
                self.wrong(name, format!("must be an object; got {}", kind(&other)));
                None
            }
        }
    }

    /// What a text of a form holds where that is a list or an object in JSON. `None`: the request holds
    /// more than may be read of it, which is noted.
    pub fn unfolded(&mut self, field: &str, value: Value) -> Option<Value> {
        let is_json = |text: &&str| text.trim_start().starts_with(['{', '[']);
        let Some(text) = value.as_str().filter(|_| self.is_form).filter(is_json) else {
            return Some(value);
        };
        let read = read(text, &self.budget);
        if self.budget.is_exceeded() {
            let problem = format!(
                "holds too many values: with all before it more than the {MOST_VALUES} of a request"
            );
            self.wrong(field, problem);
            return None;
        }
        Some(read.unwrap_or(value))
    }
}

/// The whole number that a value is, or that its text spells where texts may.
fn whole(value: &Value, may_be_text: bool) -> Option<i64> {
    match value {
        Value::String(text) if may_be_text => {
            let text = text.trim();
            let number = || Value::Number(text.parse().ok()?).as_int();
            text.parse().ok().or_else(number)
        }
        other => other.as_int(),
    }
}

/// A value as it may be told.
fn got(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", shortened(text)),
        other => other.to_string(),
    }
}

/// Members that an empty text leaves out of a form. Other texts may be empty: to some that says nothing
/// anyway, and a prompt, a label and what is the provider's are what they are.
const EMPTY_IS_ABSENT: [&str; 16] = [
    "audio",
    "count",
    "extra_body",
    "input_reference",
    "input_references",
    "labels",
    "metadata",
    "n",
    "operation",
    "priority",
    "provider_options",
    "ratio",
    "seconds",
    "seed",
    "size",
    "timeout",
];
/// Bytes of a field's name that are told as they are.
const LONGEST_FIELD: usize = 512;
