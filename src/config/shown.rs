//! The configuration in force, as YAML that says the same, with every secret hidden.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::env::Environment;
use super::problem::{Problem, Problems};
use super::routing::HIDDEN;
use super::tree::{Node, Value};
use super::{Config, Setting};

/// The effective configuration as YAML, and what the operator should know of it.
///
/// What can be set anywhere is shown as the layers together have it; accounts, groups and routing as
/// they were understood, in our own spelling whatever they were written in.
pub fn show(
    file: Option<&Path>,
    env: &Environment,
    settings: &[Setting],
) -> Result<(String, Vec<String>), Problems> {
    let config = Config::load(file, env, settings)?;
    let (tree, _) = super::layers(file, env, settings)?;
    let mut shown = visible(&tree, &known_sections());
    if config
        .callers
        .keys
        .iter()
        .any(|key| key.id.as_str() == "master")
    {
        let master = json!({ "master_key": HIDDEN });
        shown.insert("general_settings".to_owned(), master);
    }
    for (section, value) in config.routing.shown(config.runway.usd_per_credit) {
        shown.insert(section.to_owned(), value);
    }
    shown.insert(
        "data_dir".to_owned(),
        config.data_dir.display().to_string().into(),
    );
    let text = serde_saphyr::to_string(&shown).map_err(|error| {
        let problem = Problem {
            place: String::new(),
            key: String::new(),
            text: format!("cannot be shown: {error}"),
        };
        Problems(vec![problem])
    })?;
    Ok((text, config.warnings))
}

/// The sections of the embedded defaults. LiteLLM's are not among them: what is honoured of those is
/// shown under our own names, and what is not may hold anything.
fn known_sections() -> Vec<String> {
    match Node::parse("default.yaml", super::DEFAULTS).map(|tree| tree.value) {
        Ok(Value::Map(keys)) => keys.into_keys().collect(),
        _ => Vec::new(),
    }
}

/// Every section that is known, without what may be a secret.
fn visible(tree: &Node, known: &[String]) -> Map<String, Json> {
    let Value::Map(keys) = &tree.value else {
        return Map::new();
    };
    keys.iter()
        .filter(|(key, _)| known.contains(key))
        .map(|(key, node)| (key.clone(), veiled(&[key], node)))
        .collect()
}

fn veiled(path: &[&str], node: &Node) -> Json {
    match &node.value {
        Value::Map(keys) => {
            let below = |(key, node): (&String, &Node)| {
                let path: Vec<&str> = path.iter().copied().chain([&**key]).collect();
                (key.clone(), veiled(&path, node))
            };
            Json::Object(keys.iter().map(below).collect())
        }
        Value::List(items) => items.iter().map(|item| veiled(path, item)).collect(),
        Value::Text(text, _) if is_secret(path) || holds_password(text) => HIDDEN.into(),
        Value::Null | Value::Text(..) => node.to_json(),
    }
}

/// Whether a key is of those that hold secrets. Too many rather than too few; a digest is none.
fn is_secret(path: &[&str]) -> bool {
    let Some((key, above)) = path.split_last() else {
        return false;
    };
    let key = key.to_lowercase();
    let is_file = key.ends_with("_file") || above == ["server", "tls"];
    let words = ["secret", "password", "token", "credential", "authorization"];
    let is_named = key.ends_with("key") || words.iter().any(|word| key.contains(word));
    // An address that is told of ends may hold its receiver's own secret.
    let is_hook = above.last() == Some(&"webhook") && key == "url";
    above.contains(&"headers") || is_hook || (is_named && !is_file)
}

/// Whether a text is a URL with a name or password in it.
fn holds_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    rest.split(['/', '?', '#'])
        .next()
        .is_some_and(|host| host.contains('@'))
}
