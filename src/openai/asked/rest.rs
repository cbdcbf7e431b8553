//! Labels, and whatever else a body holds: options for the provider, which the catalogue judges, and
//! what LiteLLM's callers send to steer LiteLLM.

use std::collections::BTreeMap;

use super::slips;
use super::taker::Taker;
use crate::domain::generation::check_amount;
use crate::domain::value::Value;
use crate::openai::body::{Members, kind};

/// The labels: `metadata`, `labels` and, as the label of that name, `user`.
pub(super) fn labels(taker: &mut Taker) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    if taker.members.contains_key("labels") {
        taker.say("labels", "labels");
    }
    for name in ["metadata", "labels"] {
        for (label, value) in taker.object(name).unwrap_or_default() {
            let field = format!("{name}[{label}]");
            let Some(text) = text(&value) else {
                taker.wrong(field, format!("must be text; got {}", kind(&value)));
                continue;
            };
            let known = labels.insert(label, text.clone());
            if known.is_some_and(|known| known != text) {
                taker.wrong(
                    field,
                    "stands in metadata too, and says something else there",
                );
            }
        }
    }
    if let Some(user) = taker.text("labels[user]", &["user"]) {
        let known = labels.insert("user".to_owned(), user.clone());
        if known.is_some_and(|known| known != user) {
            taker.wrong("labels[user]", "is also a label, which says something else");
        }
    }
    labels
}

/// A label's text; numbers and flags are theirs.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Int(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::List(_) | Value::Object(_) => None,
    }
}

/// Options for the provider: those that say that they are, and every member that nobody took.
pub(super) fn options(taker: &mut Taker) -> BTreeMap<String, Value> {
    let mut options: Members = taker.object("provider_options").unwrap_or_default();
    for (name, value) in unknown(taker) {
        if let Some(ours) = slips::meant(&name) {
            taker.wrong(name, slip(ours));
            continue;
        }
        let Some(value) = taker.unfolded(&name, value) else {
            continue;
        };
        match options.get(&name) {
            Some(known) if !known.same(&value) => {
                taker.wrong(
                    name,
                    "stands in provider_options too, and says something else there",
                );
            }
            _ => drop(options.insert(name, value)),
        }
    }
    options.retain(|name, _| {
        let is_refused = is_refused(name);
        if is_refused {
            taker.wrong(
                name,
                "is not a caller's to say: the server's configuration does",
            );
        }
        !is_refused
    });
    options
}

/// The members that nobody took and that are not ignored; none where they are more than may be
/// options, which would cost much to look at one by one: then only what other services call ours is told.
fn unknown(taker: &mut Taker) -> Members {
    let mut unknown = std::mem::take(&mut taker.members);
    unknown.retain(|name, _| !is_ignored(name));
    let too_much = check_amount(&unknown);
    if too_much.is_empty() {
        return unknown;
    }
    let foreign = |name: &String| Some((name.clone(), slips::elsewhere(name)?));
    let slips: Vec<_> = unknown.keys().filter_map(foreign).collect();
    let is_told = !slips.is_empty();
    for (name, ours) in slips {
        taker.wrong(name, slip(ours));
    }
    for problem in too_much.into_iter().filter(|_| !is_told) {
        taker.wrong("provider_options", problem);
    }
    Members::default()
}

fn slip(ours: &str) -> String {
    format!(
        "is no member of this call; did you mean {ours}? What the provider calls so goes in \
         provider_options"
    )
}

/// What would change with which key, where or how a provider is asked, or whether it is asked at all.
/// To pass it over in silence would spend another's money than the caller means.
fn is_refused(name: &str) -> bool {
    REFUSED.contains(&name)
        || REFUSED_FAMILIES
            .iter()
            .any(|family| name.starts_with(family))
}

/// What steers LiteLLM's own retries, fallbacks and caches, and means nothing here.
fn is_ignored(name: &str) -> bool {
    IGNORED.contains(&name) || name.starts_with("litellm_")
}

const REFUSED: [&str; 20] = [
    "api_base",
    "api_key",
    "api_type",
    "api_version",
    "authorization",
    "base_url",
    "client",
    "custom_llm_provider",
    "default_headers",
    "default_query",
    "extra_headers",
    "extra_query",
    "headers",
    "http_client",
    "mock_response",
    "organization",
    "project",
    "proxy",
    "ssl_verify",
    "user_config",
];
const REFUSED_FAMILIES: [&str; 4] = ["aws_", "azure_", "vertex_", "mock_"];
const IGNORED: [&str; 14] = [
    "additional_drop_params",
    "allowed_openai_params",
    "cache",
    "caching",
    "content_policy_fallbacks",
    "context_window_fallbacks",
    "drop_params",
    "fallbacks",
    "max_retries",
    "no-log",
    "num_retries",
    "proxy_server_request",
    "request_timeout",
    "stream_timeout",
];
