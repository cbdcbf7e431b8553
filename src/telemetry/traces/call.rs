//! The span of one call, over gRPC or HTTP.

use std::future::Future;
use std::str::FromStr as _;

use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use super::CURRENT;
use crate::domain::trace::TraceParent;

/// The span of one call. Ends when dropped.
pub struct CallSpan {
    span: Span,
    parent: TraceParent,
}

/// What a call brings of its caller's trace.
pub(super) struct Brought<'a> {
    /// Its place in it; `None`: it begins one.
    pub parent: Option<TraceParent>,
    /// Vendors' own words, to be passed on.
    pub state: Option<&'a str>,
}

impl<'a> Brought<'a> {
    pub(super) fn by(headers: &'a HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            parent: text("traceparent").and_then(TraceParent::parse),
            state: text("tracestate"),
        }
    }
}

impl CallSpan {
    /// Of a gRPC call.
    pub(super) fn grpc(tracer: &SdkTracer, method: &'static str, brought: &Brought<'_>) -> Self {
        let attributes = [
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.service", SERVICE),
            KeyValue::new("rpc.method", method),
        ];
        Self::begin(tracer, format!("{SERVICE}/{method}"), attributes, brought)
    }

    /// Of a call over HTTP.
    pub(super) fn http(
        tracer: &SdkTracer,
        (method, route, id): (&'static str, &'static str, &HeaderValue),
        brought: &Brought<'_>,
    ) -> Self {
        let attributes = [
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route),
            KeyValue::new(
                "mediagen.request",
                id.to_str().unwrap_or_default().to_owned(),
            ),
        ];
        Self::begin(tracer, format!("{method} {route}"), attributes, brought)
    }

    fn begin(
        tracer: &SdkTracer,
        name: String,
        attributes: impl IntoIterator<Item = KeyValue>,
        brought: &Brought<'_>,
    ) -> Self {
        let around = brought
            .parent
            .map_or_else(Context::new, |parent| under(parent, brought.state));
        let span = tracer
            .span_builder(name)
            .with_kind(SpanKind::Server)
            .with_attributes(attributes)
            .start_with_context(tracer, &around);
        let context = span.span_context();
        let parent = TraceParent {
            trace_id: u128::from_be_bytes(context.trace_id().to_bytes()),
            span_id: u64::from_be_bytes(context.span_id().to_bytes()),
            sampled: context.is_sampled(),
        };
        Self { span, parent }
    }

    /// Where what the call does belongs.
    pub const fn parent(&self) -> TraceParent {
        self.parent
    }

    /// The call's work, told where it belongs.
    pub fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.parent, work)
    }

    /// The HTTP call is answered with a status.
    pub fn answered(&mut self, status: u16) {
        let number = KeyValue::new("http.response.status_code", i64::from(status));
        self.span.set_attribute(number);
        if status >= 500 {
            self.span.set_status(Status::error(status.to_string()));
        }
    }

    /// The gRPC call ends with a status code, by its number and its name.
    pub fn ended(&mut self, number: i32, name: &'static str) {
        let number = KeyValue::new("rpc.grpc.status_code", i64::from(number));
        self.span.set_attribute(number);
        if SERVERS_FAULT.contains(&name) {
            self.span.set_status(Status::error(name));
        }
    }
}

/// What begins under a place in a trace.
pub(super) fn under(parent: TraceParent, state: Option<&str>) -> Context {
    let flags = TraceFlags::default().with_sampled(parent.sampled);
    let state = state.filter(|state| state.len() <= LONGEST_STATE);
    let state = state.and_then(|state| TraceState::from_str(state).ok());
    let place = SpanContext::new(
        parent.trace_id.into(),
        parent.span_id.into(),
        flags,
        true,
        state.unwrap_or_default(),
    );
    Context::new().with_remote_span_context(place)
}

const SERVICE: &str = "mediagen.v1.MediaGeneration";
/// Codes that say that we failed, not the caller.
const SERVERS_FAULT: [&str; 6] = [
    "UNKNOWN",
    "DEADLINE_EXCEEDED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
];
/// Characters of a `tracestate` that is passed on.
const LONGEST_STATE: usize = 512;
