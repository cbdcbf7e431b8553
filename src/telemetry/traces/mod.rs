//! Traces over OTLP: one follows a task from its Create to its end, through restarts.
//!
//! The span of the Create is the only one that lives while something runs. Its place is kept with
//! the task ([`crate::domain::task::Order`]), and every other span of the task is made when the
//! commit that ends it is told ([`super::tasks`]), with the times that the task itself holds. So no
//! loop carries spans about, and those of a later process join the same trace.
//!
//! Spans hold ids, names of models and deployments, outcomes and counts: never a prompt, a key or
//! an address.

mod call;
mod export;
mod spans;

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracer;

use call::Brought;
pub use call::CallSpan;
pub use export::Settings;
pub(super) use spans::{archived, attempted, created, ended, generated, queued};

use crate::domain::trace::TraceParent;
use crate::shutdown::Shutdown;

/// What exports spans, once it was started.
struct Tracing {
    tracer: SdkTracer,
    queue: export::Queue,
}

/// Starts to export spans. A second start changes nothing: the process has one exporter.
///
/// # Errors
/// When the settings make no exporter, in words for the operator.
pub fn start(settings: &Settings, life: &Shutdown) -> Result<(), String> {
    if TRACING.get().is_some() {
        return Ok(());
    }
    let (provider, queue) = export::open(settings, life)?;
    let tracer = provider.tracer("mediagen");
    let _ = TRACING.set(Tracing { tracer, queue });
    Ok(())
}

/// Whether spans are exported.
pub fn is_on() -> bool {
    TRACING.get().is_some()
}

/// Exports what has ended, as far as that is possible within a moment.
pub async fn flush() {
    if let Some(tracing) = TRACING.get() {
        let _ = tokio::time::timeout(FLUSH, tracing.queue.flush()).await;
    }
}

/// Where the running call belongs; `None`: it is not traced.
pub fn current() -> Option<TraceParent> {
    CURRENT.try_with(|parent| *parent).ok()
}

/// Work that belongs where the running call belongs, wherever it is spawned.
pub(super) fn kept<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let parent = current();
    async move {
        match parent {
            Some(parent) => CURRENT.scope(parent, work).await,
            None => work.await,
        }
    }
}

/// The span of a gRPC call that a client makes; `None` when it is not to be traced. A call that brings
/// no trace begins one only if it begins a task.
pub fn call(method: &'static str, headers: &HeaderMap, begins: bool) -> Option<CallSpan> {
    let (tracer, brought) = traced(headers, begins)?;
    Some(CallSpan::grpc(tracer, method, &brought))
}

/// The same of a call over HTTP, by its method, its route and its id.
pub fn http_call(
    call: (&'static str, &'static str, &HeaderValue),
    headers: &HeaderMap,
    begins: bool,
) -> Option<CallSpan> {
    let (tracer, brought) = traced(headers, begins)?;
    Some(CallSpan::http(tracer, call, &brought))
}

fn traced(headers: &HeaderMap, begins: bool) -> Option<(&SdkTracer, Brought<'_>)> {
    let tracing = TRACING.get()?;
    let brought = Brought::by(headers);
    (brought.parent.is_some() || begins).then_some((&tracing.tracer, brought))
}

static TRACING: OnceLock<Tracing> = OnceLock::new();

tokio::task_local! {
    static CURRENT: TraceParent;
}

/// How long the last spans may take to leave.
const FLUSH: Duration = Duration::from_secs(1);
