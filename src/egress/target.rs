//! Whether an address that arrived in data may be fetched at all, judged by its text.
//!
//! Two readers must agree on the host: the URL parser that the client uses, and a plain split of
//! the text. Where they differ (encoded dots, other alphabets, userinfo, backslashes), it is refused.
//! What a name resolves to is judged by `resolver`.

use url::{Host, Url};

use super::{EgressError, Origin};

/// An address that may be fetched.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// On the public Internet, by name, over https.
    Public(Url),
    /// On the loopback origin that the operator configured.
    Loopback(Url),
}

impl Target {
    /// Judges `text`; `allowed` are the loopback origins that stand in the configuration.
    pub(super) fn parse(text: &str, allowed: &[Origin]) -> Result<Self, EgressError> {
        if text.len() > MAX_URL_LEN || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return Err(EgressError::Refused(
                "the URL is too long or not plain ASCII",
            ));
        }
        let mut url =
            Url::parse(text).map_err(|_| EgressError::Refused("the URL cannot be read"))?;
        url.set_fragment(None);
        if Origin::of(&url).is_some_and(|origin| allowed.contains(&origin)) {
            return Ok(Self::Loopback(url));
        }
        check_public(text, &url).map_err(EgressError::Refused)?;
        Ok(Self::Public(url))
    }
}

fn check_public(text: &str, url: &Url) -> Result<(), &'static str> {
    if url.scheme() != "https" {
        return Err("only https is fetched");
    }
    if !url.username().is_empty() || url.password().is_some() || plain_host(text) != url.host_str()
    {
        return Err("the URL's host is not written plainly");
    }
    if url.port().is_some() {
        return Err("only port 443 is fetched");
    }
    match url.host() {
        Some(Host::Domain(name)) if is_public_name(name) => Ok(()),
        Some(Host::Domain(_)) => Err("the host is not a public name"),
        // The client's resolver is skipped for literals, so they would escape its check.
        _ => Err("the host is an IP address"),
    }
}

/// The host as a plain split of the text sees it: what stands between `//` and `/`, `?`, `#` or a port.
fn plain_host(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(authority.strip_suffix(":443").unwrap_or(authority))
}

fn is_public_name(name: &str) -> bool {
    let mut labels = name.rsplit('.');
    let top = labels.next().unwrap_or("");
    let plain = |label: &str| {
        let inside = label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (1..=63).contains(&label.len()) && inside
    };
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(plain)
        && top.bytes().any(|b| b.is_ascii_alphabetic())
        && !PRIVATE_TOPS.contains(&top)
        && name != "home.arpa"
        && !name.ends_with(".home.arpa")
}

/// Longest URL that is looked at.
const MAX_URL_LEN: usize = 8 * 1024;

/// Top-level names that are private by standard or by wide habit.
const PRIVATE_TOPS: [&str; 14] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "test",
    "invalid",
    "example",
    "onion",
    "alt",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_https_names_pass() {
        for url in [
            "https://dnznrvs05pmza.cloudfront.net/a/b.mp4?_jwt=abc.def",
            "https://runway-task-artifacts.s3.amazonaws.com/x",
            "https://example.com",
            "https://example.com:443/x",
            "https://example.com/x#fragment",
            "https://a_b.example.org/?u=http://127.0.0.1/",
            "https://xn--bcher-kva.example.net/",
            "HTTPS://example.com/",
        ] {
            assert!(
                matches!(Target::parse(url, &[]), Ok(Target::Public(_))),
                "{url}"
            );
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long = format!("https://example.com/{}", "a".repeat(MAX_URL_LEN));
        let odd = [
            "",
            " ",
            "https://example.com\\@127.0.0.1/",
            "https:\\\\example.com\\x",
            "https://exam ple.com/",
            "https://exam\tple.com/",
            "https://exam\nple.com/",
            "https://example.com/a b",
            " https://example.com/",
            "https://example.com/\0",
            "https://ex\u{e4}mple.com/",
            "https://127\u{3002}0\u{3002}0\u{3002}1/",
            "https://\u{ff11}27.0.0.1/",
            "https://\u{2460}.com/",
            &long,
        ];
        for url in REFUSED.split(' ').chain(odd) {
            let judged = Target::parse(url, &[]);
            assert!(matches!(judged, Err(EgressError::Refused(_))), "{url:?}");
        }
    }

    /// Spellings that are refused, between blanks; those with blanks and the like are in the test.
    const REFUSED: &str = "x //example.com https: https:// https:/// https:///x https:x http://example.com/ \
        ftp://example.com/ file:///etc/passwd data:text/plain,x gopher://example.com/ \
        ws://example.com/ javascript:1 unix:/run/x blob:https://example.com/1 \
        https://127.0.0.1/ https://127.1/ https://127.0.1/ https://2130706433/ \
        https://0x7f.1/ https://0x7f000001/ https://0177.0.0.1/ https://017700000001/ \
        https://0/ https://0.0.0.0/ https://10.0.0.1/ \
        https://169.254.169.254/latest/meta-data https://8.8.8.8/ https://1.1/ \
        https://[::1]/ https://[::]/ https://[fd00::1]/ https://[fe80::1%25eth0]/ \
        https://[fe80::1]/ https://[::ffff:127.0.0.1]/ https://[::ffff:7f00:1]/ \
        https://[64:ff9b::a00:1]/ https://[2606:4700::1]/ https://localhost/ \
        https://LOCALHOST/ https://a.localhost/ https://printer.local/ \
        https://metadata.google.internal/ https://db.lan/ https://router.home.arpa/ \
        https://x.onion/ https://a.test/ https://a.invalid/ https://a.example/ \
        https://intranet/ https://single/ https://example.com./ https://.example.com/ \
        https://exa..mple.com/ https://user@example.com/ https://user:pass@example.com/ \
        https://:p@example.com/ https://@example.com/ https://example.com@127.0.0.1/ \
        https://127.0.0.1@example.com/ https:/example.com/ https://example.com:80/ \
        https://example.com:8443/ https://example.com:22/ https://example.com:6379/ \
        https://example.com:0/ https://example.com:99999/ https://example.com:/ \
        https://127%2e0%2e0%2e1/ https://%31%32%37.0.0.1/ https://exam%70le.com/ \
        https://example%00.com/ https://example.com%2f@127.0.0.1/ https://exa&mple.com/ \
        https://exa'mple.com/ https://exa*mple.com/ https://1.2.3.4.5/ \
        https://999.999.999.999/ https://0x.0x.0x/ https://a.0x7f/ https://a.1/";

    #[test]
    fn the_configured_loopback_origin_is_the_only_exception() {
        let origin = Origin::of(&Url::parse("http://127.0.0.1:4010/v1").unwrap()).unwrap();
        let allowed = [origin];
        let passes = |url: &str| matches!(Target::parse(url, &allowed), Ok(Target::Loopback(_)));
        assert!(passes("http://127.0.0.1:4010/out/1.mp4?sig=x"));
        for url in [
            "http://127.0.0.1:4011/",
            "http://127.0.0.1/",
            "https://127.0.0.1:4010/",
            "http://127.0.0.2:4010/",
            "http://localhost:4010/",
            "http://[::1]:4010/",
            "http://user@127.0.0.1:4010/",
            "http://example.com:4010/",
        ] {
            assert!(Target::parse(url, &allowed).is_err(), "{url}");
        }
    }

    #[test]
    fn only_loopback_makes_an_origin() {
        for (url, is) in [
            ("http://127.0.0.1:1/", true),
            ("http://localhost/", true),
            ("https://[::1]:8/", true),
            ("http://127.8.8.8/", true),
            ("http://10.0.0.1/", false),
            ("https://example.com/", false),
            ("http://localhost.example.com/", false),
            ("file:///x", false),
        ] {
            assert_eq!(Origin::of(&Url::parse(url).unwrap()).is_some(), is, "{url}");
        }
    }
}
