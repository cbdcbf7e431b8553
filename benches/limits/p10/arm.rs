//! One turn of one arm: start it, load it, end it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::litellm::Litellm;
use crate::bench::Bench;
use crate::h2load::{Http, Loaded, Span};
use crate::process::{Process, Server};
use crate::scrape;

/// How many calls are made at once, each on a connection of its own.
pub const CONNECTIONS: [usize; 3] = [1, 16, 64];

/// Both calls, at each number of connections.
pub struct Calls {
    pub status: [Loaded; CONNECTIONS.len()],
    pub create: [Loaded; CONNECTIONS.len()],
}

/// What a turn of a proxy brought.
pub struct Proxy {
    pub calls: Calls,
    /// Seconds until it served.
    pub start: f64,
    /// Bytes that it held before the first call.
    pub idle: f64,
    /// And after the last.
    pub end: f64,
    pub cpu: Cpu,
}

/// Milliseconds on a core for one call.
pub struct Cpu {
    pub status: f64,
    pub create: f64,
}

/// Our server.
pub async fn ours(bench: &Bench, upstream: &Process) -> anyhow::Result<Proxy> {
    let server = Server::new(bench)?
        .configured(config(upstream))
        // Nobody is refused for those before him.
        .with("queue.max_length", "1000000")
        // They are read without a key.
        .with("telemetry.metrics", "open");
    let begun = Instant::now();
    let process = server.start(bench).await?;
    let start = begun.elapsed();
    let settled = async || {
        let deadline = Instant::now() + SUBMITTED;
        while scrape::value(&process, "mediagen_queue_depth").await? > 0.0 {
            anyhow::ensure!(Instant::now() < deadline, "the queue does not empty");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    let span = bench.or_smoke(Span::Seconds(3), Span::Calls(128));
    let counted = bench.or_smoke(5_000, 128);
    proxy(bench, &process, start, span, counted, settled).await
}

/// `LiteLLM`, where it is.
pub async fn theirs(
    bench: &Bench,
    upstream: &Process,
    litellm: Option<&Litellm>,
) -> anyhow::Result<Option<Proxy>> {
    let Some(litellm) = litellm else {
        return Ok(None);
    };
    let begun = Instant::now();
    let process = litellm.start(bench, &config(upstream)).await?;
    let start = begun.elapsed();
    let span = bench.or_smoke(Span::Seconds(5), Span::Calls(64));
    let counted = bench.or_smoke(160, 64);
    let settled = async || Ok(());
    let measured = proxy(bench, &process, start, span, counted, settled).await;
    Ok(Some(measured?))
}

/// The provider, asked for what `LiteLLM` asks it for.
pub async fn provider(bench: &Bench, upstream: &Process) -> anyhow::Result<Calls> {
    let body = json!({
        "model": MODEL, "promptText": PROMPT, "ratio": "1280:720", "duration": 5,
    });
    let face = Face {
        create: format!("http://{}/v1/text_to_video", upstream.address),
        status: format!("http://{}/v1/tasks", upstream.address),
        body: body.to_string(),
        headers: headers(),
    };
    let span = bench.or_smoke(Span::Seconds(2), Span::Calls(128));
    let id = face.id().await?;
    face.calls(bench, &id, span).await
}

/// Measures a proxy that has just been started. `settled` waits until all it was given is sent.
async fn proxy(
    bench: &Bench,
    process: &Process,
    start: Duration,
    span: Span,
    counted: usize,
    settled: impl AsyncFn() -> anyhow::Result<()>,
) -> anyhow::Result<Proxy> {
    let videos = format!("http://{}/v1/videos", process.address);
    let body = json!({
        "model": MODEL, "prompt": PROMPT, "seconds": "5", "size": "1280x720",
    });
    let face = Face {
        create: videos.clone(),
        status: videos,
        body: body.to_string(),
        headers: headers(),
    };
    let idle = process.family()?.resident;
    let id = face.id().await?;
    settled().await?;
    // Before tasks pile up that are to be followed, and when the first calls are done.
    let warm = face.load(bench, Some(&id), 16, Span::Calls(counted / 4));
    warm.await?;
    let cpu = async |id: Option<&str>| {
        let before = process.family()?.cpu;
        face.load(bench, id, 16, Span::Calls(counted)).await?;
        settled().await?;
        let took = process.family()?.cpu.saturating_sub(before);
        anyhow::Ok(took.as_secs_f64() * 1e3 / real(counted as u64))
    };
    let cpu = Cpu {
        status: cpu(Some(&id)).await?,
        create: cpu(None).await?,
    };
    let calls = face.calls(bench, &id, span).await?;
    Ok(Proxy {
        calls,
        start: start.as_secs_f64(),
        idle: real(idle),
        end: real(process.family()?.resident),
        cpu,
    })
}

/// Where and how an arm is called.
struct Face {
    create: String,
    /// Before the slash and the id.
    status: String,
    body: String,
    headers: Vec<String>,
}

impl Face {
    /// Makes a task, and proves that it can be asked for.
    async fn id(&self) -> anyhow::Result<String> {
        let client = reqwest::Client::new();
        let call = |request: reqwest::RequestBuilder| {
            let with = |request: reqwest::RequestBuilder, header: &String| {
                let (name, value) = header.split_once(": ").unwrap_or_default();
                request.header(name, value)
            };
            self.headers.iter().fold(request, with).send()
        };
        let made = call(client.post(&self.create).body(self.body.clone())).await?;
        let made: Value = made.error_for_status()?.json().await?;
        let id = made["id"].as_str().context("a task without an id")?;
        let asked = call(client.get(format!("{}/{id}", self.status))).await?;
        let asked: Value = asked.error_for_status()?.json().await?;
        anyhow::ensure!(asked["id"] == id, "asked for {id}, told {asked}");
        Ok(id.to_owned())
    }

    async fn calls(&self, bench: &Bench, id: &str, span: Span) -> anyhow::Result<Calls> {
        let [one, some, many] = CONNECTIONS;
        let load = |id, connections| self.load(bench, id, connections, span);
        Ok(Calls {
            status: [
                load(Some(id), one).await?,
                load(Some(id), some).await?,
                load(Some(id), many).await?,
            ],
            create: [
                load(None, one).await?,
                load(None, some).await?,
                load(None, many).await?,
            ],
        })
    }

    /// Status of a task, or creates.
    async fn load(
        &self,
        bench: &Bench,
        id: Option<&str>,
        connections: usize,
        span: Span,
    ) -> anyhow::Result<Loaded> {
        let url = id.map_or_else(|| self.create.clone(), |id| format!("{}/{id}", self.status));
        let load = Http {
            url,
            headers: &self.headers,
            body: id.is_none().then_some(self.body.as_bytes()),
            connections,
            span,
        };
        let what = if id.is_some() { "status" } else { "create" };
        let context = || format!("{what} over {connections} connections");
        load.run(bench).await.with_context(context)
    }
}

/// As `LiteLLM`'s documents have it, with the provider's address.
fn config(upstream: &Process) -> String {
    let address = upstream.address;
    format!(
        "model_list:\n  - model_name: {MODEL}\n    litellm_params:\n      model: runwayml/{MODEL}\n      \
         api_key: key_of_the_bench\n      api_base: \"http://{address}/v1\"\n\
         general_settings:\n  master_key: {KEY}\n"
    )
}

fn headers() -> Vec<String> {
    vec![
        "content-type: application/json".to_owned(),
        format!("authorization: Bearer {KEY}"),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn real(count: u64) -> f64 {
    count as f64
}

const MODEL: &str = "gen4.5";
/// It runs for longer than anybody measures: nothing is copied meanwhile.
const PROMPT: &str = "[bench:seconds=3600] A serene lake at dawn, mist over it";
/// `LiteLLM` does not start without one, nor with a weak one.
const KEY: &str = "sk-of-the-bench-0123456789abcdef0123456789abcdef";
/// How long the creates of one load may take to reach the provider.
const SUBMITTED: Duration = Duration::from_mins(1);
