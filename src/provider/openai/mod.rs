//! Any server that speaks `OpenAI`'s video and image API as a [`Provider`].
//!
//! `translate` puts a generation into the API's words, `verdict` judges answers to creates, `wire`
//! reads videos and errors, `images` reads images, which come in the answer to their create.
//!
//! What the API lacks: a key that makes creates idempotent, a list that would find a lost one, and
//! a way to cancel other than to delete. So a create is sent as carefully as anywhere.

mod images;
mod translate;
mod verdict;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use secrecy::SecretString;

use crate::domain::generation::Generation;
use crate::domain::model::Catalog;
use crate::domain::money::UsdRate;
use crate::domain::task::{Observation, Rejection, RejectionKind, SubmitOutcome};
use crate::egress::{self, EgressError, Origin, Reply, Resume};
use crate::provider::http::{
    CONNECT_TIMEOUT, Client, Line, MAX_CREATE_BODY, MAX_POLL_BODY, create_limit, data_uri,
    exchange, rejection,
};
use crate::provider::{
    CancelAnswer, Media, Opened, Placed, Prepared, Provider, ProviderError, ProviderErrorKind,
};

pub use crate::provider::http::InvalidSettings;

/// One account at a server, and how to talk to it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account's name among ours.
    pub account: String,
    /// Where the API is, with or without `/v1`; https unless loopback.
    pub base_url: String,
    /// The API key.
    pub key: SecretString,
    /// Limit of a whole create that answers at once. Default 30 s.
    pub create_timeout: Duration,
    /// Limit of a whole create that is held open until its images are done. Default 5 min.
    pub image_timeout: Duration,
    /// Limit of a connect. Default 10 s.
    pub connect_timeout: Duration,
    /// Limit of a whole poll or cancel. Default 20 s.
    pub poll_timeout: Duration,
    /// Further headers of every request.
    pub extra_headers: Vec<(String, SecretString)>,
    /// What a credit costs, for prices that the server names in dollars.
    pub usd_rate: UsdRate,
}

/// One account at a server.
#[derive(Debug)]
pub struct OpenAi {
    account: String,
    client: Client,
    catalog: Arc<Catalog>,
    image_timeout: Duration,
    usd_rate: UsdRate,
}

impl Settings {
    /// Settings with every default.
    pub fn new(account: impl Into<String>, base_url: impl Into<String>, key: SecretString) -> Self {
        Self {
            account: account.into(),
            base_url: base_url.into(),
            key,
            create_timeout: Duration::from_secs(30),
            image_timeout: IMAGE_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            poll_timeout: Duration::from_secs(20),
            extra_headers: Vec::new(),
            usd_rate: UsdRate::ONE_CENT,
        }
    }
}

impl OpenAi {
    /// An account, ready to talk, that says generations as `catalog` has it. Opens no connection.
    pub fn new(settings: Settings, catalog: Arc<Catalog>) -> Result<Self, InvalidSettings> {
        let client = Client::new(&Line {
            base_url: &settings.base_url,
            key: &settings.key,
            extra_headers: &settings.extra_headers,
            own_headers: &[],
            connect_timeout: settings.connect_timeout,
            create_timeout: settings.create_timeout,
            poll_timeout: settings.poll_timeout,
        })?;
        Ok(Self {
            account: settings.account,
            client,
            catalog,
            image_timeout: settings.image_timeout,
            usd_rate: settings.usd_rate,
        })
    }
}

#[async_trait]
impl Provider for OpenAi {
    fn account(&self) -> &str {
        &self.account
    }

    fn embeds(&self, _content_type: &str, size_bytes: u64) -> bool {
        size_bytes <= MAX_INPUT
    }

    async fn place(&self, media: &Media) -> Result<Placed, Rejection> {
        if media.size_bytes > MAX_INPUT {
            let message = format!("an input is larger than {MAX_INPUT} bytes");
            return Err(rejection(RejectionKind::Caller, "413", &message));
        }
        let uri = data_uri(media).await?;
        Ok(Placed { uri, lasts: None })
    }

    fn prepare(&self, generation: &Generation, uris: &[String]) -> Prepared {
        translate::prepare(generation, uris, &self.catalog)
    }

    async fn submit(&self, prepared: Prepared) -> SubmitOutcome {
        let Prepared {
            endpoint,
            content_type,
            body,
        } = prepared;
        let images = endpoint == translate::IMAGES;
        let request = self.client.create(&endpoint, &content_type, body);
        let answer = if images {
            let request = request.timeout(self.image_timeout);
            exchange(request, create_limit(images::MAX_ANSWER)).await
        } else {
            exchange(request, create_limit(MAX_CREATE_BODY)).await
        };
        match answer {
            Ok(answer) if images => {
                verdict::judge(&answer, |answer| images::accepted(answer, self.usd_rate))
            }
            Ok(answer) => {
                verdict::judge(&answer, |answer| verdict::accepted(answer, self.usd_rate))
            }
            Err(none) => none.outcome(),
        }
    }

    async fn observe(&self, upstream_id: &str) -> Result<Observation, ProviderError> {
        if let Some(count) = images::count(upstream_id) {
            return Ok(images::observation(count));
        }
        check(upstream_id)?;
        let path = ["v1", "videos", upstream_id];
        let request = self.client.question(Method::GET, &path);
        let answer = exchange(request, |_| MAX_POLL_BODY).await?;
        wire::observation(&answer, upstream_id, self.usd_rate)
    }

    /// Deletes the video, which is all that the API has. Servers that delete only what is finished
    /// refuse; then it runs to its end. Images are done when their create is answered.
    async fn cancel(&self, upstream_id: &str) -> Result<CancelAnswer, ProviderError> {
        if images::count(upstream_id).is_some() {
            return Ok(CancelAnswer::NotFound);
        }
        check(upstream_id)?;
        let path = ["v1", "videos", upstream_id];
        let request = self.client.question(Method::DELETE, &path);
        let answer = exchange(request, |_| MAX_POLL_BODY).await?;
        match answer.status {
            200..=299 if wire::is_kept(&answer) => Err(answer.unintelligible()),
            200..=299 => Ok(CancelAnswer::Done),
            404 => Ok(CancelAnswer::NotFound),
            _ => Err(answer.failed()),
        }
    }

    fn came_with_acceptance(&self, output: &str) -> bool {
        output.starts_with(images::MADE)
    }

    async fn open_output(
        &self,
        output: &str,
        resume: Option<Resume<'_>>,
    ) -> Result<Opened, EgressError> {
        let Some(id) = output.strip_prefix(wire::CONTENT) else {
            return Ok(Opened::At(output.to_owned()));
        };
        if !verdict::is_id(id) {
            return Err(EgressError::Refused("it names no video"));
        }
        let request = self.client.file(&["v1", "videos", id, "content"]);
        Ok(match egress::fetch(request, resume).await? {
            Reply::Body(fetched) => Opened::Body(fetched),
            Reply::Elsewhere(url) => Opened::At(url),
        })
    }

    fn output_origin(&self) -> Option<Origin> {
        self.client.origin()
    }
}

/// Refuses an id that could name another path; an operator may have typed it.
fn check(id: &str) -> Result<(), ProviderError> {
    if verdict::is_id(id) {
        return Ok(());
    }
    Err(ProviderError {
        kind: ProviderErrorKind::NotFound,
        retry_after: None,
        message: "no video id of the provider".to_owned(),
    })
}

/// Largest input that is sent, in bytes; it is held in memory.
const MAX_INPUT: u64 = 32 << 20;
/// Default of [`Settings::image_timeout`].
const IMAGE_TIMEOUT: Duration = Duration::from_mins(5);
