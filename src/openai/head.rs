//! The head of a request over HTTP/1.1, as far as nobody has judged it before: that it names one host,
//! and how long it is. Over h2 the protocol itself does.
//!
//! Two hosts are what a proxy before this server and the server itself could read differently
//! (RFC 9112, 3.2), and the host goes into addresses of files.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{HOST, HeaderMap};
use http::uri::Authority;
use http::{HeaderValue, StatusCode, Version};

use super::observed::BESIDE;
use super::{Kind, Problem};

/// Refuses a head that is longer than so many bytes, or names no host, or several.
pub(super) async fn check(State(most): State<usize>, request: Request, next: Next) -> Response {
    match judge(&request, most) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn judge(request: &Request, most: usize) -> Result<(), Problem> {
    let version = request.version();
    if version > Version::HTTP_11 {
        return Ok(());
    }
    let headers = request.headers();
    if length(headers) > most {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let message = format!("the headers of a request are at most {most} bytes");
        let problem = Problem::new(status, Kind::InvalidRequest, message);
        return Err(problem.code("headers_too_large"));
    }
    // No address is made of what a probe calls its host.
    if BESIDE.contains(&request.uri().path()) {
        return Ok(());
    }
    let hosts: Vec<_> = headers.get_all(HOST).iter().collect();
    match hosts.as_slice() {
        [] if version < Version::HTTP_11 => Ok(()),
        [host] if is_host(host) => Ok(()),
        [] => Err(Problem::field("Host", "must be there")),
        [_] => Err(Problem::field(
            "Host",
            "must be a host, with or without a port",
        )),
        _ => Err(Problem::field("Host", "must be there once")),
    }
}

/// Bytes of all headers, counted as h2 counts them.
fn length(headers: &HeaderMap) -> usize {
    let lengths = headers.iter();
    lengths
        .map(|(name, value)| name.as_str().len() + value.len() + OVERHEAD)
        .sum()
}

/// Whether it is a host as a URL could have it; an empty one is that of a URL without.
fn is_host(value: &HeaderValue) -> bool {
    let text = value.to_str().ok();
    text.is_some_and(|text| {
        let host = text.parse::<Authority>();
        text.is_empty() || (host.is_ok() && !text.contains('@'))
    })
}

/// What each header counts beside its name and value (RFC 9113, 6.5.2).
const OVERHEAD: usize = 32;

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn judged(version: Version, hosts: &[&[u8]]) -> Option<u16> {
        let mut request = Request::builder().version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let request = request.body(Body::empty()).unwrap();
        let refused = judge(&request, 1000).err()?;
        Some(refused.into_response().status().as_u16())
    }

    #[test]
    fn one_host_is_named() {
        let good: [&[u8]; 7] = [
            b"localhost",
            b"localhost:50051",
            b"media.example.com",
            b"my_host:1",
            b"[::1]:80",
            b"10.0.0.1",
            b"",
        ];
        for host in good {
            assert_eq!(judged(Version::HTTP_11, &[host]), None, "{host:?}");
        }
        let bad: [&[u8]; 6] = [b"a b", b"a/b", b"user@host", b"a:b:c", b"\xff", b"a\"b"];
        for host in bad {
            for version in [Version::HTTP_10, Version::HTTP_11] {
                assert_eq!(judged(version, &[host]), Some(400), "{host:?}");
            }
        }
        assert_eq!(judged(Version::HTTP_11, &[b"a", b"a"]), Some(400));
        assert_eq!(judged(Version::HTTP_11, &[]), Some(400));
        assert_eq!(judged(Version::HTTP_10, &[]), None);
        assert_eq!(judged(Version::HTTP_2, &[]), None);
    }

    #[test]
    fn a_head_has_an_end() {
        let long = "x".repeat(1000);
        assert_eq!(judged(Version::HTTP_11, &[long.as_bytes()]), Some(431));
        assert_eq!(judged(Version::HTTP_2, &[long.as_bytes()]), None);
    }
}
