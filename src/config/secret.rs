//! Secrets: from a key, from a file that a key names, or from a variable. What is wrong with one is
//! told by the name of its place; the secret itself is never in a problem.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use secrecy::SecretString;

use super::section::Section;

/// A secret, and the variable that it came from.
#[derive(Clone, Debug)]
pub struct Secret {
    /// The secret, without space around it.
    pub text: SecretString,
    /// The variable that the configuration names for it.
    pub variable: Option<String>,
}

/// A problem was reported, so that there is none to report of what follows from it.
#[derive(Clone, Copy, Debug)]
pub struct Told;

/// The secret of `key`, or else of the file that `file` names; `None`: neither is there.
pub fn read(
    section: &Section<'_>,
    key: &'static str,
    file: &'static str,
) -> Result<Option<Secret>, Told> {
    let is_given = section.given(key).is_some();
    let (own, path) = (section.optional(key), section.path(file));
    let (place, text, variable) = match (own, path) {
        (Some(text), _) => (key, text, section.variable(key).map(str::to_owned)),
        (None, _) if is_given => return Err(Told),
        (None, Some(path)) => (file, read_file(section, file, &path)?, None),
        (None, None) => return Ok(None),
    };
    match check(text.trim()) {
        Ok(()) => Ok(Some(Secret {
            text: text.trim().into(),
            variable,
        })),
        Err(problem) => {
            let source = match &variable {
                Some(name) => format!("in the variable {name}"),
                None => format!("in {}", section.name(place)),
            };
            section.wrong(place, &format!("the API key {source} {problem}"));
            Err(Told)
        }
    }
}

/// Finds keys that cannot be one; says why without showing them.
pub fn check(key: &str) -> Result<(), &'static str> {
    let lower = key.to_lowercase();
    if key.is_empty() {
        Err("is empty")
    } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("holds spaces or other characters that no key has")
    } else if PLACEHOLDERS.iter().any(|sign| lower.contains(sign)) {
        Err("is a placeholder; put your own in its place")
    } else {
        Ok(())
    }
}

fn read_file(section: &Section<'_>, key: &'static str, file: &Path) -> Result<String, Told> {
    let mut text = String::new();
    let read = fs::File::open(file).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text));
    if let Err(error) = read {
        let text = format!("{} cannot be read: {error}", file.display());
        section.wrong(key, &text);
        return Err(Told);
    }
    Ok(text)
}

const MAX_FILE: u64 = 4_096;
/// What stands in examples where a key belongs.
const PLACEHOLDERS: [&str; 9] = [
    "***",
    "your",
    "changeme",
    "change-me",
    "placeholder",
    "xxxx",
    "<",
    "${",
    "...",
];
