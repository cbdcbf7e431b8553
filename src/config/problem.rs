//! What is wrong with a configuration: all of it at once, each with its place.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use super::env::Environment;
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
            key: printable(key),
            text: printable(text),
        }
    }

    /// Its line; what has none stands after all that have one.
    fn line(&self) -> u64 {
        let line = self
            .place
            .rsplit_once(':')
            .and_then(|(_, line)| line.parse().ok());
        line.unwrap_or(u64::MAX)
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

/// A text of the file as it may go to a terminal: bounded, whatever a value that it quotes holds, and
/// without what has the shape of an API key, which may stand where a name or a number belongs.
fn printable(text: &str) -> String {
    let text = &*masked(text);
    let shown = |letter: char| match letter {
        '\n' => letter,
        letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
        letter => letter,
    };
    let mut letters = text.chars().map(shown);
    let mut printed: String = letters.by_ref().take(LONGEST).collect();
    if letters.next().is_some() {
        printed.push('…');
    }
    printed
}

/// Puts `***` after what API keys begin with, in the place of the rest.
fn masked(text: &str) -> Cow<'_, str> {
    let is_of_key = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let mut shown = Cow::Borrowed("");
    let mut rest = text;
    while let Some(start) = rest.find(is_of_key) {
        let word = &rest[start..];
        let end = word.find(|letter| !is_of_key(letter));
        let (word, after) = word.split_at(end.unwrap_or(word.len()));
        let shape = SHAPES.iter().find(|(prefix, least)| {
            let secret = word.strip_prefix(prefix);
            secret.is_some_and(|secret| secret.len() >= *least && !is_of_words(secret))
        });
        shown += &rest[..start];
        match shape {
            Some((prefix, _)) => {
                shown += *prefix;
                shown += "***";
            }
            None => shown += word,
        }
        rest = after;
    }
    shown + rest
}

/// Whether it goes on as the name of a key does: `key_generation_settings`.
fn is_of_words(text: &str) -> bool {
    text.contains('_') && !text.contains(|letter: char| letter.is_ascii_digit())
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

/// Collects problems and warnings while the sections are read, and knows the variables that they
/// may name.
#[derive(Default)]
pub struct Report {
    env: Environment,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl Report {
    /// Nothing wrong yet, and texts may name these variables.
    pub fn new(env: &Environment) -> Self {
        Self {
            env: env.clone(),
            ..Self::default()
        }
    }

    /// The variables that texts may name.
    pub fn env(&self) -> &Environment {
        &self.env
    }

    /// Adds a problem; a key's second problem would only follow from its first.
    pub fn add(&self, problem: Problem) {
        let mut all = self.problems.borrow_mut();
        if all.len() > MOST {
            return;
        }
        if all.len() == MOST {
            all.push(Problem {
                place: String::new(),
                key: String::new(),
                text: format!("and more, which are not looked for after {MOST}"),
            });
        } else if problem.key.is_empty() || all.iter().all(|other| other.key != problem.key) {
            all.push(problem);
        }
    }

    /// Whether there is no room for further problems, so that none need be looked for.
    pub fn is_full(&self) -> bool {
        self.problems.borrow().len() > MOST
    }

    /// Adds a sentence that the operator should see, once.
    pub fn warn(&self, warning: Problem) {
        let mut all = self.warnings.borrow_mut();
        if all.len() < MOST && !all.contains(&warning) {
            all.push(warning);
        }
    }

    /// Every warning so far, in the order of the file.
    pub fn warnings(&self) -> Vec<String> {
        let mut all = self.warnings.borrow().clone();
        all.sort_by_key(Problem::line);
        all.iter().map(ToString::to_string).collect()
    }

    /// `value` when nothing was wrong; else the problems in the order of the file.
    pub fn finish<T>(self, value: T) -> Result<T, Problems> {
        let mut problems = self.problems.into_inner();
        if problems.is_empty() {
            return Ok(value);
        }
        problems.sort_by_key(Problem::line);
        Err(Problems(problems))
    }
}

/// How API keys of Runway, of OpenAI and LiteLLM, and of ours begin, and how many letters follow at
/// least.
const SHAPES: [(&str, usize); 3] = [("key_", 16), ("sk-", 4), ("mg_", 16)];
/// Letters of the longest sentence.
const LONGEST: usize = 2_000;
/// Problems, or warnings, that anybody reads; a hostile file has more.
const MOST: usize = 100;
