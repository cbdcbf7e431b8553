//! What the loop that tells of ends is given: a client, a key to sign with, numbers, and the words of
//! the HTTP face.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::secret;
use crate::config::Config;
use crate::domain::money::UsdRate;
use crate::domain::webhook::SigningKey;
use crate::egress::Hooks;
use crate::openai;
use crate::worker::{Notices, WebhookSettings};

/// What receivers are told with, and in whose words.
pub(super) fn notices(rate: UsdRate, signing: SigningKey) -> anyhow::Result<Notices> {
    Ok(Notices {
        hooks: Hooks::new().context("the client of webhooks cannot be made")?,
        signing,
        render: Arc::new(move |task, delivery| openai::event(task, delivery, rate)),
    })
}

pub(super) fn settings(config: &Config) -> WebhookSettings {
    let webhooks = &config.webhooks;
    WebhookSettings {
        concurrency: webhooks.concurrency,
        per_receiver: webhooks.per_receiver,
        timeout: webhooks.timeout,
        first_retry: webhooks.first_retry,
        give_up: webhooks.give_up,
    }
}

/// What secrets are derived from, made where there is none.
pub(super) fn kept_signing_key(folder: &Path) -> anyhow::Result<SigningKey> {
    Ok(SigningKey::new(secret::WEBHOOKS.open(folder)?))
}

/// The same of the folder of another process; `None`: no server began there.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn signing_key(folder: &Path) -> anyhow::Result<Option<SigningKey>> {
    Ok(secret::WEBHOOKS.find(folder)?.map(SigningKey::new))
}
