//! `telemetry`: who may read metrics, and where traces go.

use secrecy::SecretString;
use url::Url;

use super::env::Environment;
use super::section::Section;

/// Metrics and traces.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Who may read `/metrics`.
    pub metrics: MetricsAccess,
    /// Where traces go; `None`: nowhere.
    pub otlp: Option<Otlp>,
}

/// Who may read `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAccess {
    /// As calls: everybody, unless keys are configured; then those with a fit one.
    Auto,
    /// Everybody who reaches the port.
    Open,
    /// Those with a key of the scope `operate`.
    Keyed,
    /// Nobody.
    Off,
}

/// Where traces go, and which.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// The collector's address for OTLP over gRPC.
    pub endpoint: Url,
    /// Metadata of every export, such as a key.
    pub headers: Vec<(String, SecretString)>,
    /// The share of the traces begun here that is recorded, 0 to 1.
    pub sample_ratio: f64,
    /// What the service is called in traces.
    pub service_name: String,
}

impl Telemetry {
    pub(super) fn read(section: &Section<'_>, env: &Environment) -> Self {
        let names = [
            ("auto", MetricsAccess::Auto),
            ("open", MetricsAccess::Open),
            ("keyed", MetricsAccess::Keyed),
            ("off", MetricsAccess::Off),
        ];
        Self {
            metrics: section.choice("metrics", &names, MetricsAccess::Auto),
            otlp: section.within("otlp", |section| Otlp::read(section, env)),
        }
    }
}

impl Otlp {
    fn read(section: &Section<'_>, env: &Environment) -> Option<Self> {
        let headers = read_headers(section, env);
        let sample_ratio = section.required("sample_ratio", ratio).unwrap_or(1.0);
        let service_name = service_name(section, env);
        let disabled = env.get("OTEL_SDK_DISABLED") == Some("true");
        let endpoint = endpoint(section, env).filter(|_| !disabled)?;
        Some(Self {
            endpoint,
            headers,
            sample_ratio,
            service_name,
        })
    }
}

fn endpoint(section: &Section<'_>, env: &Environment) -> Option<Url> {
    if let Some(text) = section.optional("endpoint") {
        return address(text.trim())
            .map_err(|problem| section.wrong("endpoint", &problem))
            .ok();
    }
    let name = ENDPOINTS.into_iter().find(|name| env.get(name).is_some())?;
    address(env.get(name)?.trim())
        .map_err(|problem| section.wrong("endpoint", &format!("{name} {problem}")))
        .ok()
}

/// An address without a name or a password in it: those would show in logs.
fn address(text: &str) -> Result<Url, String> {
    let wrong = || "must be an http or https URL such as http://localhost:4317".to_owned();
    let url = Url::parse(text).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user and no password; put a key into `headers`".to_owned());
    }
    Ok(url)
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text
        .parse()
        .ok()
        .filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| format!("`{text}` is no number from 0 to 1"))
}

fn service_name(section: &Section<'_>, env: &Environment) -> String {
    let name = section.text("service_name");
    let own = env
        .get("OTEL_SERVICE_NAME")
        .filter(|_| section.is_default("service_name"));
    own.map_or(name, str::to_owned)
}

/// The section's headers; without any, those of the environment.
fn read_headers(section: &Section<'_>, env: &Environment) -> Vec<(String, SecretString)> {
    let entries = section.within("headers", |section| {
        let entries = section.entries();
        for (name, value) in &entries {
            if !is_header(name, value) {
                section.wrong(name, "is no header that can be sent");
            }
        }
        entries
    });
    if !entries.is_empty() {
        return entries.into_iter().map(secret).collect();
    }
    let variable = HEADERS
        .into_iter()
        .find_map(|name| Some((name, env.get(name)?)));
    let Some((name, text)) = variable else {
        return Vec::new();
    };
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    let (fit, unfit): (Vec<_>, Vec<_>) = pairs.partition(|(name, value)| is_header(name, value));
    if !unfit.is_empty() {
        section.wrong("headers", &format!("{name} holds what is no header"));
    }
    fit.into_iter().map(secret).collect()
}

fn is_header(name: &str, value: &str) -> bool {
    let name = http::HeaderName::try_from(name);
    let binary = |name: http::HeaderName| name.as_str().ends_with("-bin");
    name.is_ok_and(|name| !binary(name)) && http::HeaderValue::try_from(value).is_ok()
}

fn secret((name, value): (String, String)) -> (String, SecretString) {
    (name, SecretString::from(value))
}

/// The variables of OpenTelemetry that name the collector, in the order of their weight.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// Those that hold headers.
const HEADERS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
];

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::super::{Config, Setting};
    use super::*;

    fn load(environment: &[(&str, &str)], settings: &[(&str, &str)]) -> Result<Telemetry, String> {
        let known = [("RUNWAYML_API_SECRET", "key_0123456789abcdef")];
        let env = known
            .into_iter()
            .chain(environment.iter().copied())
            .collect();
        let settings: Vec<_> = settings
            .iter()
            .map(|(key, value)| Setting::new(key, key, *value))
            .collect();
        let config = Config::load(None, &env, &settings);
        config
            .map(|config| config.telemetry)
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn nothing_is_traced_unless_a_collector_is_named() {
        let telemetry = load(&[], &[]).unwrap();
        assert!(telemetry.otlp.is_none());
        assert_eq!(telemetry.metrics, MetricsAccess::Auto);
    }

    #[test]
    fn the_environment_of_opentelemetry_stands_in_for_what_is_not_set() {
        let env = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret, x-team=a"),
            ("OTEL_SERVICE_NAME", "renders"),
        ];
        let otlp = load(&env, &[]).unwrap().otlp.unwrap();
        assert_eq!(otlp.endpoint.as_str(), "http://collector:4317/");
        assert_eq!(otlp.service_name, "renders");
        assert_eq!(otlp.headers.len(), 2);
        assert_eq!(otlp.headers[0].1.expose_secret(), "s3cret");
        assert!(!format!("{otlp:?}").contains("s3cret"));
        let own = [("telemetry.otlp.endpoint", "http://127.0.0.1:1")];
        let otlp = load(&env, &own).unwrap().otlp.unwrap();
        assert_eq!(otlp.endpoint.port(), Some(1));
        let off = [env[0], ("OTEL_SDK_DISABLED", "true")];
        assert!(load(&off, &[]).unwrap().otlp.is_none());
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (key, value) in [
            ("telemetry.metrics", "perhaps"),
            ("telemetry.otlp.endpoint", "collector:4317"),
            ("telemetry.otlp.endpoint", "http://user:hush@collector"),
            ("telemetry.otlp.sample_ratio", "1.5"),
            ("telemetry.otlp.sample_ratio", "NaN"),
            ("telemetry.otlp.service_name", ""),
            ("telemetry.otlp.headers.a b", "c"),
        ] {
            let problem = load(&[], &[(key, value)]).unwrap_err();
            assert!(problem.contains(key), "{problem}");
            assert!(!problem.contains("hush"), "{problem}");
        }
    }
}
