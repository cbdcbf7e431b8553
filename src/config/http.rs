//! `http`: what is offered over HTTP beside gRPC.

use std::time::Duration;

use url::Url;

use super::env::Environment;
use super::quantity::show_duration;
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
    /// How long a video is whose call names no length; `None`: the provider chooses.
    pub video_seconds: Option<u32>,
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
            video_seconds: Some(section.count("video_seconds", 0..=MOST_SECONDS))
                .filter(|seconds| *seconds > 0),
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
    let own = section.duration("image_wait", SHORTEST_WAIT..=LONGEST_WAIT);
    let Some(text) = env.get(WAIT).filter(|_| section.is_default("image_wait")) else {
        return own;
    };
    let Some(seconds) = seconds_above_zero(text) else {
        let problem = format!("{WAIT} takes seconds, above 0");
        section.wrong("image_wait", &problem);
        return own;
    };
    // LiteLLM knows no bounds, so that a file of its users may have any.
    let wait = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    let kept = wait.clamp(SHORTEST_WAIT, LONGEST_WAIT);
    if kept != wait {
        let bound = show_duration(kept);
        let text = format!("{WAIT} is out of bounds: {bound} is taken in its place");
        section.warn("image_wait", &text);
    }
    kept
}

fn seconds_above_zero(text: &str) -> Option<f64> {
    let seconds: f64 = text.trim().parse().ok()?;
    (seconds.is_finite() && seconds > 0.0).then_some(seconds)
}

fn public_url(text: &str) -> Result<String, String> {
    let mut url = Url::parse(text).map_err(|_| NO_URL.to_owned())?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !is_web || url.query().is_some() || url.fragment().is_some() {
        return Err(NO_URL.to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user and no password".to_owned());
    }
    // Addresses of files have a /v1 of their own.
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/v1").unwrap_or(path).to_owned();
    url.set_path(&path);
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let wrong = || format!("`{text}` is no origin; write it as https://app.example.com");
    let url = Url::parse(text).map_err(|_| wrong())?;
    if url.host_str().is_some_and(|host| host.contains('*')) {
        return Err(format!(
            "`{text}` matches nothing: `*` stands alone, for any origin; name each host otherwise"
        ));
    }
    let plain = url.origin().ascii_serialization();
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if is_web && text.trim_end_matches('/') == plain {
        Ok(plain)
    } else {
        Err(wrong())
    }
}

/// The longest video that is asked for by default.
const MOST_SECONDS: u32 = 600;
const NO_URL: &str = "must be an http or https URL without a query, as https://media.example.com";
/// LiteLLM's name for the wait, in seconds.
const WAIT: &str = "RUNWAYML_POLLING_TIMEOUT";
const SHORTEST_WAIT: Duration = SECOND;
const LONGEST_WAIT: Duration = HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_where_paths_can_begin() {
        for (given, kept) in [
            ("https://media.example.com", "https://media.example.com"),
            ("https://example.com/media/", "https://example.com/media"),
            ("http://10.0.0.1:8080", "http://10.0.0.1:8080"),
            ("https://example.com/v1", "https://example.com"),
            ("https://example.com/media/v1/", "https://example.com/media"),
            ("https://example.com/v1/v1", "https://example.com/v1"),
            ("https://example.com/v11", "https://example.com/v11"),
            ("https://v1", "https://v1"),
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
        for bad in ["https://*.example.com", "https://*", "http://app.*:3000"] {
            let told = origin(bad).expect_err(bad);
            assert!(told.contains("`*` stands alone"), "{told}");
        }
    }

    #[test]
    fn litellms_wait_is_kept_within_bounds_and_ours_is_held_to_them() {
        use crate::config::Config;
        let load = |text: &str, own: Option<&str>| {
            let mut variables = vec![("MEDIAGEN_SANDBOX", "true"), (WAIT, text)];
            variables.extend(own.map(|own| ("MEDIAGEN_HTTP_IMAGE_WAIT", own)));
            let env: Environment = variables.into_iter().collect();
            Config::load(None, &env, &[])
        };
        for (text, millis, is_told) in [
            ("600", 600_000, false),
            ("2.5", 2_500, false),
            (" 3600.0 ", 3_600_000, false),
            ("7200", 3_600_000, true),
            ("1e300", 3_600_000, true),
            ("0.5", 1_000, true),
        ] {
            let config = load(text, None).unwrap();
            let wait = Duration::from_millis(millis);
            assert_eq!(config.http.image_wait, wait, "{text}");
            let told = config.warnings.iter().filter(|told| told.contains(WAIT));
            assert_eq!(told.count(), usize::from(is_told), "{text}");
        }
        for wrong in ["0", "0.0", "-1", "soon", "inf", "NaN", "10m"] {
            let told = load(wrong, None).expect_err(wrong).to_string();
            assert!(told.contains(WAIT), "{told}");
        }
        assert!(load("600", Some("2h")).is_err());
        let own = load("soon", Some("30s")).unwrap();
        assert_eq!(own.http.image_wait, Duration::from_secs(30));
    }
}
