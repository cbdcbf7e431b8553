//! `runway`: RunwayML's API, and an account there.
//!
//! The account's key and base URL have a second home beside the configuration: the variables that
//! Runway's own SDKs read.

use http::{HeaderMap, HeaderValue};
use secrecy::SecretString;
use url::Url;

use super::access::{parse_base_url, read_headers};
use super::env::Environment;
use super::quantity::{parse_usd_micros, show_usd_micros};
use super::secret::{self, Secret, Told};
use super::section::Section;
use crate::domain::money::UsdRate;

/// How RunwayML's API is called, whatever the account.
#[derive(Clone, Debug)]
pub struct Runway {
    /// The value of `X-Runway-Version`.
    pub api_version: String,
    /// What the account pays for a credit; above 0, at most 1000 dollars.
    pub usd_per_credit: UsdRate,
    sandbox: bool,
}

/// The account of the section and of the SDK's variables.
#[derive(Debug)]
pub(super) struct Own {
    /// Its key; `Ok(None)`: there is none.
    pub key: Result<Option<Secret>, Told>,
    /// Whether only the SDK's variables name the key.
    pub from_sdk: bool,
    /// A variable that would hold the key, were it not empty.
    pub empty: Option<&'static str>,
    /// Where it is, and where any account of RunwayML is that does not say; `None`: a problem was
    /// reported.
    pub base_url: Option<Url>,
    /// Its further headers.
    pub headers: HeaderMap,
}

impl Runway {
    pub(super) fn read(section: &Section<'_>, env: &Environment, sandbox: bool) -> (Self, Own) {
        let api_version = section.text("api_version");
        if HeaderValue::from_str(&api_version).is_err() {
            section.wrong("api_version", "cannot be sent in a header");
        }
        let runway = Self {
            api_version,
            usd_per_credit: section
                .required("usd_per_credit", parse_rate)
                .unwrap_or(UsdRate::ONE_CENT),
            sandbox,
        };
        (runway, Own::read(section, env, sandbox))
    }

    /// Whether the sandbox of this process is called.
    pub fn is_sandbox(&self) -> bool {
        self.sandbox
    }
}

impl Own {
    fn read(section: &Section<'_>, env: &Environment, sandbox: bool) -> Self {
        let base_url = read_base_url(section, env);
        let headers = section.within("headers", read_headers);
        let mut own = Self {
            key: Ok(None),
            from_sdk: false,
            empty: None,
            base_url,
            headers,
        };
        if sandbox {
            // Whatever the keys are, nothing is asked with them.
            let _ = (section.spelled("api_key"), section.spelled("api_key_file"));
            return own;
        }
        own.key = secret::read(section, "api_key", "api_key_file");
        if !matches!(own.key, Ok(None)) {
            return own;
        }
        let Some(name) = KEY_VARIABLES.iter().find(|name| env.get(name).is_some()) else {
            own.empty = KEY_VARIABLES.into_iter().find(|name| env.is_set(name));
            return own;
        };
        own.from_sdk = true;
        let text = env.get(name).unwrap_or_default().trim();
        own.key = match secret::check(text) {
            Ok(()) => Ok(Some(Secret {
                text: SecretString::from(text),
                variable: Some((*name).to_owned()),
            })),
            Err(problem) => {
                section.wrong("api_key", &format!("the API key in {name} {problem}"));
                Err(Told)
            }
        };
        own
    }
}

fn read_base_url(section: &Section<'_>, env: &Environment) -> Option<Url> {
    let is_given = section.given("base_url").is_some();
    let own = section.optional("base_url");
    if is_given && own.is_none() {
        return None;
    }
    let own = own.map(|url| ("runway.base_url", url));
    let from_env = || {
        let name = BASE_VARIABLES.iter().find(|name| env.get(name).is_some())?;
        Some((*name, env.get(name)?.to_owned()))
    };
    let fallback = || ("runway.base_url", DEFAULT_BASE.to_owned());
    let (place, text) = own.or_else(from_env).unwrap_or_else(fallback);
    let parsed = parse_base_url(&text);
    parsed
        .map_err(|problem| section.wrong("base_url", &format!("the URL in {place} {problem}")))
        .ok()
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

const DEFAULT_BASE: &str = "https://api.dev.runwayml.com";
const KEY_VARIABLES: [&str; 2] = ["RUNWAYML_API_SECRET", "RUNWAYML_API_KEY"];
const BASE_VARIABLES: [&str; 2] = ["RUNWAYML_BASE_URL", "RUNWAYML_API_BASE"];
/// The dearest credit that is believed, in millionths of a dollar.
const DEAREST: u64 = 1_000_000_000;
