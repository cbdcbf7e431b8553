//! Many `WatchTask` streams of this process, and when each was told what.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use mediagen::pb::v1::watch_task_response::Event;
use mediagen::pb::v1::{Task, TaskStatus, WatchTaskRequest, WatchTaskResponse};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::Streaming;

use crate::call::{self, Client};

/// What a watcher was told, and when.
#[derive(Debug)]
pub struct Told {
    pub at: Instant,
    /// Since the task's `update_time`, which counts whole milliseconds, by the wall clock that all
    /// processes of a machine share.
    pub since_update: Duration,
    /// Nothing comes after it.
    is_end: bool,
}

/// Open streams. Dropping them leaves the server at once.
pub struct Watchers {
    count: usize,
    told: mpsc::UnboundedReceiver<anyhow::Result<Told>>,
    _streams: JoinSet<()>,
}

/// Connections on each of which a call was made, so that they are all that they will be.
pub async fn connections(
    address: SocketAddr,
    count: usize,
    known: &str,
) -> anyhow::Result<Vec<Client>> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let client = call::connect(address).await?;
        call::status(&client, known).await?;
        connections.push(client);
    }
    Ok(connections)
}

impl Watchers {
    /// Watches each of these tasks (one may be there many times), spread over the connections, and
    /// resolves when every stream has shown its task.
    pub async fn open(connections: &[Client], ids: &[String]) -> anyhow::Result<Self> {
        let (tell, told) = mpsc::unbounded_channel();
        let share = ids.len().div_ceil(connections.len());
        let opened = connections.iter().zip(ids.chunks(share.max(1)));
        let opened = opened.map(async |(client, ids)| {
            let mut streams = Vec::with_capacity(ids.len());
            for id in ids {
                streams.push(watch(client, id).await?);
            }
            anyhow::Ok(streams)
        });
        let mut streams = JoinSet::new();
        for stream in try_join_all(opened).await?.into_iter().flatten() {
            streams.spawn(follow(stream, tell.clone()));
        }
        Ok(Self {
            count: ids.len(),
            told,
            _streams: streams,
        })
    }

    /// Resolves when every watcher was told that its task has ended; what each was told of that.
    pub async fn ends(&mut self) -> anyhow::Result<Vec<Told>> {
        let mut ends = Vec::with_capacity(self.count);
        while ends.len() < self.count {
            let told = tokio::time::timeout(PATIENCE, self.told.recv()).await;
            let told = told.with_context(|| format!("{} of {} told", ends.len(), self.count))?;
            let told = told.context("nobody watches")??;
            if told.is_end {
                ends.push(told);
            }
        }
        Ok(ends)
    }
}

async fn watch(client: &Client, id: &str) -> anyhow::Result<Streaming<WatchTaskResponse>> {
    let request = WatchTaskRequest {
        task_id: id.to_owned(),
        after_revision: 0,
    };
    let mut stream = client.clone().watch_task(request).await?.into_inner();
    let first = stream.message().await?.context("a watch of nothing")?;
    anyhow::ensure!(matches!(first.event, Some(Event::Task(_))), "{first:?}");
    Ok(stream)
}

async fn follow(
    mut stream: Streaming<WatchTaskResponse>,
    tell: mpsc::UnboundedSender<anyhow::Result<Told>>,
) {
    let mut has_ended = false;
    loop {
        let told = match stream.message().await {
            Ok(Some(message)) => match message.event {
                Some(Event::Task(task)) => Told::of(&task),
                Some(Event::Heartbeat(_)) | None => continue,
            },
            Ok(None) if has_ended => return,
            Ok(None) => Err(anyhow::anyhow!("a watch ended before its task")),
            Err(status) => Err(status.into()),
        };
        has_ended = told.as_ref().is_ok_and(|told| told.is_end);
        let is_over = told.is_err();
        // Nobody listens any more when the measurement is over.
        if tell.send(told).is_err() || is_over {
            return;
        }
    }
}

impl Told {
    fn of(task: &Task) -> anyhow::Result<Self> {
        let updated = task.update_time.context("a task without update_time")?;
        let updated = SystemTime::try_from(updated)?;
        Ok(Self {
            at: Instant::now(),
            since_update: SystemTime::now()
                .duration_since(updated)
                .unwrap_or_default(),
            is_end: matches!(
                task.status(),
                TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled
            ),
        })
    }
}

/// The longest between two watchers that are told.
const PATIENCE: Duration = Duration::from_mins(1);
