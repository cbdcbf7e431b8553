//! What callers do, one after another, each to its end.

use std::time::Duration;

use anyhow::Context as _;
use mediagen::pb::v1::download_content_response::Part;
use mediagen::pb::v1::watch_task_response::Event;
use mediagen::pb::v1::{
    CancelRequest, DownloadContentRequest, ListRequest, Task, TaskStatus, WatchTaskRequest,
};
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use crate::call::{self, Client};

/// One caller, the number of whom says what they do. An error is anything that they did not expect.
pub async fn go(client: &Client, number: usize) -> anyhow::Result<()> {
    match number % 10 {
        0..=4 => makes(client).await.context("who makes a film"),
        5 | 6 => asks(client).await.context("who asks again and again"),
        7 => cancels(client).await.context("who cancels"),
        8 => comes_back(client).await.context("who comes back"),
        _ => leaves(client).await.context("who leaves early"),
    }
}

/// Resolves when a task has completed.
pub async fn completed(client: &Client, id: &str) -> anyhow::Result<Task> {
    let task = watch(client, id, 0, None).await?;
    anyhow::ensure!(task.status() == TaskStatus::Completed, "{task:?}");
    Ok(task)
}

/// Create, watch to the end, download all of it.
async fn makes(client: &Client) -> anyhow::Result<()> {
    let task = call::create(client, call::request(SHORT)).await?;
    let task = completed(client, &task.id).await?;
    let output = task.outputs.first().context("no output")?;
    let bytes = download(client, &task.id, usize::MAX).await?;
    let sum = hex::encode(Sha256::digest(&bytes));
    anyhow::ensure!(sum == output.sha256, "{sum} and not {}", output.sha256);
    Ok(())
}

/// Create, Status each second until it has ended, one page of List.
async fn asks(client: &Client) -> anyhow::Result<()> {
    let task = call::create(client, call::request(SHORT)).await?;
    for _ in 0..30 {
        sleep(Duration::from_secs(1)).await;
        let task = call::status(client, &task.id).await?;
        if task.status() == TaskStatus::Completed {
            return list(client).await;
        }
        anyhow::ensure!(task.error.is_none(), "{task:?}");
    }
    anyhow::bail!("{} does not end", task.id)
}

/// Create, and Cancel half a second later.
async fn cancels(client: &Client) -> anyhow::Result<()> {
    let task = call::create(client, call::request(LONG)).await?;
    sleep(Duration::from_millis(500)).await;
    let task_id = task.id.clone();
    client.clone().cancel(CancelRequest { task_id }).await?;
    let task = watch(client, &task.id, 0, None).await?;
    anyhow::ensure!(task.status() == TaskStatus::Cancelled, "{task:?}");
    Ok(())
}

/// Create, a watch that is left, another that resumes it.
async fn comes_back(client: &Client) -> anyhow::Result<()> {
    let task = call::create(client, call::request(SHORT)).await?;
    let seen = watch(client, &task.id, 0, Some(2)).await?.revision;
    sleep(Duration::from_secs(1)).await;
    let task = watch(client, &task.id, seen, None).await?;
    anyhow::ensure!(task.status() == TaskStatus::Completed, "{task:?}");
    Ok(())
}

/// Create, watch, a download that is left, and one page of List.
async fn leaves(client: &Client) -> anyhow::Result<()> {
    let task = call::create(client, call::request(LARGE)).await?;
    completed(client, &task.id).await?;
    download(client, &task.id, 1).await?;
    list(client).await
}

async fn list(client: &Client) -> anyhow::Result<()> {
    let page = client.clone().list(ListRequest::default()).await?;
    anyhow::ensure!(!page.into_inner().tasks.is_empty(), "an empty list");
    Ok(())
}

/// Watches until the end, or until a revision was seen; the last that was seen.
async fn watch(
    client: &Client,
    id: &str,
    after_revision: u64,
    until: Option<u64>,
) -> anyhow::Result<Task> {
    let request = WatchTaskRequest {
        task_id: id.to_owned(),
        after_revision,
    };
    let mut stream = client.clone().watch_task(request).await?.into_inner();
    let mut last = None;
    while let Some(message) = stream.message().await? {
        let Some(Event::Task(task)) = message.event else {
            continue;
        };
        let is_enough = until.is_some_and(|revision| task.revision >= revision);
        last = Some(task);
        if is_enough {
            break;
        }
    }
    last.context("a watch of nothing")
}

/// The bytes of the first output, or as many chunks of it as are wanted.
async fn download(client: &Client, id: &str, chunks: usize) -> anyhow::Result<Vec<u8>> {
    let request = DownloadContentRequest {
        task_id: id.to_owned(),
        ..DownloadContentRequest::default()
    };
    let mut stream = client.clone().download_content(request).await?.into_inner();
    let (mut bytes, mut taken) = (Vec::new(), 0);
    while taken < chunks {
        let Some(message) = stream.message().await? else {
            break;
        };
        if let Some(Part::Chunk(chunk)) = message.part {
            bytes.extend_from_slice(&chunk.data);
            taken += 1;
        }
    }
    Ok(bytes)
}

/// Two seconds at the provider, 4 KiB.
pub const SHORT: &str = "[bench:seconds=2,bytes=4096] A serene lake at dawn";
const LARGE: &str = "[bench:seconds=2,bytes=1048576] A serene lake at dawn";
const LONG: &str = "[bench:seconds=36000] A serene lake at dawn";
