//! From ended spans to the collector: a bounded queue, and one task that empties it.
//!
//! A collector that is down, slow or silent costs spans, which are counted, and nothing else: no
//! call and no loop ever waits here.

use std::fmt;
use std::time::Duration;

use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{
    SpanExporter as OtlpExporter, WithExportConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{mpsc, oneshot};
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::ClientTlsConfig;

use crate::shutdown::Shutdown;
use crate::telemetry::metrics::table::SPANS;

/// Where spans go, and which.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The collector's address for OTLP over gRPC, as `http://localhost:4317`.
    pub endpoint: String,
    /// Metadata of every export, such as a key.
    pub headers: Vec<(String, SecretString)>,
    /// The share of the traces begun here that is recorded, 0 to 1; for traces begun elsewhere their
    /// own flag decides.
    pub sample_ratio: f64,
    /// What the service is called in traces.
    pub service_name: String,
}

/// The way to the task that exports.
#[derive(Clone)]
pub struct Queue {
    spans: mpsc::Sender<Item>,
}

/// What the task that exports is given.
enum Item {
    Span(Box<SpanData>),
    /// Everything before this is to be exported first.
    Flush(oneshot::Sender<()>),
}

/// Opens the exporter; its task ends when `life` stops.
pub fn open(settings: &Settings, life: &Shutdown) -> Result<(SdkTracerProvider, Queue), String> {
    let mut builder = OtlpExporter::builder()
        .with_tonic()
        .with_endpoint(&settings.endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .with_metadata(metadata(settings)?);
    if settings.endpoint.starts_with("https:") {
        builder = builder.with_tls_config(ClientTlsConfig::new().with_native_roots());
    }
    let mut exporter = builder
        .build()
        .map_err(|error| format!("no traces can be exported: {error}"))?;
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", settings.service_name.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .build();
    opentelemetry_sdk::trace::SpanExporter::set_resource(&mut exporter, &resource);
    let (spans, queued) = mpsc::channel(QUEUE);
    let queue = Queue { spans };
    let own = life.clone();
    life.spawn(async move {
        tokio::select! {
            () = own.stopping() => {}
            () = export(exporter, queued) => {}
        }
    });
    let begun_here = Sampler::TraceIdRatioBased(settings.sample_ratio);
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Sampler::ParentBased(Box::new(begun_here)))
        .with_span_processor(queue.clone())
        .build();
    Ok((provider, queue))
}

fn metadata(settings: &Settings) -> Result<MetadataMap, String> {
    let mut metadata = MetadataMap::new();
    for (name, value) in &settings.headers {
        let key = MetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes());
        let value = MetadataValue::try_from(value.expose_secret());
        let (Ok(key), Ok(mut value)) = (key, value) else {
            return Err(format!(
                "the header `{name}` of telemetry.otlp cannot be sent"
            ));
        };
        value.set_sensitive(true);
        metadata.insert(key, value);
    }
    Ok(metadata)
}

async fn export(exporter: OtlpExporter, mut queued: mpsc::Receiver<Item>) {
    let mut items = Vec::with_capacity(BATCH);
    let mut failing = false;
    loop {
        if queued.recv_many(&mut items, BATCH).await == 0 {
            return;
        }
        if !items.iter().any(|item| matches!(item, Item::Flush(_))) && items.len() < BATCH {
            // A moment more, so that spans leave together.
            tokio::time::sleep(GATHER).await;
            while items.len() < BATCH
                && let Ok(item) = queued.try_recv()
            {
                items.push(item);
            }
        }
        let (mut spans, mut flushes) = (Vec::new(), Vec::new());
        for item in items.drain(..) {
            match item {
                Item::Span(span) => spans.push(*span),
                Item::Flush(done) => flushes.push(done),
            }
        }
        failing = send(&exporter, spans, failing).await;
        for done in flushes {
            // Who flushes may have given up waiting.
            let _ = done.send(());
        }
    }
}

/// Sends a batch. True when the collector did not take it; told once until it does again.
async fn send(exporter: &OtlpExporter, spans: Vec<SpanData>, failing: bool) -> bool {
    let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
    if count == 0 {
        return failing;
    }
    let sent = tokio::time::timeout(EXPORT_TIMEOUT, exporter.export(spans)).await;
    let why = match sent {
        Ok(Ok(())) => {
            SPANS.at(&["exported"]).increment(count);
            return false;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it does not answer".to_owned(),
    };
    SPANS.at(&["failed"]).increment(count);
    if !failing {
        tracing::warn!(why, "the collector does not take spans; they are lost");
    }
    true
}

impl Queue {
    /// Resolves when everything that ended before was sent, or could not be.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.spans.send(Item::Flush(done)).await.is_ok() {
            let _ = flushed.await;
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let recorded = span.span_context.is_sampled();
        if recorded && self.spans.try_send(Item::Span(Box::new(span))).is_err() {
            SPANS.at(&["dropped"]).increment(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Ended spans that wait; more are dropped and counted.
const QUEUE: usize = 4096;
/// Spans in one export.
const BATCH: usize = 512;
/// How long spans wait for others to leave with.
const GATHER: Duration = Duration::from_millis(500);
/// How long the collector may take for an export.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
