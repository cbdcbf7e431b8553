//! Runway's developer API as a [`Provider`].
//!
//! `translate` puts a generation into Runway's words, `client` sends, `verdict` judges answers to
//! creates, `wire` reads tasks, `organization` what the account may do, `upload` turns bytes into URIs. Facts and their sources stand in
//! the project's notes on the API, version 2024-11-06.

mod client;
mod organization;
pub mod translate;
mod upload;
mod verdict;
mod wire;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use secrecy::SecretString;

use crate::domain::generation::Generation;
use crate::domain::model::Catalog;
use crate::domain::routing::AccountLimits;
use crate::domain::task::{Observation, Rejection, SubmitOutcome};
use crate::egress::{Origin, Uploads};
use crate::provider::http::CONNECT_TIMEOUT;
pub use crate::provider::http::InvalidSettings;
use crate::provider::{
    CancelAnswer, Media, Placed, Prepared, Provider, ProviderError, ProviderErrorKind,
};

use client::Client;
use upload::Uploader;

/// One account at Runway, and how to talk to it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account's name among ours.
    pub account: String,
    /// Where the API is, with or without `/v1`; https unless loopback.
    pub base_url: String,
    /// The API key.
    pub key: SecretString,
    /// `X-Runway-Version`.
    pub version: String,
    /// Limit of a whole create call. Default 30 s.
    pub create_timeout: Duration,
    /// Limit of a connect. Default 10 s.
    pub connect_timeout: Duration,
    /// Limit of a whole poll, cancel or request for an upload slot. Default 20 s.
    pub poll_timeout: Duration,
    /// Further headers of every request, as some reseller accounts need.
    pub extra_headers: Vec<(String, SecretString)>,
    /// Whether a 503 to a create proves that nothing was created, as documented. Default true.
    pub trust_503: bool,
}

/// One account at Runway.
#[derive(Debug)]
pub struct Runway {
    account: String,
    client: Client,
    uploads: Uploads,
    catalog: Arc<Catalog>,
    trust_503: bool,
}

impl Settings {
    /// Settings with every default.
    pub fn new(account: impl Into<String>, base_url: impl Into<String>, key: SecretString) -> Self {
        Self {
            account: account.into(),
            base_url: base_url.into(),
            key,
            version: "2024-11-06".to_owned(),
            create_timeout: Duration::from_secs(30),
            connect_timeout: CONNECT_TIMEOUT,
            poll_timeout: Duration::from_secs(20),
            extra_headers: Vec::new(),
            trust_503: true,
        }
    }
}

impl Runway {
    /// An account, ready to talk, that says generations as `catalog` has it. Opens no connection.
    pub fn new(settings: Settings, catalog: Arc<Catalog>) -> Result<Self, InvalidSettings> {
        let client = Client::new(&settings)?;
        let uploads = Uploads::new(client.origin())
            .map_err(|_| InvalidSettings("the TLS configuration of this machine"))?;
        let Settings {
            account, trust_503, ..
        } = settings;
        Ok(Self {
            account,
            client,
            uploads,
            catalog,
            trust_503,
        })
    }

    fn uploader(&self) -> Uploader<'_> {
        Uploader {
            client: &self.client,
            uploads: &self.uploads,
            data_uri_limit: translate::data_uri_limit_chars(),
        }
    }
}

#[async_trait]
impl Provider for Runway {
    fn account(&self) -> &str {
        &self.account
    }

    fn embeds(&self, content_type: &str, size_bytes: u64) -> bool {
        self.uploader().embeds(content_type, size_bytes)
    }

    async fn place(&self, media: &Media) -> Result<Placed, Rejection> {
        self.uploader().place(media).await
    }

    fn prepare(&self, generation: &Generation, uris: &[String]) -> Prepared {
        let body = translate::body(generation, uris, &self.catalog).to_string();
        Prepared {
            endpoint: translate::endpoint(generation.operation).to_owned(),
            content_type: "application/json".to_owned(),
            body: Bytes::from(body),
        }
    }

    async fn submit(&self, prepared: Prepared) -> SubmitOutcome {
        match self.client.create(&prepared.endpoint, prepared.body).await {
            Ok(answer) => verdict::judge(&answer, self.trust_503),
            Err(none) => none.outcome(),
        }
    }

    async fn observe(&self, upstream_id: &str) -> Result<Observation, ProviderError> {
        check(upstream_id)?;
        let answer = self.client.task(Method::GET, upstream_id).await?;
        wire::observation(&answer, upstream_id)
    }

    async fn cancel(&self, upstream_id: &str) -> Result<CancelAnswer, ProviderError> {
        check(upstream_id)?;
        let answer = self.client.task(Method::DELETE, upstream_id).await?;
        match answer.status {
            200..=299 => Ok(CancelAnswer::Done),
            404 => Ok(CancelAnswer::NotFound),
            _ => Err(answer.failed()),
        }
    }

    async fn limits(&self) -> Result<Option<AccountLimits>, ProviderError> {
        let answer = self.client.organization().await?;
        organization::limits(&answer).map(Some)
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
    let message = "no task id of the provider".to_owned();
    Err(ProviderError {
        kind: ProviderErrorKind::NotFound,
        retry_after: None,
        message,
    })
}
