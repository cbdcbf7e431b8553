//! `http`: what is offered over HTTP beside gRPC.

use std::time::Duration;

use url::Url;

use super::env::Environment;
use super::section::Section;
use super::{DAY, HOUR, MINUTE, SECOND};

/// What is offered over HTTP.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where callers reach the server, without a slash at its end; `None`: where each request came to.
    pub public_url: Option<String>,
    /// How long the address of a file is good.
    pub file_urls: Duration,
    /// The longest that a call for images is held open.
    pub image_wait: Duration,
    /// Whether browsers may speak gRPC-Web.
    pub grpc_web: bool,
    /// Which pages may call.
    pub cors: Cors,
}

/// Which pages may call from a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Their origins; `*`: any.
    pub origins: Vec<String>,
}

impl Http {
    pub(super) fn read(section: &Section<'_>, env: &Environment) -> Self {
        Self {
            public_url: section.parsed("public_url", public_url),
            file_urls: section.duration("file_urls", MINUTE..=7 * DAY),
            image_wait: image_wait(section, env),
            grpc_web: section.flag("grpc_web"),
            cors: section.within("cors", Cors::read),
        }
    }
}

impl Cors {
    fn read(section: &Section<'_>) -> Self {
        let mut origins = Vec::new();
        for text in section.texts("origins") {
            match origin(&text) {
                Ok(origin) => origins.push(origin),
                Err(problem) => section.wrong("origins", &problem),
            }
        }
        Self { origins }
    }
}

fn image_wait(section: &Section<'_>, env: &Environment) -> Duration {
    let bounds = SECOND..=HOUR;
    let own = section.duration("image_wait", bounds.clone());
    let Some(text) = env.get(WAIT).filter(|_| section.is_default("image_wait")) else {
        return own;
    };
    let seconds = text.trim().parse().ok().map(Duration::from_secs);
    let fit = seconds.filter(|wait| bounds.contains(wait));
    fit.unwrap_or_else(|| {
        let problem = format!("{WAIT} takes whole seconds from 1 to 3600");
        section.wrong("image_wait", &problem);
        own
    })
}

fn public_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| NO_URL.to_owned())?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !is_web || url.query().is_some() || url.fragment().is_some() {
        return Err(NO_URL.to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user and no password".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let wrong = || format!("`{text}` is no origin; write it as https://app.example.com");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain = url.origin().ascii_serialization();
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if is_web && text.trim_end_matches('/') == plain {
        Ok(plain)
    } else {
        Err(wrong())
    }
}

const NO_URL: &str = "must be an http or https URL without a query, as https://media.example.com";
/// LiteLLM's name for the wait, in seconds.
const WAIT: &str = "RUNWAYML_POLLING_TIMEOUT";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_where_paths_can_begin() {
        for (given, kept) in [
            ("https://media.example.com", "https://media.example.com"),
            ("https://example.com/media/", "https://example.com/media"),
            ("http://10.0.0.1:8080", "http://10.0.0.1:8080"),
        ] {
            assert_eq!(public_url(given).as_deref(), Ok(kept));
        }
        for bad in [
            "media.example.com",
            "ftp://a.b",
            "https://u:p@a.b",
            "https://a.b/?x=1",
            "",
        ] {
            assert!(public_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_has_no_path() {
        for good in ["*", "https://app.example.com", "http://localhost:3000"] {
            assert_eq!(origin(good).as_deref(), Ok(good));
        }
        for bad in [
            "app.example.com",
            "https://a.b/path",
            "null",
            "file:///x",
            "https://a.b:443",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
