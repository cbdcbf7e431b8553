//! The keys file: read, and changed by `mediagen keys`.
//!
//! A list of entries as `keys` of the configuration holds them, alone or under `keys:`, as YAML or
//! (in a file named `….json`) as JSON. Whoever changes it holds a lock beside it, reads it anew, and
//! puts a whole new file in its place: a reader sees the file before or the file after.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

use super::super::env::Environment;
use super::super::problem::{Problem, Problems, Report};
use super::super::tree::{Node, Value};
use super::entry::{self, Reading};
use super::fields::Fields;
use super::{Found, Key, in_file};
use crate::domain::money::UsdRate;
use crate::domain::webhook::Allowed;

/// Why the keys file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysFileError {
    /// The file, or what it would become, is wrong.
    #[error(transparent)]
    Wrong(#[from] Problems),
    /// It holds no key of this name.
    #[error("there is no key `{0}` in the keys file")]
    Unknown(String),
    /// It cannot be read or written.
    #[error("the keys file {path} cannot be changed")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Every key of a file; none when there is no such file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn list(path: &Path, env: &Environment) -> Result<Vec<Key>, Problems> {
    match read(path).map_err(|problem| Problems(vec![problem]))? {
        Some(node) => check(&node, env),
        None => Ok(Vec::new()),
    }
}

/// Adds an entry, written as the file has them; makes the file if need be.
///
/// # Errors
/// When the entry or the file is wrong, or it cannot be written.
pub fn add(path: &Path, entry: Map<String, Json>, env: &Environment) -> Result<(), KeysFileError> {
    change(
        path,
        |document| {
            document.push(Json::Object(entry));
            Ok(())
        },
        |node| check(node, env).map(drop),
    )
}

/// What is wrong with an entry that is to be added, where webhooks may call `allowed` beside public
/// addresses: the last part of a field's name, and a sentence.
pub fn faults(
    entry: &Map<String, Json>,
    env: &Environment,
    allowed: Option<&Allowed>,
) -> Vec<(String, String)> {
    let (report, rate) = (Report::default(), UsdRate::ONE_CENT);
    let text = Json::Object(entry.clone()).to_string();
    match Node::parse_long("", &text) {
        Ok(node) => Fields::read(String::new(), &node, &report, |fields| {
            let _ = entry::read(fields, Reading { env, rate, allowed });
        }),
        Err(problem) => report.add(problem),
    }
    let problems = report.finish(()).err().map_or(Vec::new(), |all| all.0);
    let fault = |problem: Problem| {
        let field = problem.key.rsplit('.').next().unwrap_or_default();
        (field.to_owned(), problem.text)
    };
    problems.into_iter().map(fault).collect()
}

/// Marks a key as revoked at `when`, an RFC 3339 time. One that was revoked before stays so.
///
/// # Errors
/// When there is no such key, or the file cannot be read or written.
pub fn revoke(path: &Path, id: &str, when: &str) -> Result<(), KeysFileError> {
    let mark = |document: &mut Vec<Json>| {
        let is_it = |entry: &&mut Map<String, Json>| match entry.get("id") {
            Some(Json::String(own)) => own == id,
            Some(Json::Number(own)) => own.to_string() == id,
            _ => false,
        };
        let entries = document.iter_mut().filter_map(Json::as_object_mut);
        let mut is_known = false;
        // In a bad file several may have the name: any of them may be the key that is in force.
        for entry in entries.filter(is_it) {
            is_known = true;
            let is_revoked = entry.get("revoked").is_some_and(|old| !old.is_null());
            if !is_revoked {
                entry.insert("revoked".to_owned(), when.into());
            }
        }
        if is_known {
            Ok(())
        } else {
            Err(KeysFileError::Unknown(id.to_owned()))
        }
    };
    // A key must be revocable whatever else is wrong with the file.
    change(path, mark, |_| Ok(()))
}

/// The SHA-256 of the file's bytes, to see whether it changed; `None` when it cannot be read.
pub fn fingerprint(path: &Path) -> Option<[u8; 32]> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).ok()?;
    Some(Sha256::digest(&bytes).into())
}

/// The file as it is; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Node>, Problem> {
    let problem = |text: &str| Problem::new(&in_file(path), "", text);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(&format!("cannot be opened: {error}"))),
    };
    let mut text = Vec::new();
    let read = file.take(MAX_FILE + 1).read_to_end(&mut text);
    read.map_err(|error| problem(&format!("cannot be read: {error}")))?;
    if text.len() as u64 > MAX_FILE {
        return Err(problem("is larger than 4MiB"));
    }
    let text = String::from_utf8(text).map_err(|_| problem("is not UTF-8"))?;
    Node::parse_long(&path.display().to_string(), &text).map(Some)
}

/// The list of a file, and what problems call it.
pub(super) fn entries(node: &Node) -> (&Node, &'static str) {
    match &node.value {
        Value::Map(keys) => (keys.get("keys").unwrap_or(node), "keys_file.keys"),
        _ => (node, "keys_file"),
    }
}

/// The keys, if nothing is wrong.
fn check(node: &Node, env: &Environment) -> Result<Vec<Key>, Problems> {
    let (report, mut found) = (Report::default(), Found::default());
    let (list, name) = entries(node);
    let rate = UsdRate::ONE_CENT;
    let allowed = None;
    found.take_list(name, list, &report, Reading { env, rate, allowed });
    report.finish(found.keys.into_iter().map(|located| located.key).collect())
}

fn change(
    path: &Path,
    edit: impl FnOnce(&mut Vec<Json>) -> Result<(), KeysFileError>,
    check: impl FnOnce(&Node) -> Result<(), Problems>,
) -> Result<(), KeysFileError> {
    let io = |source| KeysFileError::Io {
        path: path.display().to_string(),
        source,
    };
    let _held = lock(path).map_err(io)?;
    // Through a link the file itself is replaced, and the link stays.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = read(&real).map_err(|problem| Problems(vec![problem]))?;
    let mut whole = match old.map(|node| node.to_json()) {
        Some(Json::Object(whole)) => whole,
        Some(Json::Array(list)) => Map::from_iter([("keys".to_owned(), Json::Array(list))]),
        Some(_) | None => Map::new(),
    };
    let list = whole.entry("keys").or_insert(Json::Null);
    if list.is_null() {
        *list = Json::Array(Vec::new());
    }
    let Json::Array(list) = list else {
        let problem = Problem::new(&in_file(path), "keys_file.keys", "must be a list of keys");
        return Err(Problems(vec![problem]).into());
    };
    edit(list)?;
    let is_json = real.extension().is_some_and(|ending| ending == "json");
    let text = if is_json {
        format!("{:#}\n", Json::Object(whole))
    } else {
        to_yaml(&whole)
    };
    let new = Node::parse_long(&path.display().to_string(), &text);
    check(&new.map_err(|problem| Problems(vec![problem]))?)?;
    replace(&real, text.as_bytes()).map_err(io)
}

/// Waits until nobody else changes the file. The lock ends with the handle.
fn lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    private(&mut options);
    let file = options.open(beside(path, "lock"))?;
    file.lock()?;
    Ok(file)
}

/// Puts a file of this process's user alone in the place of what is there, if anything: whole, and on the
/// disk, or not at all.
///
/// # Errors
/// When it cannot be written; what was there is then there still.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = beside(path, &format!("{:016x}", rand::random::<u64>()));
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    private(&mut options);
    let written = (|| {
        let mut file = options.open(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        match path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    })();
    if written.is_err() {
        let _ = fs::remove_file(&new); // the first error is the one to tell
    }
    written
}

/// Makes a file of this process's user alone.
fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let _ = options;
}

/// A file of the same folder: `.keys.yaml.lock`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{ending}"))
}

/// One key of an entry to a line; values are JSON, which YAML holds. What is known stands in its usual
/// order, anything else after it.
fn to_yaml(whole: &Map<String, Json>) -> String {
    let mut text = HEAD.to_owned();
    for (name, value) in whole {
        let name = Json::from(name.as_str());
        let Json::Array(entries) = value else {
            line(&mut text, "", &format!("{name}: {value}"));
            continue;
        };
        line(&mut text, "", &format!("{name}:"));
        for entry in entries {
            push_entry(&mut text, entry);
        }
        if entries.is_empty() {
            line(&mut text, "  ", "[]");
        }
    }
    text
}

fn push_entry(text: &mut String, entry: &Json) {
    let Some(entry) = entry.as_object().filter(|entry| !entry.is_empty()) else {
        return line(text, "  - ", &entry.to_string());
    };
    let known = ORDER.iter().filter_map(|name| entry.get_key_value(*name));
    let other = entry
        .iter()
        .filter(|(name, _)| !ORDER.contains(&name.as_str()));
    for (index, (name, value)) in known.chain(other).enumerate() {
        let lead = if index == 0 { "  - " } else { "    " };
        let name = Json::from(name.as_str());
        line(text, lead, &format!("{name}: {value}"));
    }
}

fn line(text: &mut String, lead: &str, rest: &str) {
    text.extend([lead, rest, "\n"]);
}

const HEAD: &str = "# Written by `mediagen keys`, which keeps every entry and no comment.\n";
/// The keys of an entry as they are written.
const ORDER: [&str; 9] = [
    "id", "sha256", "tenant", "models", "scopes", "expires", "limits", "created", "revoked",
];
const MAX_FILE: u64 = 4 << 20;
