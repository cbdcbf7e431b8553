//! Where a provider's API is and what it is called with: the same rules for every account.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use url::{Host, Url};

use super::section::Section;

/// Whose API is called.
#[derive(Clone, Debug)]
pub enum Access {
    /// A sandbox inside this process.
    Sandbox,
    /// An account of a provider, or something else that speaks its API.
    Account {
        /// The bearer key.
        api_key: SecretString,
        /// Where the API is: no `/v1` and no slash at the end (but for the root's own).
        base_url: Url,
    },
}

impl Access {
    /// Whether the API is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Sandbox => true,
            Self::Account { base_url, .. } => is_loopback(base_url),
        }
    }
}

/// Whether a URL's host is this machine by its own words, without asking a name server.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

/// Parses the address of an API, with or without `/v1`. A problem never holds the text.
pub(super) fn parse_base_url(text: &str) -> Result<Url, &'static str> {
    let mut url = Url::parse(text.trim())
        .map_err(|_| "is no URL; write it as https://api.dev.runwayml.com")?;
    if url.cannot_be_a_base() || url.host().is_none() {
        return Err("names no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must not hold a user name or password; a key has a place of its own, `api_key`",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with its path");
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => return Err("must begin with https:// (http:// is for this machine only)"),
    }
    let path = url.path().trim_end_matches('/');
    let path = path
        .strip_suffix("/v1")
        .unwrap_or(path)
        .trim_end_matches('/')
        .to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Further headers of every call; their values are marked sensitive.
pub(super) fn read_headers(section: &Section<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in section.entries() {
        let header = HeaderName::try_from(&name)
            .ok()
            .zip(HeaderValue::try_from(value).ok());
        match header {
            Some((header, _)) if OURS.contains(&header.as_str()) => {
                section.wrong(&name, "is a header that mediagen sets itself");
            }
            Some((header, mut value)) => {
                value.set_sensitive(true);
                headers.insert(header, value);
            }
            None => section.wrong(&name, "is no header that can be sent"),
        }
    }
    headers
}

const OURS: [&str; 5] = [
    "authorization",
    "x-runway-version",
    "content-type",
    "content-length",
    "host",
];
