//! Whether a request comes from a page of another site, which a browser sends with what no page has to
//! ask for: a form, or a body without a type.
//!
//! A server without keys trusts whoever reaches it from its own machine, and the browser of its owner
//! does. It says by itself where its pages come from (`Sec-Fetch-Site`, and `Origin` with whatever
//! makes something). A name that a foreign page has made to mean this machine is foreign too.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use url::{Host, Url};

use super::Settings;
use super::cors::Listed;

/// Whether it does; a page whose origin is listed (`http.cors.origins`) is none of another site.
pub(super) fn is_foreign(parts: &Parts, settings: &Settings) -> bool {
    if parts.extensions.get::<Listed>().is_some() {
        return false;
    }
    let site = parts.headers.get(SITE).map(HeaderValue::as_bytes);
    if site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
        return true;
    }
    match parts.headers.get(ORIGIN) {
        Some(origin) => !is_own(parts, settings, origin),
        None => false,
    }
}

/// Whether a page's origin is this server, under a name that is its own.
fn is_own(parts: &Parts, settings: &Settings, origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok().and_then(|text| Url::parse(text).ok());
    let Some(origin) = origin else { return false };
    let public = settings.public_url.as_deref();
    let public = public.and_then(|url| Url::parse(url).ok());
    if public.is_some_and(|url| url.origin() == origin.origin()) {
        return true;
    }
    let target = parts.uri.authority().map(http::uri::Authority::as_str);
    let named = target.or_else(|| parts.headers.get(HOST)?.to_str().ok());
    let named = named.and_then(|host| Url::parse(&format!("{}://{host}", origin.scheme())).ok());
    let is_here = named.is_some_and(|url| url.origin() == origin.origin());
    is_here && (!settings.listen.ip().is_loopback() || is_of_this_machine(&origin))
}

/// Whether the host of an address is this machine, whoever resolves it.
fn is_of_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == LOCAL || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).to_canonical().is_loopback(),
        None => false,
    }
}

/// How a browser says where a request comes from.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The name that means the machine itself.
const LOCAL: &str = "localhost";

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn is_foreign_to(settings: &Settings, headers: &[(&str, &str)], is_listed: bool) -> bool {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        if is_listed {
            parts.extensions.insert(Listed);
        }
        is_foreign(&parts, settings)
    }

    fn settings() -> Settings {
        Settings {
            public_url: Some("https://media.example.com/api".to_owned()),
            listen: "127.0.0.1:50051".parse().unwrap(),
            ..Settings::plain()
        }
    }

    #[test]
    fn what_is_no_page_is_at_home() {
        for headers in [
            &[][..],
            &[("host", "localhost:50051")],
            &[("host", "anything.example.com")],
            // Node's own fetch.
            &[("host", "localhost:50051"), ("sec-fetch-mode", "cors")],
        ] {
            assert!(!is_foreign_to(&settings(), headers, false), "{headers:?}");
        }
    }

    #[test]
    fn pages_of_the_server_itself_are_at_home_and_others_are_not() {
        for (host, origin, site, is_other) in [
            ("localhost:50051", "http://localhost:50051", "", false),
            (
                "localhost:50051",
                "http://localhost:50051",
                "same-origin",
                false,
            ),
            ("127.0.0.1:50051", "http://127.0.0.1:50051", "", false),
            ("[::1]:50051", "http://[::1]:50051", "", false),
            ("a.localhost", "http://a.localhost", "", false),
            ("x", "https://media.example.com", "", false),
            ("localhost:50051", "http://localhost:3000", "", true),
            (
                "localhost:50051",
                "http://localhost:50051",
                "same-site",
                true,
            ),
            (
                "localhost:50051",
                "https://evil.example",
                "cross-site",
                true,
            ),
            ("localhost:50051", "https://evil.example", "", true),
            ("localhost:50051", "null", "", true),
            ("localhost:50051", "", "cross-site", true),
            // A name of theirs that resolves to this machine.
            ("evil.example:50051", "http://evil.example:50051", "", true),
        ] {
            let told = [("host", host), ("origin", origin), ("sec-fetch-site", site)];
            let told: Vec<_> = told.into_iter().filter(|told| !told.1.is_empty()).collect();
            let found = is_foreign_to(&settings(), &told, false);
            assert_eq!(found, is_other, "{told:?}");
            assert!(!is_foreign_to(&settings(), &told, true), "{told:?}");
        }
        let mut open = settings();
        open.listen = "0.0.0.0:80".parse().unwrap();
        let told = [("host", "media.lan"), ("origin", "http://media.lan")];
        assert!(!is_foreign_to(&open, &told, false));
    }
}
