//! `webhook` of a key: who is told of its tasks' ends, and with what that is signed.

use std::path::Path;

use super::entry::{Reading, read_file, resolve};
use super::fields::Fields;
use crate::domain::webhook::{KeyWebhook, MAX_SECRETS, MAX_URL, Secret, check, is_address};

/// Reads the map `webhook`. Nothing of a secret is ever in a problem.
pub(super) fn read(fields: &Fields<'_>, with: Reading<'_>) -> KeyWebhook {
    KeyWebhook {
        url: fields.parsed("url", |text| read_url(text, with)),
        secrets: read_secrets(fields, with),
    }
}

fn read_url(text: &str, with: Reading<'_>) -> Result<String, String> {
    let url = resolve(text, with.env)?;
    let told = match with.allowed {
        Some(allowed) => check(&url, allowed)
            .map(drop)
            .map_err(|problem| format!("{problem}; or put its origin into webhooks.allow")),
        None if url.len() > MAX_URL || !is_address(&url) => {
            Err("must be an address that begins with https:// or http://".to_owned())
        }
        None => Ok(()),
    };
    told.map(|()| url)
}

/// One secret, or several with space between them while one takes another's place.
fn read_secrets(fields: &Fields<'_>, with: Reading<'_>) -> Vec<Secret> {
    let given = ["secret", "secret_file"].map(|key| fields.is_given(key));
    let (place, text) = match given {
        [false, false] => return Vec::new(),
        [true, true] => {
            fields.wrong("secret", "says the same as secret_file: give one");
            return Vec::new();
        }
        [true, false] => match fields.exact("secret") {
            Some(text) => ("secret", resolve(&text, with.env)),
            None => return Vec::new(),
        },
        [false, true] => match fields.text("secret_file") {
            Some(path) => ("secret_file", read_file(Path::new(&path))),
            None => return Vec::new(),
        },
    };
    match text.and_then(|text| parse(&text)) {
        Ok(secrets) => secrets,
        Err(problem) => {
            fields.wrong(place, &problem);
            Vec::new()
        }
    }
}

fn parse(text: &str) -> Result<Vec<Secret>, String> {
    let secrets: Result<Vec<_>, _> = text.split_whitespace().map(Secret::parse).collect();
    let secrets = secrets.map_err(|invalid| invalid.to_string())?;
    if (1..=MAX_SECRETS).contains(&secrets.len()) {
        Ok(secrets)
    } else {
        Err(format!("takes 1 to {MAX_SECRETS} secrets"))
    }
}
