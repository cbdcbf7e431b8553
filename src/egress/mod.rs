//! The guarded HTTP client for addresses that arrive in data: a provider's outputs and upload slots.
//!
//! Such an address must be https on the public Internet, by name, on port 443. The one exception is
//! the loopback origin that the operator configured as a provider's base (the sandbox). There are
//! no redirects, no proxies, no credentials and no encodings. Addresses that the operator wrote
//! are none of this module's business. Receivers of webhooks are called by [`Hooks`], under the same
//! rules, with exceptions of the operator's own.
//!
//! URLs are secrets here (they are signed): no error and no `Debug` of this module shows one.

mod address;
mod hooks;
mod resolver;
mod retry_after;
mod target;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use url::{Host, Url};

pub use address::is_global;
pub use hooks::{Heard, Hooks, Message};
pub use retry_after::retry_after;

use resolver::{Forbidden, Guarded, Lookup, Realm};
use target::Target;

/// A loopback scheme, host and port that the operator configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

/// The guarded client. Cheap to clone; every clone sees [`Egress::allow`].
#[derive(Clone)]
pub struct Egress {
    public: Client,
    loopback: Client,
    allowed: Arc<ArcSwap<Vec<Origin>>>,
}

/// An answer whose body is still to be read.
pub struct Fetched {
    /// 200, or 206 to a request for a range.
    pub status: u16,
    /// The length of this body, if announced.
    pub content_length: Option<u64>,
    /// The part of the whole that this body is, of a 206.
    pub content_range: Option<ContentRange>,
    /// What the server calls it.
    pub content_type: Option<String>,
    /// A strong entity tag, fit for `If-Range`.
    pub etag: Option<String>,
    response: Response,
}

/// What a server says to a request for a file.
#[derive(Debug)]
pub enum Reply {
    /// Here it is.
    Body(Box<Fetched>),
    /// It is at this address; secret, as every address here.
    Elsewhere(String),
}

/// A `Content-Range` of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte.
    pub start: u64,
    /// The last byte, inclusive.
    pub end: u64,
    /// The length of the whole, if told.
    pub total: Option<u64>,
}

/// Where to go on with a body that broke.
#[derive(Clone, Copy, Debug)]
pub struct Resume<'a> {
    /// The first byte that is missing.
    pub from: u64,
    /// The strong entity tag of what is there already.
    pub etag: &'a str,
}

/// Why nothing was fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The address, what it resolves to, or the form of the answer is not acceptable.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// The server answered with this status.
    #[error("the server answered {0}")]
    Http(u16),
    /// The connection failed, broke or stalled.
    #[error("the transfer failed: {0}")]
    Transport(String),
}

impl Origin {
    /// The origin of a URL; `None` unless it is http or https on loopback, without userinfo.
    pub fn of(url: &Url) -> Option<Self> {
        let loopback = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let plain = url.username().is_empty() && url.password().is_none();
        let web = matches!(url.scheme(), "http" | "https");
        (loopback && plain && web).then_some(())?;
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }
}

impl Egress {
    /// A client that also accepts the given loopback origins.
    pub fn new(allowed: impl IntoIterator<Item = Origin>) -> Result<Self, EgressError> {
        Self::with_lookup(allowed, &resolver::system(), READ_TIMEOUT)
    }

    /// The same for [`Egress::post`]: the answer comes after the whole form was sent, so silence
    /// is bounded by the timeout of each call alone.
    pub fn for_uploads(allowed: impl IntoIterator<Item = Origin>) -> Result<Self, EgressError> {
        Self::with_lookup(allowed, &resolver::system(), UPLOAD_READ_TIMEOUT)
    }

    fn with_lookup(
        allowed: impl IntoIterator<Item = Origin>,
        lookup: &Lookup,
        read_timeout: Duration,
    ) -> Result<Self, EgressError> {
        let build = |realm, https_only| {
            client(
                Guarded::new(realm, lookup.clone()),
                https_only,
                read_timeout,
            )
        };
        Ok(Self {
            public: build(Realm::Public, true)?,
            loopback: build(Realm::Loopback, false)?,
            allowed: Arc::new(ArcSwap::from_pointee(allowed.into_iter().collect())),
        })
    }

    /// Accepts these loopback origins from now on, and no others.
    pub fn allow(&self, allowed: impl IntoIterator<Item = Origin>) {
        self.allowed.store(Arc::new(allowed.into_iter().collect()));
    }

    /// Begins to fetch `url`, from the start or from where an earlier body broke.
    ///
    /// A server that no longer has what the tag names answers with the whole (200).
    pub async fn get(&self, url: &str, resume: Option<Resume<'_>>) -> Result<Fetched, EgressError> {
        let (client, url) = self.route(url)?;
        match fetch(client.get(url), resume).await? {
            Reply::Body(fetched) => Ok(*fetched),
            Reply::Elsewhere(_) => Err(EgressError::Refused("the server redirects")),
        }
    }

    /// Posts a form; the answer's body is not read. `timeout` bounds the whole.
    pub async fn post(
        &self,
        url: &str,
        form: reqwest::multipart::Form,
        timeout: Duration,
    ) -> Result<(), EgressError> {
        let (client, url) = self.route(url)?;
        let request = client.post(url).timeout(timeout).multipart(form);
        let answer = request.send().await.map_err(transport)?;
        if answer.status().is_redirection() {
            return Err(EgressError::Refused("the server redirects"));
        }
        check_coding(&answer)?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(EgressError::Http(answer.status().as_u16()))
    }

    fn route(&self, url: &str) -> Result<(&Client, Url), EgressError> {
        Ok(match Target::parse(url, &self.allowed.load())? {
            Target::Public(url) => (&self.public, url),
            Target::Loopback(url) => (&self.loopback, url),
        })
    }
}

/// A client that goes where the resolver lets it, and nowhere else.
fn client(
    resolver: Guarded,
    https_only: bool,
    read_timeout: Duration,
) -> Result<Client, EgressError> {
    Client::builder()
        .dns_resolver(resolver)
        .https_only(https_only)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .http1_only()
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(read_timeout)
        .pool_max_idle_per_host(0)
        .user_agent(USER_AGENT)
        .build()
        .map_err(transport)
}

/// Asks for a file with a client of the caller's own, from the start or from where an earlier body
/// broke. The client must not follow redirects: where one leads is told, for [`Egress::get`], so
/// that a key never goes to another origin.
pub async fn fetch(
    request: RequestBuilder,
    resume: Option<Resume<'_>>,
) -> Result<Reply, EgressError> {
    let mut request = request.header(header::ACCEPT_ENCODING, "identity");
    if let Some(resume) = resume {
        let tag = HeaderValue::from_str(resume.etag)
            .map_err(|_| EgressError::Refused("the entity tag is malformed"))?;
        request = request
            .header(header::RANGE, format!("bytes={}-", resume.from))
            .header(header::IF_RANGE, tag);
    }
    let answer = request.send().await.map_err(transport)?;
    if answer.status().is_redirection() {
        let to = answer.headers().get(header::LOCATION);
        let to = to.and_then(|to| answer.url().join(to.to_str().ok()?).ok());
        let to = to.ok_or(EgressError::Refused("the server redirects"))?;
        return Ok(Reply::Elsewhere(to.into()));
    }
    check_coding(&answer)?;
    let fetched = Fetched::from(answer);
    match fetched.status {
        200 | 206 => Ok(Reply::Body(Box::new(fetched))),
        status => Err(EgressError::Http(status)),
    }
}

fn check_coding(answer: &Response) -> Result<(), EgressError> {
    let coding = answer.headers().get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(EgressError::Refused("the body is encoded"));
    }
    Ok(())
}

impl Fetched {
    /// The next piece of the body; `None` at its end. Dropping the future loses nothing.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, EgressError> {
        self.response.chunk().await.map_err(transport)
    }
}

impl From<Response> for Fetched {
    fn from(response: Response) -> Self {
        let headers = response.headers();
        let content_range = text(headers, &header::CONTENT_RANGE).and_then(ContentRange::parse);
        let etag = text(headers, &header::ETAG)
            .filter(|tag| is_strong(tag))
            .map(str::to_owned);
        Self {
            status: response.status().as_u16(),
            content_length: response.content_length(),
            content_range,
            content_type: text(headers, &header::CONTENT_TYPE).map(str::to_owned),
            etag,
            response,
        }
    }
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
        let total = if total == "*" {
            None
        } else {
            Some(total.parse().ok()?)
        };
        let sound = start <= end && total.is_none_or(|total: u64| end < total);
        sound.then_some(Self { start, end, total })
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("status", &self.status)
            .field("content_length", &self.content_length)
            .finish_non_exhaustive()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers
        .get(name)?
        .to_str()
        .ok()
        .filter(|text| text.len() <= MAX_HEADER_LEN)
}

fn is_strong(tag: &str) -> bool {
    tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"')
}

/// What a client's error means, without the URL that it carries.
fn transport(error: reqwest::Error) -> EgressError {
    let error = error.without_url();
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    let mut words = String::new();
    for _ in 0..MAX_CAUSES {
        let Some(this) = cause else { break };
        if this.is::<Forbidden>() {
            return EgressError::Refused("the name resolves to an address that is not public");
        }
        words = this.to_string();
        cause = this.source();
    }
    let kind = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "timed out",
        (_, true) => "cannot connect",
        _ => "broken",
    };
    EgressError::Transport(format!("{kind}: {words}"))
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence within a body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest silence of a server that an upload goes to, the sending included.
const UPLOAD_READ_TIMEOUT: Duration = Duration::from_mins(10);
const MAX_HEADER_LEN: usize = 256;
/// How deep a client's error is looked into.
const MAX_CAUSES: usize = 16;
const USER_AGENT: &str = concat!("mediagen/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests;
