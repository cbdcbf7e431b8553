//! CORS: which pages of other origins may call from a browser, on either face.
//!
//! A key travels in a header of its own and never in a cookie, so credentials are never allowed, and a
//! listed origin gets no more than its pages could do with a key anywhere else. `/metrics` and the
//! health of the server are not for browsers.

use std::sync::Arc;

use axum::body::Body;
use axum::middleware::Next;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

/// Which pages may call.
#[derive(Clone, Debug)]
pub struct Cors {
    is_any: bool,
    origins: Vec<HeaderValue>,
}

/// Marks a request of a page whose origin is listed.
#[derive(Clone, Copy, Debug)]
pub struct Listed;

/// One request, as far as CORS is concerned.
#[derive(Clone, Debug)]
pub struct Visit {
    cors: Arc<Cors>,
    /// What is told of the page's origin; `None`: it may not call, or there is no page.
    allowed: Option<HeaderValue>,
    /// The headers that a preflight asks for; `None`: it is none.
    asked: Option<HeaderMap>,
}

impl Cors {
    /// Lets pages of these origins call, `*` being any; `None` when there are none.
    pub fn new(origins: &[String]) -> Option<Self> {
        let is_any = origins.iter().any(|origin| origin == "*");
        let origins = origins.iter().map(HeaderValue::try_from);
        let origins: Vec<_> = origins.filter_map(Result::ok).collect();
        (!origins.is_empty()).then_some(Self { is_any, origins })
    }

    /// What is to be told about a request; `None`: nothing.
    pub fn visit<B>(self: &Arc<Self>, request: &Request<B>) -> Option<Visit> {
        if NOT_FOR_BROWSERS.contains(&request.uri().path()) {
            return None;
        }
        let headers = request.headers();
        let origin = headers.get(ORIGIN);
        let allowed = origin.and_then(|origin| self.allowed(origin));
        let is_preflight = request.method() == Method::OPTIONS
            && origin.is_some()
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        Some(Visit {
            cors: Arc::clone(self),
            allowed,
            asked: is_preflight.then(|| headers.clone()),
        })
    }

    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.is_any {
            return Some(HeaderValue::from_static("*"));
        }
        self.origins.contains(origin).then(|| origin.clone())
    }
}

/// Answers a preflight, of whichever face, where it is seen like any call.
pub(super) async fn answered(mut request: Request<Body>, next: Next) -> Response<Body> {
    let visit = request.extensions_mut().remove::<Visit>();
    match visit.and_then(|visit| visit.preflight()) {
        Some(answer) => answer,
        None => next.run(request).await,
    }
}

impl Visit {
    /// Whether the page's origin is listed.
    pub const fn is_listed(&self) -> bool {
        self.allowed.is_some()
    }

    /// Whether it only asks what may be asked. It is for the router of this face then, with this visit
    /// among its extensions.
    pub const fn is_preflight(&self) -> bool {
        self.asked.is_some()
    }

    /// The answer to a preflight; `None`: it is the call itself.
    fn preflight(&self) -> Option<Response<Body>> {
        let asked = self.asked.as_ref()?;
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let headers = answer.headers_mut();
        headers.insert(VARY, HeaderValue::from_static(PREFLIGHT_VARIES));
        if let Some(origin) = &self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, may_send(asked));
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        Some(answer)
    }

    /// Says in an answer what the page may see of it.
    pub fn mark(&self, headers: &mut HeaderMap) {
        if !self.cors.is_any {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = &self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// The headers that a page may send: ours, and those of the asked ones that OpenAI's SDK adds.
fn may_send(asked: &HeaderMap) -> HeaderValue {
    let asked = asked.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let asked = asked.filter_map(|value| value.to_str().ok());
    let names = asked.flat_map(|value| value.split(',')).map(str::trim);
    let of_sdk = |name: &&str| {
        let letter = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
        let prefix = name.get(..SDK.len());
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(SDK)) && name.bytes().all(letter)
    };
    let mut told = TAKEN.to_owned();
    for name in names.filter(of_sdk).take(MOST_ASKED) {
        told.push_str(", ");
        told.push_str(&name.to_ascii_lowercase());
    }
    HeaderValue::try_from(told).unwrap_or(HeaderValue::from_static(TAKEN))
}

/// For machines of the operator.
const NOT_FOR_BROWSERS: [&str; 6] = super::observed::BESIDE;
/// What any call of either face is made with.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, DELETE");
/// How long a browser remembers a preflight, in seconds; none remembers longer than a day, most two hours.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
/// What an answer to a preflight depends on.
const PREFLIGHT_VARIES: &str =
    "origin, access-control-request-method, access-control-request-headers";
/// Headers that some call reads.
const TAKEN: &str = "authorization, x-api-key, api-key, x-litellm-api-key, content-type, accept, \
    idempotency-key, range, if-range, if-match, if-none-match, if-modified-since, \
    if-unmodified-since, last-event-id, cache-control, x-request-id, traceparent, tracestate, \
    x-grpc-web, grpc-timeout, x-user-agent, openai-organization, openai-project, openai-beta";
/// How the headers begin that OpenAI's SDK adds.
const SDK: &str = "x-stainless-";
/// Of such headers in one answer at most; the SDK sends a dozen.
const MOST_ASKED: usize = 32;
/// Headers of answers that a page may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "grpc-status, grpc-message, grpc-status-details-bin, etag, last-modified, accept-ranges, \
     content-range, content-length, content-disposition, repr-digest, location, x-request-id, \
     openai-processing-ms, openai-poll-after-ms, retry-after, x-should-retry, www-authenticate, \
     x-litellm-call-id, x-litellm-model-id, x-litellm-model-group, x-litellm-response-cost, \
     x-litellm-attempted-retries, x-litellm-attempted-fallbacks",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Arc<Cors> {
        let origins: Vec<String> = origins.iter().map(|&origin| origin.to_owned()).collect();
        Arc::new(Cors::new(&origins).unwrap())
    }

    fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    const APP: &str = "https://app.example.com";

    #[test]
    fn a_listed_origin_is_named_and_another_is_not() {
        let cors = cors(&[APP, "http://localhost:3000"]);
        for (origin, told) in [
            (APP, Some(APP)),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("https://app.example.com.evil.net", None),
            ("http://app.example.com", None),
            ("null", None),
            ("*", None),
        ] {
            let visit = cors.visit(&request(Method::GET, "/v1/videos", &[("origin", origin)]));
            let mut headers = HeaderMap::new();
            visit.unwrap().mark(&mut headers);
            let named = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(named.map(|value| value.to_str().unwrap()), told, "{origin}");
            assert_eq!(
                headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS),
                told.is_some()
            );
            assert_eq!(headers[VARY], "origin");
        }
    }

    #[test]
    fn any_origin_is_any_and_never_with_credentials() {
        let cors = cors(&["*"]);
        let asked = [
            ("origin", "null"),
            ("access-control-request-method", "POST"),
        ];
        let visit = cors
            .visit(&request(Method::OPTIONS, "/v1/videos", &asked))
            .unwrap();
        let answer = visit.preflight().unwrap();
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(
            !answer
                .headers()
                .contains_key("access-control-allow-credentials")
        );
    }

    #[test]
    fn what_the_sdk_adds_may_be_sent_and_nothing_strange() {
        let asked = [
            ("origin", APP),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,X-Stainless-Lang, x-stainless-os,x-evil,x-stainless-a:b",
            ),
        ];
        let visit = cors(&[APP])
            .visit(&request(Method::OPTIONS, "/x", &asked))
            .unwrap();
        let answer = visit.preflight().unwrap();
        let told = answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS]
            .to_str()
            .unwrap();
        assert!(told.starts_with("authorization, "), "{told}");
        assert!(
            told.ends_with(", x-stainless-lang, x-stainless-os"),
            "{told}"
        );
        assert!(!told.contains("evil"));
    }

    #[test]
    fn what_is_not_for_browsers_is_told_nothing() {
        for path in NOT_FOR_BROWSERS {
            let asked = request(Method::GET, path, &[("origin", APP)]);
            assert!(cors(&[APP]).visit(&asked).is_none(), "{path}");
        }
        assert!(Cors::new(&[]).is_none());
    }

    #[test]
    fn options_without_its_question_is_no_preflight() {
        let plain = request(Method::OPTIONS, "/v1/videos", &[("origin", APP)]);
        let visit = cors(&[APP]).visit(&plain).unwrap();
        assert!(visit.preflight().is_none());
    }
}
