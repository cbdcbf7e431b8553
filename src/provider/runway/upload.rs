//! Makes a URI of spooled media: a data URI where it is short enough, an upload otherwise.
//!
//! An upload slot's address arrives in data, so the bytes go through the guarded client, without
//! the key. A slot is used once; an upload that fails is tried again with a new slot by whoever
//! calls `place` again. Uploads cost nothing and expire by themselves, after 24 hours.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Body;
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::client::Client;
use super::translate;
use crate::domain::task::{Rejection, RejectionKind};
use crate::egress::{EgressError, Uploads};
use crate::provider::http::{Answer, data_uri, extension, is_shallow, not_sent, rejection};
use crate::provider::redact::clean;
use crate::provider::{Media, Placed, ProviderErrorKind};

/// What an upload needs.
pub(super) struct Uploader<'a> {
    pub(super) client: &'a Client,
    pub(super) uploads: &'a Uploads,
    /// Longest data URI, in characters.
    pub(super) data_uri_limit: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Slot {
    upload_url: String,
    fields: BTreeMap<String, String>,
    runway_uri: String,
}

impl Uploader<'_> {
    /// Whether the media are short enough for a data URI.
    pub(super) fn embeds(&self, content_type: &str, size_bytes: u64) -> bool {
        let length = translate::data_uri_chars(content_type, size_bytes);
        length <= self.data_uri_limit as u64
    }

    /// A URI of the media.
    pub(super) async fn place(&self, media: &Media) -> Result<Placed, Rejection> {
        if self.embeds(&media.content_type, media.size_bytes) {
            let uri = data_uri(media).await?;
            return Ok(Placed { uri, lasts: None });
        }
        if media.size_bytes > MAX_UPLOAD {
            return Err(rejection(
                RejectionKind::Caller,
                "413",
                "an input is larger than 200 MB",
            ));
        }
        // The 24 hours may run from the slot on.
        let begun = Instant::now();
        let uri = self.upload(media).await?;
        let lasts = LIFETIME.saturating_sub(begun.elapsed() + MARGIN);
        Ok(Placed {
            uri,
            lasts: Some(lasts),
        })
    }

    async fn upload(&self, media: &Media) -> Result<String, Rejection> {
        let name = format!("input.{}", extension(&media.content_type));
        let request = json!({"filename": name, "type": "ephemeral"}).to_string();
        let answer = self
            .client
            .slot(Bytes::from(request))
            .await
            .map_err(|none| not_sent(&format!("no upload slot: {}", none.words)))?;
        let slot = slot(&answer)?;
        let form = form(slot.fields, media, name)?;
        let sent = self
            .uploads
            .post(&slot.upload_url, form, UPLOAD_TIMEOUT)
            .await;
        sent.map_err(|error| failed_upload(&error))?;
        Ok(slot.runway_uri)
    }
}

fn slot(answer: &Answer) -> Result<Slot, Rejection> {
    if answer.status != 200 {
        return Err(refused_slot(answer));
    }
    let slot: Option<Slot> = is_shallow(&answer.body)
        .then(|| serde_json::from_slice(&answer.body).ok())
        .flatten();
    slot.filter(Slot::is_sound)
        .ok_or_else(|| not_sent("the provider's upload slot cannot be understood"))
}

impl Slot {
    fn is_sound(&self) -> bool {
        let uri = self
            .runway_uri
            .strip_prefix("runway://")
            .is_some_and(|rest| !rest.is_empty());
        let plain = self.runway_uri.bytes().all(|b| b.is_ascii_graphic());
        uri && plain && self.runway_uri.len() <= MAX_URI && self.fields.len() <= MAX_FIELDS
    }
}

/// Nothing was created, so every failure is a rejection; its kind says what to do next.
fn refused_slot(answer: &Answer) -> Rejection {
    let error = answer.failed();
    let kind = match error.kind {
        ProviderErrorKind::RateLimited => RejectionKind::Quota,
        ProviderErrorKind::Unavailable => RejectionKind::Unavailable,
        // A definite no to a request that is ours alone: the account lacks something.
        ProviderErrorKind::NotFound
        | ProviderErrorKind::Unauthorized
        | ProviderErrorKind::Unintelligible => RejectionKind::Account,
    };
    let message = format!("no upload slot: {}", error.message);
    let code = answer.status.to_string();
    Rejection {
        kind,
        message,
        code,
        retry_after: error.retry_after,
    }
}

fn failed_upload(error: &EgressError) -> Rejection {
    not_sent(&clean(
        &format!("the upload of an input failed: {error}"),
        MAX_WORDS,
    ))
}

/// The slot's fields first, the file last, as the storage demands.
fn form(fields: BTreeMap<String, String>, media: &Media, name: String) -> Result<Form, Rejection> {
    let form = fields
        .into_iter()
        .fold(Form::new(), |form, (name, value)| form.text(name, value));
    let file = Part::stream_with_length(Body::wrap_stream(media.open()), media.size_bytes)
        .file_name(name)
        .mime_str(&media.content_type)
        .map_err(|_| {
            rejection(
                RejectionKind::Caller,
                "415",
                "an input's media type is malformed",
            )
        })?;
    Ok(form.part("file", file))
}

/// Largest upload that Runway takes, in bytes.
const MAX_UPLOAD: u64 = 200_000_000;
/// How long an upload can be named.
const LIFETIME: Duration = Duration::from_hours(24);
/// What is taken off for clocks that go differently.
const MARGIN: Duration = Duration::from_mins(5);
/// Longest `runway://` URI that Runway takes.
const MAX_URI: usize = 5000;
const MAX_FIELDS: usize = 64;
const MAX_WORDS: usize = 300;
/// Limit of one whole upload.
const UPLOAD_TIMEOUT: Duration = Duration::from_mins(5);
