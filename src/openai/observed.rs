//! What is seen of every call over HTTP: its id, its time, its end, its span.
//!
//! The outermost layer: what it sees is what the client gets. A handler that panics is answered for
//! here, so that no client is left with a reset; and while the server drains, connections of HTTP/1.1
//! are told that they end. Inside it, [`enveloped`] says in this face's one shape what a part of the
//! framework refused by itself.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use http_body::{Frame, SizeHint};

use super::body::IsDraining;
use super::{Kind, Problem, problem, refusal};
use crate::telemetry::metrics::HttpCall;
use crate::telemetry::{request, traces};

/// What the layer stands on. Cheap to clone.
#[derive(Clone)]
pub(super) struct Watched {
    /// Every path that has a route, without `/v1`.
    pub paths: Arc<[&'static str]>,
    /// Whether the server drains.
    pub is_draining: IsDraining,
}

/// Observes a call.
pub(super) async fn observe(
    State(watched): State<Watched>,
    request: Request,
    next: Next,
) -> Response {
    let (method, route) = (method(request.method()), watched.route(&request));
    let (id, version) = (request_id(request.headers()), request.version());
    let call = HttpCall::begin(route, method);
    let begins = method == "POST" && MAKES.contains(&route);
    let mut span = traces::http_call((method, route, &id), request.headers(), begins);
    let work = request::around(id.clone(), next.run(request));
    let work = AssertUnwindSafe(work).catch_unwind();
    let answer = match &span {
        Some(span) => span.around(work).await,
        None => work.await,
    };
    let panicked = |_| refusal::incident(route, "it panicked").into_response();
    let mut answer = answer.unwrap_or_else(panicked);
    let status = answer.status().as_u16();
    if let Some(span) = &mut span {
        span.answered(status);
    }
    drop(span);
    let took = told(call, (method, route), &mut answer, &id);
    let headers = answer.headers_mut();
    headers.insert(PROCESSING, HeaderValue::from(took));
    headers.insert(REQUEST_ID, id);
    if version <= Version::HTTP_11 && (watched.is_draining)() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// Tells of an answer, and follows its body to its end. Gives the milliseconds until it came.
fn told(
    mut call: HttpCall,
    (method, route): (&'static str, &'static str),
    answer: &mut Response,
    id: &HeaderValue,
) -> u64 {
    let status = answer.status();
    let took = call.answered(status.as_u16());
    let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let (code, request) = (status.as_u16(), id.to_str().unwrap_or_default());
    tracing::debug!(
        method,
        route,
        status = code,
        ms = took,
        request,
        "answered a call"
    );
    let stream = STREAMS.iter().find(|(path, _)| *path == route);
    if let Some((_, kind)) = stream
        && method == "GET"
        && status.is_success()
    {
        call.streams(kind);
    }
    let body = std::mem::take(answer.body_mut());
    *answer.body_mut() = Body::new(Followed { body, _call: call });
    took
}

impl Watched {
    /// The label of a request's route.
    fn route(&self, request: &Request) -> &'static str {
        let matched = request.extensions().get::<MatchedPath>();
        let matched = matched.map_or("", MatchedPath::as_str);
        let path = matched.strip_prefix("/v1").unwrap_or(matched);
        // Of a path whose last name may hold slashes the framework says so with a star.
        let is_it = |known: &&&str| known.bytes().eq(path.bytes().filter(|byte| *byte != b'*'));
        self.paths.iter().find(is_it).copied().unwrap_or("other")
    }
}

/// The label of a method.
fn method(method: &Method) -> &'static str {
    let known = METHODS.iter().find(|known| method == **known);
    known.copied().unwrap_or("other")
}

/// The caller's id of the call if it is fit to be said again, else one of our own.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let fit = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=LONGEST_ID).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    let given = headers.get(REQUEST_ID).filter(fit).cloned();
    given.unwrap_or_else(|| {
        let made = format!("req_{:032x}", rand::random::<u128>());
        HeaderValue::try_from(made).unwrap_or(HeaderValue::from_static("req_0"))
    })
}

/// Puts an error that is not in the one shape of this face into it.
pub(super) async fn enveloped(answer: Response) -> Response {
    let status = answer.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let kind = answer.headers().get(CONTENT_TYPE);
    if !is_error || kind.is_some_and(|kind| kind == "application/json") {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let text = axum::body::to_bytes(body, LONGEST_REASON).await;
    let text = text.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let reason = status.canonical_reason().unwrap_or("refused");
    let reason = if text.is_empty() { reason } else { &*text };
    let whose = if status.is_server_error() {
        Kind::Server
    } else {
        Kind::InvalidRequest
    };
    let mut answer = Problem::new(status, whose, problem::shortened(reason)).into_response();
    for (name, value) in &parts.headers {
        if !answer.headers().contains_key(name) && name != http::header::CONTENT_LENGTH {
            answer.headers_mut().append(name, value.clone());
        }
    }
    answer
}

/// A body whose end is the call's.
struct Followed {
    body: Body,
    _call: HttpCall,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What a call is known by, to its caller and in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Milliseconds until the answer, as OpenAI tells them.
const PROCESSING: HeaderName = HeaderName::from_static("openai-processing-ms");
/// Bytes of a caller's id at most.
const LONGEST_ID: usize = 128;
/// Bytes of a reason that is taken over.
const LONGEST_REASON: usize = 4096;
/// The methods that have a label.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"];
/// The routes whose POST makes a task.
const MAKES: [&str; 2] = ["/videos", "/images/generations"];
/// The routes whose GET is a stream, and its kind.
const STREAMS: [(&str, &str); 3] = [
    ("/videos/{id}/events", "watch"),
    ("/videos/{id}/content", "download"),
    ("/files/{signed}", "download"),
];
/// The paths of the operator's machines, which are answered beside this face.
pub(super) const BESIDE: [&str; 6] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/health/liveliness",
    "/health/liveness",
    "/health/readiness",
];

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_callers_id_is_kept_when_it_is_short_and_visible() {
        let given = |text: &str| {
            let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
            request_id(&HeaderMap::from_iter([(REQUEST_ID, value)]))
        };
        assert_eq!(given("abc-123"), "abc-123");
        assert_eq!(given(&"x".repeat(128)), "x".repeat(128));
        for unfit in ["", "a b", "é", &"x".repeat(129)] {
            let made = given(unfit);
            assert!(made.to_str().unwrap().starts_with("req_"), "{unfit}");
            assert_eq!(made.len(), 36);
        }
        assert_ne!(given(""), given(""));
    }

    #[test]
    fn what_is_streamed_and_what_makes_has_its_route() {
        let rows = super::super::rows();
        let is_there = |method: Method, path: &str| {
            let mut found = rows.iter();
            found.any(|row| row.method == method && row.path == path)
        };
        for (path, _) in STREAMS {
            assert!(is_there(Method::GET, path), "{path}");
        }
        for path in MAKES {
            assert!(is_there(Method::POST, path), "{path}");
        }
    }

    #[test]
    fn methods_of_no_name_are_one() {
        assert_eq!(method(&Method::GET), "GET");
        assert_eq!(method(&Method::from_bytes(b"BREW").unwrap()), "other");
    }

    async fn panics() {
        panic!("secret");
    }

    async fn asked(path: &str, is_draining: bool) -> Response {
        use axum::middleware::from_fn_with_state;
        use axum::routing::get;
        use tower::ServiceExt as _;
        let watched = Watched {
            paths: ["/panics", "/fine"].into(),
            is_draining: Arc::new(move || is_draining),
        };
        let router = axum::Router::new()
            .route("/panics", get(panics))
            .route("/fine", get(async || "fine"))
            .layer(from_fn_with_state(watched, observe));
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_answered_with_a_number_and_nothing_of_its_own() {
        let answer = asked("/panics", false).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.headers().contains_key(REQUEST_ID));
        let body = axum::body::to_bytes(answer.into_body(), 4096)
            .await
            .unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(
            text.contains("incident") && !text.contains("secret"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn connections_are_told_to_close_only_while_the_server_drains() {
        for is_draining in [false, true] {
            let answer = asked("/fine", is_draining).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers().contains_key(CONNECTION), is_draining);
        }
    }

    #[tokio::test]
    async fn what_the_framework_refuses_has_the_one_shape() {
        let refused = (StatusCode::BAD_REQUEST, "Invalid URL").into_response();
        let answer = enveloped(refused).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let body = axum::body::to_bytes(answer.into_body(), 4096)
            .await
            .unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["message"], "Invalid URL");
        assert_eq!(body["error"]["type"], "invalid_request_error");
    }
}
