//! The clients of one account.
//!
//! Creates have a client of their own, which opens a connection per call and never sends a request
//! twice: a pooled connection could be found dead and the request silently replayed. With it, a
//! failed connect proves that nothing was sent, and nothing else does.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Method, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::answer::{read, words};
use super::{Answer, InvalidSettings, NoAnswer};
use crate::egress::{Names, Origin};

/// How an account is reached.
pub(in crate::provider) struct Line<'a> {
    /// With or without `/v1`; https unless loopback.
    pub(in crate::provider) base_url: &'a str,
    pub(in crate::provider) key: &'a SecretString,
    /// The operator's headers; those of the provider go before them.
    pub(in crate::provider) extra_headers: &'a [(String, SecretString)],
    /// The provider's own headers.
    pub(in crate::provider) own_headers: &'a [(&'static str, &'a str)],
    pub(in crate::provider) connect_timeout: Duration,
    /// Of a whole create, unless it has its own.
    pub(in crate::provider) create_timeout: Duration,
    /// Of a whole question.
    pub(in crate::provider) poll_timeout: Duration,
}

/// The clients and where they talk to.
#[derive(Clone)]
pub(in crate::provider) struct Client {
    base: Url,
    creates: reqwest::Client,
    questions: reqwest::Client,
    files: reqwest::Client,
}

impl Client {
    pub(in crate::provider) fn new(line: &Line<'_>) -> Result<Self, InvalidSettings> {
        let base = base(line.base_url)?;
        let headers = headers(line)?;
        let common = || {
            reqwest::Client::builder()
                .default_headers(headers.clone())
                .user_agent(USER_AGENT)
                .redirect(Policy::none())
                .referer(false)
                .no_proxy()
                .http1_only()
                .dns_resolver(Names)
                .connect_timeout(line.connect_timeout)
        };
        let creates = common()
            .pool_max_idle_per_host(0)
            .retry(reqwest::retry::never())
            .timeout(line.create_timeout);
        let questions = common()
            .timeout(line.poll_timeout)
            .pool_max_idle_per_host(MAX_IDLE);
        let files = common()
            .retry(reqwest::retry::never())
            .read_timeout(FILE_SILENCE)
            .pool_max_idle_per_host(0);
        Ok(Self {
            base,
            creates: build(creates)?,
            questions: build(questions)?,
            files: build(files)?,
        })
    }

    /// The configured base as an origin for outputs, if it is loopback.
    pub(in crate::provider) fn origin(&self) -> Option<Origin> {
        Origin::of(&self.base)
    }

    /// A create to a path such as `/v1/videos`, for [`exchange`].
    pub(in crate::provider) fn create(
        &self,
        endpoint: &str,
        content_type: &str,
        body: Bytes,
    ) -> RequestBuilder {
        let path: Vec<&str> = endpoint
            .split('/')
            .filter(|step| !step.is_empty())
            .collect();
        self.creates
            .post(self.url(&path))
            .header(header::CONTENT_TYPE, content_type)
            .body(body)
    }

    /// A question, for [`exchange`]. What stands in the path has been checked.
    pub(in crate::provider) fn question(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.questions.request(method, self.url(path))
    }

    /// A request for a file, of any length, with the key.
    pub(in crate::provider) fn file(&self, path: &[&str]) -> RequestBuilder {
        self.files.get(self.url(path)).header(header::ACCEPT, "*/*")
    }

    /// The address of a path.
    pub(in crate::provider) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// Sends once, and reads the answer as far as `limit` says for its status.
pub(in crate::provider) async fn exchange(
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

/// How much is read of the answer to a create whose success may be `success` bytes long.
pub(in crate::provider) fn create_limit(success: usize) -> impl FnOnce(u16) -> usize {
    move |status| {
        if status < 300 {
            success
        } else {
            MAX_ERROR_BODY
        }
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

fn headers(line: &Line<'_>) -> Result<HeaderMap, InvalidSettings> {
    let mut headers = HeaderMap::new();
    for (name, value) in line.extra_headers {
        let name =
            HeaderName::try_from(name).map_err(|_| InvalidSettings("an extra header's name"))?;
        headers.insert(name, secret(value.expose_secret())?);
    }
    headers.insert(
        header::AUTHORIZATION,
        secret(&format!("Bearer {}", line.key.expose_secret()))?,
    );
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in line.own_headers {
        headers.insert(*name, secret(value)?);
    }
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

/// Longest body of a successful create.
pub(in crate::provider) const MAX_CREATE_BODY: usize = 1024 * 1024;
/// Longest body of a task.
pub(in crate::provider) const MAX_POLL_BODY: usize = 4 * 1024 * 1024;
/// Longest body of anything else.
pub(in crate::provider) const MAX_ERROR_BODY: usize = 64 * 1024;
/// Idle connections that are kept for polls.
const MAX_IDLE: usize = 32;
/// Longest silence within a file.
const FILE_SILENCE: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("mediagen/", env!("CARGO_PKG_VERSION"));
/// Default limit of a connect.
pub(in crate::provider) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
