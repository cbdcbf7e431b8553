//! Watch: the current task first, then the latest of each change, the terminal one always.
//!
//! A stream holds one subscription and the revision it last sent. A slow reader finds the newest
//! task when it comes back; nothing queues for it. All watches share one heartbeat timer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::{LookupError, Service};
use crate::domain::id::{TaskId, TenantId};
use crate::domain::task::{Progress, Task};
use crate::shutdown::Shutdown;
use crate::store::changes::Subscription;
use crate::telemetry::metrics;

/// One message of a watch.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// The task, newer than the one before, or the same with more progress.
    Task(Arc<Task>, Progress),
    /// Nothing new; everything up to this revision was sent.
    Heartbeat(u64),
}

/// Why a watch cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// No such task.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// As many watches are open as may be.
    #[error("{limit} watches are open, as many as may be")]
    TooMany {
        /// How many may be.
        limit: usize,
    },
    /// The caller claims a revision that does not exist yet.
    #[error("the task is at revision {current}")]
    RevisionInFuture {
        /// What exists.
        current: u64,
    },
}

/// Why a watch ended before the task did. Resume from the last revision received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEnd {
    /// The server is going away.
    Draining,
    /// The stream reached its age limit.
    MaxAge,
    /// The reader took too long for one message.
    TooSlow,
}

/// The heartbeat that all watches share: one timer, however many streams.
#[derive(Debug)]
pub(super) struct Beats {
    count: watch::Receiver<u64>,
}

impl Beats {
    pub(super) fn start(shutdown: &Shutdown, every: Duration) -> Self {
        let (sender, count) = watch::channel(0);
        let life = shutdown.clone();
        shutdown.spawn(async move {
            let mut timer = tokio::time::interval(every);
            timer.tick().await;
            loop {
                tokio::select! {
                    () = life.draining() => return,
                    _ = timer.tick() => sender.send_modify(|count| *count += 1),
                }
            }
        });
        Self { count }
    }
}

impl Service {
    /// Streams a task from after `after_revision` (0: from the start) to its end.
    pub async fn watch(
        &self,
        tenant: &TenantId,
        id: TaskId,
        after_revision: u64,
    ) -> Result<impl Stream<Item = Result<WatchEvent, WatchEnd>> + Send + use<>, WatchError> {
        let limit = self.parts().settings.max_watches;
        let place = Arc::clone(&self.inner.watches).try_acquire_owned();
        let place = place.map_err(|_| WatchError::TooMany { limit })?;
        // Subscribing first and reading after loses nothing.
        let subscription = self.parts().store.changes().subscribe(id);
        let task = self.status(tenant, id).await?;
        if after_revision > task.revision {
            return Err(WatchError::RevisionInFuture {
                current: task.revision,
            });
        }
        let settings = &self.parts().settings;
        let progress = self.progress(id);
        // A copy of a receiver has seen what its original has: nothing.
        let mut beats = self.inner.beats.count.clone();
        beats.mark_unchanged();
        let watcher = Watcher {
            known: task,
            progress,
            subscription,
            beats,
            shutdown: self.parts().shutdown.clone(),
            sent: after_revision,
            // Who resumes at the current revision is told what comes next, not what is.
            sent_progress: progress,
            born: Instant::now(),
            yielded: None,
            max_age: settings.watch_max_age,
            reader_timeout: settings.watch_reader_timeout,
            _place: place,
            ended: false,
        };
        Ok(unfold(watcher, |mut watcher| async move {
            let event = watcher.next().await?;
            Some((event, watcher))
        }))
    }
}

struct Watcher {
    known: Arc<Task>,
    progress: Progress,
    subscription: Subscription,
    beats: watch::Receiver<u64>,
    shutdown: Shutdown,
    sent: u64,
    sent_progress: Progress,
    born: Instant,
    yielded: Option<Instant>,
    max_age: Duration,
    reader_timeout: Duration,
    ended: bool,
    /// One of the watches that may be open; given back with the stream.
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<WatchEvent, WatchEnd>> {
        let event = self.wait().await;
        self.yielded = Some(Instant::now());
        self.ended = self.ended || matches!(event, Some(Err(_)));
        event
    }

    async fn wait(&mut self) -> Option<Result<WatchEvent, WatchEnd>> {
        if self.ended {
            return None;
        }
        self.absorb();
        if let Some(event) = self.news() {
            return Some(Ok(event));
        }
        if self.known.state.is_terminal() {
            return None;
        }
        if self
            .yielded
            .is_some_and(|at| at.elapsed() > self.reader_timeout)
        {
            return Some(Err(WatchEnd::TooSlow));
        }
        self.idle().await
    }

    /// Sleeps until there is something to say.
    async fn idle(&mut self) -> Option<Result<WatchEvent, WatchEnd>> {
        loop {
            tokio::select! {
                biased;
                () = self.subscription.changed() => {
                    self.absorb();
                    if let Some(event) = self.news() {
                        return Some(Ok(event));
                    }
                }
                () = self.shutdown.draining() => return Some(Err(WatchEnd::Draining)),
                _ = self.beats.changed() => {
                    if self.born.elapsed() > self.max_age {
                        return Some(Err(WatchEnd::MaxAge));
                    }
                    return Some(Ok(WatchEvent::Heartbeat(self.sent)));
                }
            }
        }
    }

    fn absorb(&mut self) {
        let latest = self.subscription.latest();
        if let Some(task) = latest.task.filter(|task| task.version > self.known.version) {
            metrics::watch_told(task.times.updated);
            self.known = task;
        }
        self.progress = self.progress.max(latest.progress);
    }

    /// What the reader has not seen yet.
    fn news(&mut self) -> Option<WatchEvent> {
        let newer = self.known.revision > self.sent;
        let further = !self.known.state.is_terminal() && self.progress > self.sent_progress;
        if !newer && !further {
            return None;
        }
        self.sent = self.known.revision;
        self.sent_progress = self.progress;
        Some(WatchEvent::Task(Arc::clone(&self.known), self.progress))
    }
}
