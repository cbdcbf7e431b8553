//! Where a caller reaches this server, as the beginning of an address that it can use.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::FromRequestParts;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;

use crate::openai::{Face, Settings};

/// A scheme and an authority, without a slash at its end: what the operator says, else where the
/// request came to.
///
/// No header of a proxy is believed: behind one, the operator says it (`http.public_url`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::openai) struct Base(String);

impl fmt::Display for Base {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromRequestParts<Face> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, face: &Face) -> Result<Self, Infallible> {
        Ok(Self::of(parts, &face.settings))
    }
}

impl Base {
    fn of(parts: &Parts, settings: &Settings) -> Self {
        if let Some(url) = &settings.public_url {
            return Self(url.clone());
        }
        let scheme = if settings.is_tls { "https" } else { "http" };
        let named = named(parts).map(|host| format!("{scheme}://{host}"));
        Self(named.unwrap_or_else(|| format!("{scheme}://{}", reachable(settings.listen))))
    }
}

/// The host that a request names: in its target, which goes before its header.
fn named(parts: &Parts) -> Option<String> {
    let target = parts.uri.authority().map(Authority::as_str);
    let header = || parts.headers.get(HOST)?.to_str().ok();
    let host = target.or_else(header)?;
    is_plain(host).then(|| host.to_ascii_lowercase())
}

/// Whether a text is a host with or without a port, and nothing else that an address could hold.
/// A name that ends like an IPv4 address and is none (`a.9`) is not one that a client could reach.
fn is_plain(text: &str) -> bool {
    let Ok(authority) = text.parse::<Authority>() else {
        return false;
    };
    let host = authority.host();
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_name = (1..=MOST_HOST).contains(&host.len())
        && host.bytes().all(is_fit)
        && url::Host::parse(host).is_ok();
    let is_host = inner.map_or(is_name, |inner| inner.parse::<Ipv6Addr>().is_ok());
    let port = text.strip_prefix(host);
    let is_port = |port: &str| match port.strip_prefix(':') {
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    is_host && port.is_some_and(is_port)
}

/// Where a server that listens there is reached from its own machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip().to_canonical() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Characters of a host's name, as in DNS.
const MOST_HOST: usize = 253;

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn settings(public_url: Option<&str>) -> Settings {
        Settings {
            public_url: public_url.map(str::to_owned),
            is_tls: true,
            listen: "0.0.0.0:80".parse().unwrap(),
            ..Settings::plain()
        }
    }

    fn base(target: &str, host: &[u8]) -> String {
        let mut request = Request::builder().uri(target);
        if !host.is_empty() {
            request = request.header(HOST, host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Base::of(&parts, &settings(None)).to_string()
    }

    #[test]
    fn an_address_begins_where_the_request_came_to() {
        for (target, host, expected) in [
            ("/v1/x", "media.example.com", "https://media.example.com"),
            (
                "/",
                "Media.Example.com:8443",
                "https://media.example.com:8443",
            ),
            ("/", "[::1]:80", "https://[::1]:80"),
            ("/", "my_host", "https://my_host"),
            ("http://target:1/v1/x", "header:2", "https://target:1"),
            ("/", "", "https://127.0.0.1:80"),
        ] {
            assert_eq!(base(target, host.as_bytes()), expected, "{target} {host}");
        }
    }

    #[test]
    fn a_hostile_host_is_not_named() {
        for host in [
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "user@host",
            "a\"b",
            "a<b>",
            "a:b",
            "a:99999",
            "a:1:2",
            "a:",
            "[::1",
            "::1",
            "[x]",
            "%2f",
            "a\\b",
            "é",
            ":80",
            "@",
            "a,b",
            "a'b",
            "[::1]x",
            "a.9",
            "1.2.3.256",
            "4294967296",
            "xn--a.b",
        ] {
            assert_eq!(base("/", host.as_bytes()), "https://127.0.0.1:80", "{host}");
        }
        assert_eq!(base("/", b"\xff\xfe"), "https://127.0.0.1:80");
    }

    #[test]
    fn what_the_operator_says_goes_before() {
        let request = Request::builder().header(HOST, "other").body(()).unwrap();
        let (parts, ()) = request.into_parts();
        let base = Base::of(&parts, &settings(Some("https://media.example.com/api")));
        assert_eq!(base.to_string(), "https://media.example.com/api");
    }

    proptest! {
        #[test]
        fn no_host_breaks_out_of_an_address(host in "[ -~]{1,40}|[0-9a-fx.:-]{1,12}") {
            let address = format!("{}/v1/files/x", base("/", host.as_bytes()));
            let parsed = url::Url::parse(&address).unwrap();
            prop_assert_eq!(parsed.path(), "/v1/files/x");
            prop_assert!(parsed.username().is_empty() && parsed.password().is_none());
            prop_assert!(parsed.query().is_none() && parsed.fragment().is_none());
        }
    }
}
