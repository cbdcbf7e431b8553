//! LiteLLM's keys that mean nothing here: named in a warning, so that nobody relies on them, where a
//! key that LiteLLM has not either is refused. From its documentation, `proxy/config_settings.md`,
//! and its types `LiteLLM_Params`, `ModelInfo` and `Router`.
//!
//! And `general_settings.master_key`, which becomes a key of ours.

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::entry::Entry;
use super::litellm_keys::{GENERAL, MODULE, PARAMS, ROUTER, SECTIONS};
use crate::config::callers::{Key, MASTER};
use crate::config::secret;
use crate::config::section::Section;
use crate::domain::caller::{AllowedModels, KeyId, KeyLimits, Scope};
use crate::domain::id::TenantId;
use crate::domain::webhook::KeyWebhook;

/// Reads `general_settings`: its master key, which may do everything and has no limits.
pub fn read_general(root: &Section<'_>) -> Option<Key> {
    root.maybe("general_settings", |general| {
        general.not_honoured(&GENERAL, IGNORED);
        let secret = secret::read(general, "master_key", "master_key_file");
        let secret = secret.ok().flatten()?;
        Some(Key {
            id: KeyId::new(MASTER),
            sha256: Sha256::digest(secret.text.expose_secret().as_bytes()).into(),
            tenant: TenantId::local(),
            models: AllowedModels::All,
            scopes: Scope::ALL.to_vec(),
            expires: None,
            revoked: None,
            limits: KeyLimits::default(),
            webhook: KeyWebhook::default(),
        })
    })
}

/// Sections of LiteLLM's file that are for something else.
pub fn shrug_at_sections(root: &Section<'_>) {
    root.not_honoured(&SECTIONS, IGNORED);
}

/// Keys of `router_settings` and `litellm_settings` that are not read.
pub fn shrug_at_settings(router: &Section<'_>, module: &Section<'_>) {
    for section in [router, module] {
        for (keys, why) in INSTEAD {
            section.not_honoured(keys, why);
        }
        // What is always so needs no word.
        for key in ALWAYS {
            let _ = section.given(key);
        }
        section.not_honoured(&ROUTER, IGNORED);
    }
    module.not_honoured(&MODULE, IGNORED);
}

/// Keys of an entry that are not read. What else `model_info` holds is its writer's own business.
pub fn shrug_at_entry(entry: &Entry<'_>) {
    for (keys, why) in INSTEAD {
        entry.params.not_honoured(keys, why);
    }
    entry.own.not_honoured(&["tpm"], IGNORED);
    entry.params.not_honoured(&PARAMS, IGNORED);
    entry.info.shrug_at_the_rest(IGNORED);
}

const IGNORED: &str = "is not honoured";

/// Keys that something of ours does the work of.
const INSTEAD: [(&[&str], &str); 5] = [
    (
        &["num_retries", "max_retries"],
        "is not honoured: a create is sent again only where nothing can have been charged, \
         `submit.max_attempts` times",
    ),
    (
        &["timeout", "request_timeout", "stream_timeout"],
        "is not honoured: how long a task may take is in its Create, else `defaults.task_timeout`; \
         how long the provider may take to answer, `submit.timeout`",
    ),
    (
        &["content_policy_fallbacks"],
        "is not honoured: a moderated request is charged, and is never sent again elsewhere",
    ),
    (
        &["context_window_fallbacks"],
        "is not honoured: there are no context windows here",
    ),
    (
        &["drop_params", "modify_params", "additional_drop_params"],
        "is not honoured: what a model does not take is refused by name and never dropped",
    ),
];

/// What is so whatever these say.
const ALWAYS: [&str; 5] = [
    "enable_pre_call_check",
    "enable_pre_call_checks",
    "set_verbose",
    "json_logs",
    "ignore_invalid_deployments",
];
