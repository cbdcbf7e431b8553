//! The HTTP side of Runway's API: two clients, bounded reads, nothing interpreted.
//!
//! Creates have a client of their own, which opens a connection per call and never sends a request
//! twice: a pooled connection could be found dead and the request silently replayed. With it, a
//! failed connect proves that nothing was sent, and nothing else does.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Method, RequestBuilder, Response};
use secrecy::ExposeSecret;
use url::Url;

use super::{InvalidSettings, Settings};
use crate::egress::Origin;
use crate::provider::redact::clean;

/// The two clients and where they talk to.
#[derive(Clone)]
pub(super) struct Client {
    base: Url,
    creates: reqwest::Client,
    questions: reqwest::Client,
}

/// An answer, read to its end or to a limit.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The body went on beyond the limit.
    pub(super) overlong: bool,
    /// The body broke off, and why.
    pub(super) cut: Option<String>,
}

/// No answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoAnswer {
    /// Proved: no byte of the request left.
    pub(super) not_sent: bool,
    /// What happened, without the URL.
    pub(super) words: String,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Self, InvalidSettings> {
        let base = base(&settings.base_url)?;
        let headers = headers(settings)?;
        let common = || {
            reqwest::Client::builder()
                .default_headers(headers.clone())
                .user_agent(USER_AGENT)
                .redirect(Policy::none())
                .referer(false)
                .no_proxy()
                .http1_only()
                .connect_timeout(settings.connect_timeout)
        };
        let creates = common()
            .pool_max_idle_per_host(0)
            .retry(reqwest::retry::never())
            .timeout(settings.create_timeout);
        let questions = common()
            .timeout(settings.poll_timeout)
            .pool_max_idle_per_host(MAX_IDLE);
        Ok(Self {
            base,
            creates: build(creates)?,
            questions: build(questions)?,
        })
    }

    /// The configured base as an origin for outputs, if it is loopback.
    pub(super) fn origin(&self) -> Option<Origin> {
        Origin::of(&self.base)
    }

    /// Sends one create, once. `endpoint` is a path such as `/v1/text_to_video`.
    pub(super) async fn create(&self, endpoint: &str, body: Bytes) -> Result<Answer, NoAnswer> {
        let path: Vec<&str> = endpoint
            .split('/')
            .filter(|step| !step.is_empty())
            .collect();
        let request = self.creates.post(self.url(&path));
        let limit = |status| {
            if status < 300 {
                MAX_CREATE_BODY
            } else {
                MAX_ERROR_BODY
            }
        };
        exchange(json(request, body), limit).await
    }

    /// Reads or deletes a task. The id has been checked.
    pub(super) async fn task(&self, method: Method, id: &str) -> Result<Answer, NoAnswer> {
        let request = self
            .questions
            .request(method, self.url(&["v1", "tasks", id]));
        exchange(request, |_| MAX_POLL_BODY).await
    }

    /// Reads what the account may do and has left.
    pub(super) async fn organization(&self) -> Result<Answer, NoAnswer> {
        let request = self.questions.get(self.url(&["v1", "organization"]));
        exchange(request, |_| MAX_POLL_BODY).await
    }

    /// Asks for an upload slot.
    pub(super) async fn slot(&self, body: Bytes) -> Result<Answer, NoAnswer> {
        let request = self.questions.post(self.url(&["v1", "uploads"]));
        exchange(json(request, body), |_| MAX_ERROR_BODY).await
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

impl Answer {
    /// An answer without headers and body.
    #[cfg(test)]
    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            overlong: false,
            cut: None,
        }
    }

    pub(super) fn content_type(&self) -> Option<&str> {
        self.headers.get(header::CONTENT_TYPE)?.to_str().ok()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// Reads the configured base: with or without `/v1` and slashes at its end.
fn base(text: &str) -> Result<Url, InvalidSettings> {
    let trimmed = text.trim_end_matches('/');
    let trimmed = trimmed
        .strip_suffix("/v1")
        .unwrap_or(trimmed)
        .trim_end_matches('/');
    let url = Url::parse(trimmed).map_err(|_| InvalidSettings("the base URL cannot be read"))?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !plain {
        return Err(InvalidSettings(
            "the base URL must have no userinfo, query or fragment",
        ));
    }
    if url.has_host() && url.scheme() == "https" || Origin::of(&url).is_some() {
        return Ok(url);
    }
    Err(InvalidSettings(
        "the base URL must be https (http is for loopback only)",
    ))
}

fn headers(settings: &Settings) -> Result<HeaderMap, InvalidSettings> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.extra_headers {
        let name =
            HeaderName::try_from(name).map_err(|_| InvalidSettings("an extra header's name"))?;
        headers.insert(name, secret(value.expose_secret())?);
    }
    headers.insert(
        header::AUTHORIZATION,
        secret(&format!("Bearer {}", settings.key.expose_secret()))?,
    );
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert("x-runway-version", secret(&settings.version)?);
    Ok(headers)
}

fn secret(text: &str) -> Result<HeaderValue, InvalidSettings> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| InvalidSettings("the key or a header has characters that HTTP forbids"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn build(builder: ClientBuilder) -> Result<reqwest::Client, InvalidSettings> {
    builder
        .build()
        .map_err(|_| InvalidSettings("the TLS configuration of this machine"))
}

fn json(request: RequestBuilder, body: Bytes) -> RequestBuilder {
    request
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
}

async fn exchange(
    request: RequestBuilder,
    limit: impl FnOnce(u16) -> usize,
) -> Result<Answer, NoAnswer> {
    let response = request.send().await.map_err(|error| NoAnswer {
        not_sent: error.is_connect() || error.is_builder(),
        words: words(error),
    })?;
    let limit = limit(response.status().as_u16());
    Ok(read(response, limit).await)
}

/// Reads a body to its end or to `limit`; the client's total timeout bounds the time.
async fn read(mut response: Response, limit: usize) -> Answer {
    let mut answer = Answer {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        body: Bytes::new(),
        overlong: false,
        cut: None,
    };
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                answer.overlong = chunk.len() > limit - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(limit - body.len())]);
            }
            Ok(None) => break,
            Err(error) => answer.cut = Some(words(error)),
        }
        if answer.overlong || answer.cut.is_some() {
            break;
        }
    }
    answer.body = body.freeze();
    answer
}

/// The innermost cause of an error in a few words, without the URL.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let kind = if error.is_timeout() {
        "timed out"
    } else {
        "failed"
    };
    let mut cause: &dyn StdError = &error;
    for _ in 0..MAX_CAUSES {
        let Some(inner) = cause.source() else { break };
        cause = inner;
    }
    clean(&format!("{kind}: {cause}"), MAX_WORDS)
}

/// Longest body of a successful create.
const MAX_CREATE_BODY: usize = 1024 * 1024;
/// Longest body of a task.
const MAX_POLL_BODY: usize = 4 * 1024 * 1024;
/// Longest body of anything else.
const MAX_ERROR_BODY: usize = 64 * 1024;
/// Idle connections that are kept for polls.
const MAX_IDLE: usize = 32;
const MAX_CAUSES: usize = 16;
const MAX_WORDS: usize = 200;
const USER_AGENT: &str = concat!("mediagen/", env!("CARGO_PKG_VERSION"));

/// Default of [`Settings::connect_timeout`].
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_taken_with_or_without_its_version() {
        for text in [
            "https://api.dev.runwayml.com",
            "https://api.dev.runwayml.com/v1/",
        ] {
            assert_eq!(
                base(text).unwrap().as_str(),
                "https://api.dev.runwayml.com/"
            );
        }
        assert_eq!(
            base("http://127.0.0.1:4010/v1").unwrap().as_str(),
            "http://127.0.0.1:4010/"
        );
        assert_eq!(
            base("http://localhost:1/gate/v1").unwrap().as_str(),
            "http://localhost:1/gate"
        );
        for bad in [
            "",
            "x",
            "http://api.dev.runwayml.com",
            "ftp://127.0.0.1",
            "https://u:p@h.example",
            "https://h.example?x=1",
            "http://10.0.0.1",
            "https://",
        ] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }
}
