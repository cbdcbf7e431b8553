//! The provider: Runway's wire, as fast as it can be answered, and a record of what was asked when.
//!
//! A prompt says what becomes of its task: `[bench:seconds=20,bytes=65536]` runs for 20 s and gives
//! an MP4 of 64 KiB. Beside Runway's calls there are `GET /bench/tasks`, what happened to each task,
//! and `GET /bench/counts`, to all of them.

mod body;
mod order;
mod record;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Args;
use http::{StatusCode, header};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use record::{Book, Phase};
pub use record::{Counts, Record, now};

use crate::process::Process;

/// How it is started.
#[derive(Debug, Args)]
pub struct Options {
    /// Where it listens; by default anywhere.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[derive(Clone)]
struct Provider {
    book: Arc<Mutex<Book>>,
    address: SocketAddr,
}

/// Serves until it is killed.
pub async fn serve(options: &Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    println!("listening on {address}");
    let provider = Provider {
        book: Arc::default(),
        address,
    };
    let routes = Router::new()
        .route("/v1/organization", get(organization))
        .route("/v1/tasks/{id}", get(task).delete(cancel))
        .route("/v1/{endpoint}", post(create))
        .route("/output/{id}", get(output))
        .route("/file", get(file))
        .route("/bench/tasks", get(told))
        .route("/bench/counts", get(counted))
        .with_state(provider);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        drop(stream.set_nodelay(true));
    });
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn organization() -> Json<Value> {
    let limits = json!({"maxConcurrentGenerations": null, "maxDailyGenerations": null});
    Json(json!({
        "creditBalance": 1_000_000_000,
        "tier": {"maxMonthlyCreditSpend": 1_000_000_000, "models": {"gen4.5": limits}},
        "usage": {"models": {"gen4.5": {"dailyGenerations": 0}}},
    }))
}

async fn create(State(provider): State<Provider>, Json(body): Json<Value>) -> Json<Value> {
    let prompt = body["promptText"].as_str().unwrap_or_default();
    let id = provider.book.lock().take(prompt);
    Json(json!({"id": id}))
}

async fn task(State(provider): State<Provider>, Path(id): Path<String>) -> Response {
    let Some((phase, created)) = provider.book.lock().ask(&id) else {
        return not_found();
    };
    let mut body = json!({"id": id, "createdAt": created.to_string()});
    match phase {
        Phase::Running(progress) => {
            body["status"] = "RUNNING".into();
            body["progress"] = progress.into();
        }
        Phase::Done => {
            body["status"] = "SUCCEEDED".into();
            body["output"] = json!([format!("http://{}/output/{id}", provider.address)]);
        }
    }
    Json(body).into_response()
}

async fn cancel(State(provider): State<Provider>, Path(id): Path<String>) -> StatusCode {
    provider.book.lock().cancel(&id);
    StatusCode::NO_CONTENT
}

async fn output(State(provider): State<Provider>, Path(id): Path<String>) -> Response {
    let Some(bytes) = provider.book.lock().copied(&id) else {
        return not_found();
    };
    video(bytes, Some((provider.book, id)))
}

#[derive(Deserialize)]
struct Asked {
    bytes: u64,
}

/// The same body as an output has, for a plain copy.
async fn file(Query(asked): Query<Asked>) -> Response {
    video(asked.bytes, None)
}

fn video(bytes: u64, of: Option<(Arc<Mutex<Book>>, String)>) -> Response {
    let end = move || {
        if let Some((book, id)) = &of {
            book.lock().copied_all(id);
        }
    };
    let head = [
        (header::CONTENT_TYPE, "video/mp4".to_owned()),
        (header::CONTENT_LENGTH, body::length(bytes).to_string()),
    ];
    (head, body::mp4(bytes, end)).into_response()
}

async fn told(State(provider): State<Provider>) -> Json<Vec<Record>> {
    Json(provider.book.lock().records())
}

async fn counted(State(provider): State<Provider>) -> Json<Counts> {
    Json(provider.book.lock().counts())
}

/// Asks a provider in its own process what happened there so far.
pub async fn counts(upstream: &Process) -> anyhow::Result<Counts> {
    let url = format!("http://{}/bench/counts", upstream.address);
    Ok(reqwest::get(url).await?.error_for_status()?.json().await?)
}

/// Resolves when a provider has so many tasks and was asked for each.
pub async fn all_asked(upstream: &Process, tasks: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let counts = counts(upstream).await?;
        if counts.tasks >= tasks && counts.asked >= counts.tasks {
            return Ok(());
        }
        anyhow::ensure!(begun.elapsed() < PATIENCE, "only {counts:?} of {tasks}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The longest that a great many tasks are on their way.
const PATIENCE: Duration = Duration::from_mins(5);

fn not_found() -> Response {
    (
        StatusCode::NOT_FOUND,
        Json(json!({"error": "no such task"})),
    )
        .into_response()
}
