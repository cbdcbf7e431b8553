//! Bounds each call in time, and says in the contract's words what tonic says in its own.
//!
//! tonic answers an oversized message with `OUT_OF_RANGE`, a broken one with `INTERNAL`, leaves
//! `grpc-timeout` to the client, and lets a panic end in a reset stream. This layer sits round the
//! gRPC services and turns each of these into the error of the contract's table. Calls that are
//! not gRPC pass untouched. Sizes of messages are set on the generated services themselves.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::status::{Reason, Refusal};

/// Wraps gRPC services in [`Limited`].
#[derive(Clone, Copy, Debug)]
pub struct LimitLayer {
    /// Longest time until a call is answered (a stream: until its first header), whatever the
    /// client's deadline says. `UploadInput`, which is answered after its stream, is exempt.
    pub answer_within: Duration,
}

impl Default for LimitLayer {
    /// 60 s.
    fn default() -> Self {
        Self {
            answer_within: Duration::from_mins(1),
        }
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Limited {
            inner,
            answer_within: self.answer_within,
        }
    }
}

/// A gRPC service whose calls end in time and with the contract's errors.
#[derive(Clone, Debug)]
pub struct Limited<S> {
    inner: S,
    answer_within: Duration,
}

impl<S, In, Out> Service<Request<In>> for Limited<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    Out: Default,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        if !is_grpc(request.headers()) {
            return Box::pin(self.inner.call(request));
        }
        let limit = limit(&request, self.answer_within);
        let uri = request.uri().clone();
        let answer = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            match tokio::time::timeout(limit, answer).await {
                Ok(Ok(answer)) => answer.map(|answer| repaired(answer, uri.path())),
                Ok(Err(_panic)) => Ok(incident(uri.path(), "it panicked").into_http()),
                Err(_) => {
                    let message = "the deadline ran out before the call was answered";
                    let refusal = Refusal::new(Reason::DeadlineExceededServer, message);
                    Ok(refusal.into_status().into_http())
                }
            }
        })
    }
}

/// A status as the contract words it, where tonic's own words differ; any other as it is.
///
/// For statuses that come out of a request stream inside a call; the layer sees to all others.
pub fn in_the_contracts_words(status: Status) -> Status {
    if !status.details().is_empty() {
        return status;
    }
    let message = status.message();
    let is = |start: &str| message.starts_with(start);
    let of_web = message.strip_prefix("tonic-web: ").unwrap_or(message);
    if CUT_OFF.iter().any(|start| of_web.starts_with(start)) {
        // Nobody reads the answer; the books must not show it as a fault of anybody's.
        return Status::cancelled("the client went away within its request");
    }
    let reason = match status.code() {
        Code::OutOfRange if is("Error, decoded message length too large") => {
            Reason::MessageTooLarge
        }
        Code::ResourceExhausted if is("Error decompressing: size limit") => Reason::MessageTooLarge,
        Code::Internal if UNREADABLE.iter().any(|start| is(start)) => Reason::FieldInvalid,
        _ => return status,
    };
    let message = match reason {
        Reason::MessageTooLarge => too_large(message),
        _ => "the request cannot be read as a message of this call".to_owned(),
    };
    let refusal = Refusal::new(reason, message);
    match reason {
        Reason::FieldInvalid => {
            let (path, problem) = bad_field(status.message());
            refusal.field(&path, problem).into_status()
        }
        _ => refusal.into_status(),
    }
}

/// Names the limit, which tonic writes as `… the limit is: 1048576 bytes`.
fn too_large(message: &str) -> String {
    let limit = message.rsplit_once("the limit is: ");
    let limit = limit.and_then(|(_, tail)| tail.strip_suffix(" bytes")?.parse::<u64>().ok());
    limit.map_or_else(
        || "the message is larger than this call takes".to_owned(),
        |limit| format!("the message is larger than this call takes: at most {limit} bytes"),
    )
}

/// The path of the field that prost could not decode, and what is wrong with it: it writes
/// `failed to decode Protobuf message: CreateRequest.prompt: invalid string value: …`, the
/// innermost field first.
fn bad_field(message: &str) -> (String, &str) {
    let mut path = Vec::new();
    let mut rest = message
        .strip_prefix("failed to decode Protobuf message: ")
        .unwrap_or(message);
    while let Some((head, tail)) = rest.split_once(": ") {
        let Some((_, field)) = head.split_once('.').filter(|_| !head.contains(' ')) else {
            break;
        };
        path.push(field);
        rest = tail;
    }
    path.reverse();
    (path.join("."), rest)
}

/// Whether a request is a gRPC call: `application/grpc`, with a `+` and a codec behind it or not.
/// gRPC-Web and what merely begins so are none.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .map(http::HeaderValue::as_bytes)
        .unwrap_or_default();
    let Some((name, rest)) = kind.split_at_checked(GRPC.len()) else {
        return false;
    };
    let ends = matches!(rest.first(), None | Some(b'+' | b';' | b' '));
    ends && name.eq_ignore_ascii_case(GRPC)
}

/// How long a call may take to be answered.
fn limit<In>(request: &Request<In>, ours: Duration) -> Duration {
    let ours = if request.uri().path() == UPLOAD {
        Duration::MAX
    } else {
        ours
    };
    let theirs = request
        .headers()
        .get("grpc-timeout")
        .and_then(|value| value.to_str().ok());
    theirs
        .and_then(timeout)
        .map_or(ours, |theirs| theirs.min(ours))
}

/// The duration in a `grpc-timeout` header: at most 8 digits and a unit. Nothing else is one.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u32 = digits.parse().ok()?;
    let unit = match unit {
        "H" => Duration::from_hours(1),
        "M" => Duration::from_mins(1),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        _ => return None,
    };
    Some(unit * amount)
}

/// A response whose status is in the contract's words. Only a response without a message has its
/// status in the headers, and only such a one can come from tonic itself.
fn repaired<Out: Default>(response: Response<Out>, method: &str) -> Response<Out> {
    let headers = response.headers();
    let foreign = headers.contains_key(Status::GRPC_STATUS)
        && !headers.contains_key(Status::GRPC_STATUS_DETAILS);
    let Some(status) = foreign.then(|| Status::from_header_map(headers)).flatten() else {
        return response;
    };
    let repaired = in_the_contracts_words(status);
    match repaired.code() {
        Code::Unknown => incident(method, repaired.message()).into_http(),
        Code::Cancelled => repaired.into_http(),
        _ if repaired.details().is_empty() => response,
        _ => repaired.into_http(),
    }
}

/// A bug: logged here under an id, which is all that the client learns.
pub(super) fn incident(method: &str, what: &str) -> Status {
    let id = format!("{:016x}", rand::random::<u64>());
    tracing::error!(incident = %id, method, what, "a call ended in a bug");
    Refusal::bug(&id).into_status()
}

/// The call that is answered only after the client's whole stream.
const UPLOAD: &str = "/mediagen.v1.MediaGeneration/UploadInput";
/// The media type of gRPC.
const GRPC: &[u8] = b"application/grpc";
/// How tonic's messages about unreadable requests begin.
const UNREADABLE: &[&str] = &[
    "tonic-web: ",
    "failed to decode Protobuf message",
    "Missing request message",
    "Unexpected EOF decoding",
    "protocol error: received message with invalid compression flag",
];

/// How tonic's messages about requests that stop in their middle begin.
const CUT_OFF: &[&str] = &[
    "error reading a body from connection",
    "h2 protocol error: ",
];

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tonic_types::StatusExt as _;
    use tower::service_fn;

    use super::*;

    fn call(path: &str, grpc_timeout: Option<&str>) -> Request<()> {
        let mut request = Request::builder()
            .uri(path)
            .header(CONTENT_TYPE, "application/grpc");
        if let Some(value) = grpc_timeout {
            request = request.header("grpc-timeout", value);
        }
        request.body(()).unwrap()
    }

    async fn outcome<F>(path: &str, grpc_timeout: Option<&str>, answer: F) -> (Code, String)
    where
        F: Future<Output = Response<()>> + Clone + Send + 'static,
    {
        let service = service_fn(move |_: Request<()>| {
            let answer = answer.clone();
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let mut limited = LimitLayer {
            answer_within: Duration::from_mins(1),
        }
        .layer(service);
        let response = limited.call(call(path, grpc_timeout)).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        let info = status.get_details_error_info();
        (
            status.code(),
            info.map(|info| info.reason).unwrap_or_default(),
        )
    }

    fn answers(status: Status) -> impl Future<Output = Response<()>> + Clone + Send + 'static {
        futures_util::future::lazy(move |_| status.clone().into_http()).shared()
    }

    #[tokio::test(start_paused = true)]
    async fn tonics_own_errors_become_the_contracts() {
        let table = [
            (
                Status::out_of_range(TOO_LONG),
                Code::ResourceExhausted,
                "MESSAGE_TOO_LARGE",
            ),
            (
                Status::resource_exhausted(BOMB),
                Code::ResourceExhausted,
                "MESSAGE_TOO_LARGE",
            ),
            (
                Status::internal(GARBAGE),
                Code::InvalidArgument,
                "FIELD_INVALID",
            ),
            (
                Status::internal(FLAG),
                Code::InvalidArgument,
                "FIELD_INVALID",
            ),
            (Status::unknown("what"), Code::Internal, "INTERNAL_BUG"),
            (Status::unknown(CUT_OFF[0]), Code::Cancelled, ""),
            (Status::internal(RESET), Code::Cancelled, ""),
            (Status::internal(WEB), Code::Cancelled, ""),
            (Status::not_found("service"), Code::NotFound, ""),
            (
                Refusal::new(Reason::OffsetOutOfRange, TOO_LONG).into_status(),
                Code::OutOfRange,
                "OFFSET_OUT_OF_RANGE",
            ),
        ];
        for (status, code, reason) in table {
            let seen = outcome("/a/B", None, answers(status.clone())).await;
            assert_eq!(seen, (code, reason.to_owned()), "{status:?}");
        }
    }

    const TOO_LONG: &str = "Error, decoded message length too large: found 5 bytes";
    #[test]
    fn a_message_that_is_too_large_is_told_the_limit() {
        let told = "Error, decoded message length too large: found 9 bytes, the limit is: 4 bytes";
        let status = in_the_contracts_words(Status::out_of_range(told));
        assert!(status.message().ends_with("at most 4 bytes"), "{status:?}");
        let short = in_the_contracts_words(Status::out_of_range(TOO_LONG));
        assert!(short.message().ends_with("this call takes"), "{short:?}");
    }

    const RESET: &str = "h2 protocol error: error reading a body from connection";
    const WEB: &str = "tonic-web: error reading a body from connection";
    const BOMB: &str = "Error decompressing: size limit, of 4 bytes, exceeded";
    const FLAG: &str = "protocol error: received message with invalid compression flag: 255 \
                        (valid flags are 0 and 1), while sending request";
    const GARBAGE: &str = "failed to decode Protobuf message: invalid tag value: 0";

    #[tokio::test(start_paused = true)]
    async fn the_clients_deadline_and_ours_end_a_call() {
        let start = tokio::time::Instant::now();
        let never = || futures_util::future::pending();
        let expected = (
            Code::DeadlineExceeded,
            "DEADLINE_EXCEEDED_SERVER".to_owned(),
        );
        assert_eq!(outcome("/a/B", Some("250m"), never()).await, expected);
        assert_eq!(start.elapsed().as_millis() / 10, 25);
        assert_eq!(outcome("/a/B", Some("99999999H"), never()).await, expected);
        assert_eq!(start.elapsed().as_secs(), 60);
        assert_eq!(outcome("/a/B", Some("0n"), never()).await, expected);
        assert_eq!(outcome(UPLOAD, Some("2H"), never()).await, expected);
        assert_eq!(start.elapsed().as_secs(), 60 + 7200);
    }

    #[tokio::test]
    async fn a_panic_is_an_incident_and_not_a_broken_stream() {
        let panics = futures_util::future::lazy(|_| panic!("secret")).shared();
        let seen = outcome("/a/B", None, panics).await;
        assert_eq!(seen, (Code::Internal, "INTERNAL_BUG".to_owned()));
    }

    #[test]
    fn a_field_that_is_not_utf_8_is_named() {
        use prost::Message as _;
        let bytes: &[u8] = &[0x22, 3, 0x32, 1, 0xff]; // input_references { tag: "\xff" }
        let error = crate::pb::v1::CreateRequest::decode(bytes).unwrap_err();
        let status = in_the_contracts_words(Status::internal(error.to_string()));
        let details = status.get_error_details();
        let field = &details.bad_request().unwrap().field_violations[0];
        assert_eq!(field.field, "input_references.tag");
        assert!(field.description.contains("UTF-8"), "{}", field.description);
    }

    #[test]
    fn grpc_is_told_by_its_whole_media_type() {
        let is = |kind: &'static str| {
            let kind = http::HeaderValue::from_static(kind);
            is_grpc(&HeaderMap::from_iter([(CONTENT_TYPE, kind)]))
        };
        for kind in [
            "application/grpc",
            "application/grpc+proto",
            "Application/gRPC; charset=x",
        ] {
            assert!(is(kind), "{kind}");
        }
        for kind in [
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/grpcx",
            "application/grp",
            "application/json",
            "",
        ] {
            assert!(!is(kind), "{kind}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn only_a_well_formed_grpc_timeout_is_one() {
        assert_eq!(timeout("1S"), Some(Duration::from_secs(1)));
        assert_eq!(timeout("00000090u"), Some(Duration::from_micros(90)));
        for bad in [
            "",
            "S",
            "1",
            "1s",
            "-1S",
            "+1S",
            "123456789S",
            "1é",
            " 1S",
            "0x1S",
        ] {
            assert_eq!(timeout(bad), None, "{bad:?}");
        }
    }
}
