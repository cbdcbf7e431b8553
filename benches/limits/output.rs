//! Outputs that the service has archived: made, watched to their end, downloaded.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use mediagen::pb::v1::download_content_response::Part;
use mediagen::pb::v1::watch_task_response::Event;
use mediagen::pb::v1::{
    DownloadContentRequest, DownloadContentResponse, Task, TaskStatus, WatchTaskRequest,
};
use tonic::Streaming;

use crate::call::{self, Client};

/// Has a task of one output made, and waits until the watch shows it completed.
pub async fn make(client: &Client, prompt: &str) -> anyhow::Result<Task> {
    let task = call::create(client, call::request(prompt)).await?;
    let ended = tokio::time::timeout(LONGEST, ended(client, task.id));
    let task = ended.await.context("an output is not archived")??;
    anyhow::ensure!(task.outputs.len() == 1, "not one output but {task:?}");
    Ok(task)
}

async fn ended(client: &Client, task_id: String) -> anyhow::Result<Task> {
    let request = WatchTaskRequest {
        task_id,
        after_revision: 0,
    };
    let mut events = client.clone().watch_task(request).await?.into_inner();
    while let Some(event) = events.message().await? {
        let Some(Event::Task(task)) = event.event else {
            continue;
        };
        match task.status() {
            TaskStatus::Completed => return Ok(task),
            TaskStatus::Failed | TaskStatus::Cancelled => anyhow::bail!("it ended so: {task:?}"),
            _ => {}
        }
    }
    anyhow::bail!("a watch ended before its task")
}

/// What a download that was read to its end took.
#[derive(Clone, Copy, Debug)]
pub struct Downloaded {
    /// From the call to the first bytes.
    pub first: Duration,
    /// From the call to the end.
    pub whole: Duration,
}

/// Downloads all that is asked for, which must be `length` bytes without a gap, and shows each piece.
pub async fn download(
    client: &Client,
    request: DownloadContentRequest,
    length: u64,
    see: impl FnMut(&Bytes),
) -> anyhow::Result<Downloaded> {
    let begun = Instant::now();
    let mut reading = Reading::open(client, request).await?;
    let first = reading.read(length, see).await?;
    Ok(Downloaded {
        first: first.duration_since(begun),
        whole: begun.elapsed(),
    })
}

/// A download of which the metadata has come.
pub struct Reading {
    parts: Streaming<DownloadContentResponse>,
}

impl Reading {
    pub async fn open(client: &Client, request: DownloadContentRequest) -> anyhow::Result<Self> {
        let answer = client.clone().download_content(request).await?;
        let mut parts = answer.into_inner();
        let first = parts.message().await?.and_then(|message| message.part);
        let is_metadata = matches!(first, Some(Part::Metadata(_)));
        anyhow::ensure!(is_metadata, "no metadata first");
        Ok(Self { parts })
    }

    /// Reads to the end, and says when the first bytes were there.
    pub async fn read(
        &mut self,
        length: u64,
        mut see: impl FnMut(&Bytes),
    ) -> anyhow::Result<Instant> {
        let (mut offset, mut first) = (0, None);
        while let Some(message) = self.parts.message().await? {
            let Some(Part::Chunk(chunk)) = message.part else {
                anyhow::bail!("no bytes at {offset}");
            };
            first.get_or_insert_with(Instant::now);
            anyhow::ensure!(chunk.offset == offset, "{} at {offset}", chunk.offset);
            offset += chunk.data.len() as u64;
            see(&chunk.data);
        }
        anyhow::ensure!(offset == length, "{offset} bytes of {length} came");
        first.context("no bytes came")
    }
}

/// In a debug build on a busy machine this takes a while.
const LONGEST: Duration = Duration::from_mins(2);
