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
mod fetched;
mod fetcher;
mod hooks;
mod names;
mod resolver;
mod retry_after;
mod target;
mod uploads;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::Client;
use reqwest::header::{self, HeaderMap};
use url::{Host, Url};

pub use address::is_global;
pub use fetched::{ContentRange, Fetched, Reply, Resume, fetch};
pub use hooks::{Heard, Hooks, Message};
pub use names::Names;
pub use retry_after::retry_after;
pub use uploads::Uploads;

use fetcher::Fetcher;
use resolver::{Forbidden, Guarded, Lookup, Realm};
use target::Target;

/// A loopback scheme, host and port that the operator configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

/// The guarded client for outputs. Cheap to clone; every clone sees [`Egress::allow`].
#[derive(Clone)]
pub struct Egress {
    public: Fetcher,
    loopback: Fetcher,
    allowed: Arc<ArcSwap<Vec<Origin>>>,
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
        Self::with_lookup(allowed, &resolver::system())
    }

    fn with_lookup(
        allowed: impl IntoIterator<Item = Origin>,
        lookup: &Lookup,
    ) -> Result<Self, EgressError> {
        let tls = fetcher::tls()?;
        let build = |realm, https_only| {
            let resolver = Guarded::new(realm, lookup.clone());
            Fetcher::new(resolver, tls.clone(), https_only)
        };
        Ok(Self {
            public: build(Realm::Public, true),
            loopback: build(Realm::Loopback, false),
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
        match Target::parse(url, &self.allowed.load())? {
            Target::Public(url) => self.public.get(&url, resume).await,
            Target::Loopback(url) => self.loopback.get(&url, resume).await,
        }
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

fn check_coding(headers: &HeaderMap) -> Result<(), EgressError> {
    let coding = headers.get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(EgressError::Refused("the body is encoded"));
    }
    Ok(())
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

/// What a client's error means, without the URL that it carries.
fn transport(error: reqwest::Error) -> EgressError {
    let error = error.without_url();
    let kind = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "timed out",
        (_, true) => "cannot connect",
        _ => "broken",
    };
    failed(kind, &error)
}

/// A failure of this kind; its words are those of its deepest cause.
fn failed(kind: &str, error: &(dyn StdError + 'static)) -> EgressError {
    let mut words = String::new();
    for cause in causes(error) {
        if cause.is::<Forbidden>() {
            return EgressError::Refused("the name resolves to an address that is not public");
        }
        words = cause.to_string();
    }
    EgressError::Transport(format!("{kind}: {words}"))
}

/// An error and what is below it.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source()).take(MAX_CAUSES)
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence within a body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How deep a client's error is looked into.
const MAX_CAUSES: usize = 16;
const USER_AGENT: &str = concat!("mediagen/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests;
