//! One trace follows a task from its Create to its end, and a collector that fails costs nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use mediagen::pb::v1::TaskStatus;
use mediagen::shutdown::Shutdown;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server as Grpc;
use tonic::{Request, Response, Status};

use crate::harness::client::{connect, finish, status};
use crate::harness::scrape::Scraped;
use crate::harness::{Client, Server, Upstream, create, eventually, http, sound, within};

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        assert_eq!(request.metadata().get("x-key").unwrap(), "s3cret");
        self.0.lock().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (collector, incoming) = (Self::default(), TcpListenerStream::new(listener));
        let service = TraceServiceServer::new(collector.clone());
        Shutdown::new().spawn(
            Grpc::builder()
                .add_service(service)
                .serve_with_incoming(incoming),
        );
        (collector, endpoint)
    }

    /// The spans of a trace, by name.
    fn trace(&self, id: &str) -> BTreeMap<String, Vec<Span>> {
        let mut spans: BTreeMap<String, Vec<Span>> = BTreeMap::new();
        let requests = self.0.lock().clone();
        let resources = requests
            .into_iter()
            .flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            if hex::encode(&span.trace_id) == id {
                spans.entry(span.name.clone()).or_default().push(span);
            }
        }
        spans
    }
}

async fn serve(
    upstream: &Upstream,
    data: &TempDir,
    endpoint: &str,
) -> (Server, Client, SocketAddr) {
    let settings = [
        ("telemetry.otlp.endpoint", endpoint),
        ("log.format", "json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret"),
    ];
    let any = "127.0.0.1:0".parse().unwrap();
    let mut server = Server::spawn(upstream, data.path(), any, &settings);
    let address = server.listening().await;
    (server, connect(address), address)
}

/// A Create with a trace parent.
async fn traced(client: &Client, prompt: &str, parent: &str) -> String {
    let mut request = Request::new(sound(prompt));
    let metadata = request.metadata_mut();
    metadata.insert("traceparent", parent.parse().unwrap());
    metadata.insert("tracestate", "vendor=value".parse().unwrap());
    let mut client = client.clone();
    let answer = within("the answer to Create", client.create(request)).await;
    answer.unwrap().into_inner().task.unwrap().id
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const UNSAMPLED: &str = "1af7651916cd43dd8448eb211c80319c";

#[tokio::test]
async fn one_trace_follows_a_task_through_a_restart() {
    let (collector, endpoint) = Collector::start().await;
    let (upstream, data) = (Upstream::quick().await, TempDir::new().unwrap());
    let (mut server, client, _) = serve(&upstream, &data, &endpoint).await;
    let quiet = format!("00-{UNSAMPLED}-{SPAN}-00");
    let quiet = traced(&client, "a bell", &quiet).await;
    finish(&client, &quiet).await;
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let id = traced(&client, "a velvet bell [sandbox:seconds=5]", &parent).await;
    let running = || async {
        let task = status(&client, &id).await.unwrap();
        let runs = task.status() == TaskStatus::InProgress;
        runs.then_some(()).ok_or(task)
    };
    eventually("it runs", running).await;
    server.terminate();
    assert!(server.end().await.success());
    let before = collector.trace(TRACE);
    assert!(before.contains_key("submit") && !before.contains_key("archive"));
    let (server, client, address) = serve(&upstream, &data, &endpoint).await;
    let done = finish(&client, &id).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let all = || async {
        let spans = collector.trace(TRACE);
        let names: Vec<String> = spans.keys().cloned().collect();
        if names == SPANS {
            Ok(spans)
        } else {
            Err(names)
        }
    };
    let spans = eventually("every span is exported", all).await;
    let create = &spans[CREATE][0];
    assert_eq!(hex::encode(&create.parent_span_id), SPAN);
    for (name, spans) in &spans {
        assert_eq!(spans.len(), 1, "{name}");
        let span = &spans[0];
        assert!(
            span.start_time_unix_nano <= span.end_time_unix_nano,
            "{name}"
        );
        assert!(
            name == CREATE || span.parent_span_id == create.span_id,
            "{name}"
        );
        let shown = format!("{span:?}");
        assert!(
            !shown.contains("velvet") && !shown.contains("http"),
            "{shown}"
        );
        assert!(name == CREATE || shown.contains(&id), "{shown}");
    }
    let (generate, archive) = (&spans["generate"][0], &spans["archive"][0]);
    assert!(generate.end_time_unix_nano <= archive.end_time_unix_nano);
    assert!(
        generate
            .events
            .iter()
            .any(|event| event.name == "IN_PROGRESS")
    );
    assert!(collector.trace(UNSAMPLED).is_empty());
    // Lines of both processes name the trace.
    let log = server.log();
    let of_task = log
        .lines()
        .filter(|line| line.contains(&id) && line.contains("recorded"));
    let of_task: Vec<_> = of_task.collect();
    assert!(of_task.len() > 3, "{log}");
    for line in of_task {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["trace_id"], TRACE, "{line}");
    }
    // A span is counted when the collector has answered, which is after it has it.
    let told = || async {
        let counted = Scraped::of(address).await;
        let exported = counted.count("mediagen_trace_spans_total", &[("outcome", "exported")]);
        if exported >= 3 {
            Ok(counted)
        } else {
            Err(exported)
        }
    };
    let counted = eventually("what was exported is counted", told).await;
    assert_eq!(
        counted.count("mediagen_trace_spans_total", &[("outcome", "failed")]),
        0
    );
}

#[tokio::test]
async fn a_task_made_over_http_joins_its_callers_trace() {
    let (collector, endpoint) = Collector::start().await;
    let (upstream, data) = (Upstream::quick().await, TempDir::new().unwrap());
    let (_server, client, address) = serve(&upstream, &data, &endpoint).await;
    let body = serde_json::json!({"model": "gen4.5", "prompt": "a velvet lake", "seconds": 2,
        "size": "1280x720"});
    let made = http::client().post(format!("http://{address}/v1/videos"));
    let made = made.header("traceparent", format!("00-{TRACE}-{SPAN}-01"));
    let made = made.header("x-request-id", "call-7");
    let made = http::Answer::of(made.json(&body).send().await.unwrap()).await;
    assert_eq!(made.status, 200, "{made:?}");
    finish(&client, made.header("x-litellm-call-id")).await;
    let all = || async {
        let spans = collector.trace(TRACE);
        let names: Vec<String> = spans.keys().cloned().collect();
        let wanted = SPANS.map(|name| if name == CREATE { POST } else { name });
        if wanted.iter().all(|name| spans.contains_key(*name)) {
            Ok(spans)
        } else {
            Err(names)
        }
    };
    let spans = eventually("every span is exported", all).await;
    assert_eq!(spans.len(), SPANS.len(), "{:?}", spans.keys());
    let call = &spans[POST][0];
    assert_eq!(hex::encode(&call.parent_span_id), SPAN);
    let id = call
        .attributes
        .iter()
        .find(|one| one.key == "mediagen.request");
    assert!(format!("{id:?}").contains("call-7"), "{call:?}");
    for (name, spans) in &spans {
        assert!(
            name == POST || spans[0].parent_span_id == call.span_id,
            "{name}"
        );
        assert!(!format!("{spans:?}").contains("velvet"));
    }
}

#[tokio::test]
async fn a_collector_that_never_answers_or_is_not_there_costs_spans_alone() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_at = format!("http://{}", silent.local_addr().unwrap());
    for endpoint in [silent_at.as_str(), "http://127.0.0.1:9"] {
        let (upstream, data) = (Upstream::quick().await, TempDir::new().unwrap());
        let (mut server, client, address) = serve(&upstream, &data, endpoint).await;
        for _ in 0..3 {
            let task = create(&client, sound("a bell")).await.unwrap();
            let done = finish(&client, &task.id).await;
            assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
        }
        let lost = || async {
            let seen = Scraped::of(address).await;
            let lost = seen.count("mediagen_trace_spans_total", &[("outcome", "failed")]);
            if lost > 0 { Ok(()) } else { Err(lost) }
        };
        eventually("lost spans are counted", lost).await;
        server.terminate();
        assert!(server.end().await.success());
    }
}

const POST: &str = "POST /videos";
const CREATE: &str = "mediagen.v1.MediaGeneration/Create";
const SPANS: [&str; 7] = [
    "archive", "commit", "generate", CREATE, "queue", "submit", "task",
];
