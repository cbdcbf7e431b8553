//! Counts and times each gRPC call, and begins its span.
//!
//! The outermost layer: what it sees is what the client gets. The status of an answered call stands
//! in the trailers, so a call has ended when its body has; one whose body is dropped before is
//! cancelled. Calls that are not gRPC pass untouched.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::limits::is_grpc;
use crate::telemetry::metrics::Call;
use crate::telemetry::traces::{self, CallSpan};

/// Wraps gRPC services in [`Observed`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ObserveLayer;

impl<S> Layer<S> for ObserveLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observed { inner }
    }
}

/// A gRPC service whose calls are counted, timed and traced.
#[derive(Clone, Debug)]
pub struct Observed<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !is_grpc(request.headers()) {
            return Box::pin(self.inner.call(request));
        }
        let (method, shape) = method(request.uri().path());
        let call = Call::begin(method, shape.stream());
        let begins = method == "Create";
        let ours = (shape != Shape::Other).then(|| request.headers());
        let span = ours.and_then(|headers| traces::call(method, headers, begins));
        let ending = Ending { call, span };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = match &ending.span {
                Some(span) => span.around(answer).await,
                None => answer.await,
            };
            Ok(ending.follow(answer?, shape))
        })
    }
}

/// What is told when a call ends.
struct Ending {
    call: Call,
    span: Option<CallSpan>,
}

impl Ending {
    /// Tells the end of a call that has one in its headers, or follows its body to it.
    fn follow(mut self, answer: Response<Body>, shape: Shape) -> Response<Body> {
        if answer.headers().contains_key(Status::GRPC_STATUS) {
            self.end(answer.headers());
            return answer;
        }
        if shape.is_server_stream() {
            self.call.answered();
        }
        let ending = Some(self);
        answer.map(|body| Body::new(Followed { body, ending }))
    }

    fn end(&mut self, headers: &HeaderMap) {
        let code = Status::from_header_map(headers).map_or(Code::Unknown, |status| status.code());
        self.call.ended(name(code));
        if let Some(span) = &mut self.span {
            span.ended(code as i32, name(code));
        }
    }
}

/// A body whose end is told.
struct Followed {
    body: Body,
    ending: Option<Ending>,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let trailers = frame
            .as_ref()
            .and_then(|frame| frame.as_ref().ok()?.trailers_ref());
        if let Some(trailers) = trailers
            && let Some(mut ending) = self.ending.take()
        {
            ending.end(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How messages go in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Unary,
    /// One answer after the client's stream of this kind.
    ClientStream(&'static str),
    /// A stream of this kind to the client.
    ServerStream(&'static str),
    /// Not of our contract: health, reflection, or nothing that exists.
    Other,
}

impl Shape {
    const fn stream(self) -> Option<&'static str> {
        match self {
            Self::ClientStream(kind) | Self::ServerStream(kind) => Some(kind),
            Self::Unary | Self::Other => None,
        }
    }

    const fn is_server_stream(self) -> bool {
        matches!(self, Self::ServerStream(_))
    }
}

/// The label and the shape of the call that a path names.
fn method(path: &str) -> (&'static str, Shape) {
    let known = path
        .strip_prefix("/mediagen.v1.MediaGeneration/")
        .and_then(|name| METHODS.iter().find(|(known, _)| *known == name));
    known.copied().unwrap_or(("other", Shape::Other))
}

/// The name of a code, as gRPC writes it.
const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Every call of the contract.
const METHODS: [(&str, Shape); 12] = [
    ("Create", Shape::Unary),
    ("Status", Shape::Unary),
    ("WatchTask", Shape::ServerStream("watch")),
    ("DownloadContent", Shape::ServerStream("download")),
    ("Cancel", Shape::Unary),
    ("List", Shape::Unary),
    ("Delete", Shape::Unary),
    ("ResolveUnknown", Shape::Unary),
    ("UploadInput", Shape::ClientStream("upload")),
    ("CostReport", Shape::Unary),
    ("EstimateCost", Shape::Unary),
    ("ListModels", Shape::Unary),
];

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_call_of_the_contract_has_a_name_and_its_shape() {
        let set = FileDescriptorSet::decode(crate::pb::FILE_DESCRIPTOR_SET).unwrap();
        let services = set.file.iter().flat_map(|file| &file.service);
        let ours = services.filter(|service| service.name() == "MediaGeneration");
        let mut seen = 0;
        for call in ours.flat_map(|service| &service.method) {
            let path = format!("/mediagen.v1.MediaGeneration/{}", call.name());
            let (label, shape) = method(&path);
            assert_eq!(label, call.name());
            assert_eq!(shape.is_server_stream(), call.server_streaming(), "{label}");
            let streams = call.server_streaming() || call.client_streaming();
            assert_eq!(shape.stream().is_some(), streams, "{label}");
            seen += 1;
        }
        assert_eq!(seen, METHODS.len());
    }

    #[test]
    fn what_nobody_serves_has_one_name() {
        for path in ["/", "/mediagen.v1.MediaGeneration/Steal", "/x.Y/Create"] {
            assert_eq!(method(path).0, "other", "{path}");
        }
    }
}
