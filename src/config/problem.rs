//! What is wrong with a configuration: all of it at once, each with its place.

use std::cell::RefCell;
use std::fmt;

use super::tree::Origin;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `mediagen.yaml:12`, `MEDIAGEN_LISTEN` or `--listen`; empty for a default.
    pub place: String,
    /// The dotted key, or empty when it is about the whole source.
    pub key: String,
    /// A sentence. Never holds a secret.
    pub text: String,
}

impl Problem {
    /// A problem with `key`, written at `origin`.
    pub fn new(origin: &Origin, key: &str, text: &str) -> Self {
        Self {
            place: origin.to_string(),
            key: key.into(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.place, &self.key] {
            if !part.is_empty() {
                write!(out, "{part}: ")?;
            }
        }
        out.write_str(&self.text)
    }
}

/// Everything that is wrong with a configuration. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(out, "the configuration has {count} {noun}")?;
        for problem in &self.0 {
            write!(out, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects problems while the sections are read.
#[derive(Default)]
pub struct Report(RefCell<Vec<Problem>>);

impl Report {
    /// Adds a problem; a key's second problem would only follow from its first.
    pub fn add(&self, problem: Problem) {
        let mut all = self.0.borrow_mut();
        if problem.key.is_empty() || all.iter().all(|other| other.key != problem.key) {
            all.push(problem);
        }
    }

    /// `value` when nothing was wrong.
    pub fn finish<T>(self, value: T) -> Result<T, Problems> {
        let problems = self.0.into_inner();
        if problems.is_empty() {
            Ok(value)
        } else {
            Err(Problems(problems))
        }
    }
}
