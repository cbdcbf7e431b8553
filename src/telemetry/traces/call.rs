//! The span of one gRPC call.

use std::future::Future;
use std::str::FromStr as _;

use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use super::CURRENT;
use crate::domain::trace::TraceParent;

/// The span of one gRPC call. Ends when dropped.
pub struct CallSpan {
    span: Span,
    parent: TraceParent,
}

impl CallSpan {
    pub(super) fn begin(
        tracer: &SdkTracer,
        method: &'static str,
        brought: Option<TraceParent>,
        state: Option<&str>,
    ) -> Self {
        let around = brought.map_or_else(Context::new, |parent| under(parent, state));
        let span = tracer
            .span_builder(format!("{SERVICE}/{method}"))
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("rpc.system", "grpc"),
                KeyValue::new("rpc.service", SERVICE),
                KeyValue::new("rpc.method", method),
            ])
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

    /// The call ends with a status code, by its number and its name.
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
