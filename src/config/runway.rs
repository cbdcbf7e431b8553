//! `runway`: the account and the address of the provider's API.
//!
//! The key and the base URL have a second home beside the configuration: the variables that
//! Runway's own SDKs read. A key's value is never in a problem, only the name of its place.

use std::fs;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use url::{Host, Url};

use super::env::Environment;
use super::quantity::{parse_usd_micros, show_usd_micros};
use super::section::Section;
use crate::domain::money::UsdRate;

/// How the provider is called.
#[derive(Clone, Debug)]
pub struct Runway {
    /// Whose API it is.
    pub access: Access,
    /// The value of `X-Runway-Version`.
    pub api_version: String,
    /// Further headers for every call; their values are marked sensitive.
    pub headers: HeaderMap,
    /// What the account pays for a credit; above 0, at most 1000 dollars.
    pub usd_per_credit: UsdRate,
}

/// Whose API is called.
#[derive(Clone, Debug)]
pub enum Access {
    /// A sandbox inside this process.
    Sandbox,
    /// An account of RunwayML, or something else that speaks its API.
    Account {
        /// The bearer key.
        api_key: SecretString,
        /// Where the API is: no `/v1` and no slash at the end (but for the root's own).
        base_url: Url,
    },
}

impl Runway {
    pub(super) fn read(section: &Section<'_>, env: &Environment, sandbox: bool) -> Self {
        let base_url = read_base_url(section, env);
        let api_key = read_key(section, env, sandbox);
        let access = match base_url.filter(|_| !sandbox) {
            // Without a key a problem was reported; what depends on the URL is still to be checked.
            Some(base_url) => Access::Account {
                api_key: api_key.unwrap_or_default(),
                base_url,
            },
            None => Access::Sandbox, // or a problem was reported
        };
        let api_version = section.text("api_version");
        if HeaderValue::from_str(&api_version).is_err() {
            section.wrong("api_version", "cannot be sent in a header");
        }
        Self {
            access,
            api_version,
            headers: section.within("headers", read_headers),
            usd_per_credit: section
                .required("usd_per_credit", parse_rate)
                .unwrap_or(UsdRate::ONE_CENT),
        }
    }

    /// Whether the sandbox of this process is called.
    pub fn is_sandbox(&self) -> bool {
        matches!(self.access, Access::Sandbox)
    }

    /// Whether the API is on this machine.
    pub fn is_local(&self) -> bool {
        match &self.access {
            Access::Sandbox => true,
            Access::Account { base_url, .. } => is_loopback(base_url),
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

fn read_key(section: &Section<'_>, env: &Environment, sandbox: bool) -> Option<SecretString> {
    let (own, file) = (section.optional("api_key"), section.path("api_key_file"));
    if sandbox {
        return None;
    }
    let (place, key) = if let Some(key) = own {
        ("api_key".to_owned(), key)
    } else if let Some(file) = file {
        ("api_key_file".to_owned(), read_key_file(section, &file)?)
    } else if let Some(name) = KEY_VARIABLES.iter().find(|name| env.get(name).is_some()) {
        (
            (*name).to_owned(),
            env.get(name).unwrap_or_default().to_owned(),
        )
    } else {
        let empty = KEY_VARIABLES.iter().find(|name| env.is_set(name));
        let note = empty
            .map(|name| format!(" ({name} is set, but empty)"))
            .unwrap_or_default();
        section.wrong("api_key", &format!("there is no API key{note}: {WAYS_OUT}"));
        return None;
    };
    if let Err(problem) = check_key(key.trim()) {
        let key = if place.starts_with("api") {
            place.as_str()
        } else {
            "api_key"
        };
        section.wrong(key, &format!("the API key in {place} {problem}"));
        return None;
    }
    Some(SecretString::from(key.trim()))
}

fn read_key_file(section: &Section<'_>, file: &std::path::Path) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read =
        fs::File::open(file).and_then(|file| file.take(MAX_KEY_FILE).read_to_string(&mut text));
    if let Err(error) = read {
        section.wrong(
            "api_key_file",
            &format!("{} cannot be read: {error}", file.display()),
        );
        return None;
    }
    Some(text)
}

/// Finds keys that cannot be one; says why without showing them.
fn check_key(key: &str) -> Result<(), &'static str> {
    let lower = key.to_lowercase();
    if key.is_empty() {
        Err("is empty")
    } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("holds spaces or other characters that no key has")
    } else if PLACEHOLDERS.iter().any(|sign| lower.contains(sign)) {
        Err("is a placeholder; put your own in its place")
    } else {
        Ok(())
    }
}

fn read_base_url(section: &Section<'_>, env: &Environment) -> Option<Url> {
    let own = section
        .optional("base_url")
        .map(|url| ("runway.base_url", url));
    let from_env = || {
        let name = BASE_VARIABLES.iter().find(|name| env.get(name).is_some())?;
        Some((*name, env.get(name)?.to_owned()))
    };
    let fallback = || ("runway.base_url", DEFAULT_BASE.to_owned());
    let (place, text) = own.or_else(from_env).unwrap_or_else(fallback);
    let parsed = parse_base_url(text.trim());
    parsed
        .map_err(|problem| section.wrong("base_url", &format!("the URL in {place} {problem}")))
        .ok()
}

fn parse_base_url(text: &str) -> Result<Url, &'static str> {
    let mut url =
        Url::parse(text).map_err(|_| "is no URL; write it as https://api.dev.runwayml.com")?;
    if url.cannot_be_a_base() || url.host().is_none() {
        return Err("names no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password; the key goes in RUNWAYML_API_SECRET");
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

fn parse_rate(text: &str) -> Result<UsdRate, String> {
    match parse_usd_micros(text)? {
        micros @ 1..=DEAREST => Ok(UsdRate(micros)),
        micros => Err(format!(
            "{} is out of bounds: 0.000001 to {}",
            show_usd_micros(micros),
            show_usd_micros(DEAREST)
        )),
    }
}

fn read_headers(section: &Section<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in section.entries() {
        let header = HeaderName::try_from(&name)
            .ok()
            .zip(HeaderValue::try_from(value).ok());
        match header {
            Some((name, _)) if OURS.contains(&name.as_str()) => {
                section.wrong(name.as_str(), "is a header that mediagen sets itself");
            }
            Some((name, mut value)) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            None => section.wrong(&name, "is no header that can be sent"),
        }
    }
    headers
}

const DEFAULT_BASE: &str = "https://api.dev.runwayml.com";
const KEY_VARIABLES: [&str; 2] = ["RUNWAYML_API_SECRET", "RUNWAYML_API_KEY"];
const BASE_VARIABLES: [&str; 2] = ["RUNWAYML_BASE_URL", "RUNWAYML_API_BASE"];
const OURS: [&str; 5] = [
    "authorization",
    "x-runway-version",
    "content-type",
    "content-length",
    "host",
];
const MAX_KEY_FILE: u64 = 4_096;
/// The dearest credit that is believed, in millionths of a dollar.
const DEAREST: u64 = 1_000_000_000;
/// What stands in examples where a key belongs.
const PLACEHOLDERS: [&str; 8] = [
    "your",
    "changeme",
    "change-me",
    "placeholder",
    "xxxx",
    "<",
    "${",
    "...",
];
const WAYS_OUT: &str = "set RUNWAYML_API_SECRET to your account's key, or add --sandbox to try \
    mediagen without an account (nothing that the sandbox makes is real)";
