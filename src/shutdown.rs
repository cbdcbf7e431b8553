//! Signals → drain → stop, and the one home of `tokio::spawn`.
//!
//! A [`Shutdown`] is cloned into whatever runs for long. It moves through three stages, forward
//! only: *running*, *draining* (finish what is begun, begin nothing new) and *stopping* (leave
//! now). Every task is tracked, so that [`Shutdown::finished`] can wait for all of them.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A handle on the life of the process (or of one server inside a test).
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// A handle in the running stage.
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle with the same stages whose tasks are tracked apart, to wait for them alone.
    #[must_use]
    pub fn group(&self) -> Self {
        Self {
            tasks: TaskTracker::new(),
            ..self.clone()
        }
    }

    /// A handle that stops with this one, but drains when it is told to and may be stopped alone: for
    /// what must still answer while this one drains.
    #[must_use]
    pub fn later(&self) -> Self {
        let stop = self.stop.child_token();
        Self {
            drain: stop.child_token(),
            stop,
            tasks: TaskTracker::new(),
        }
    }

    /// Spawns a tracked task on the current runtime.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one home of tokio::spawn"
    )]
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(self.tasks.track_future(task))
    }

    /// Begins the drain. Calling it again changes nothing.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Stops at once; implies a drain.
    pub fn stop(&self) {
        self.drain.cancel();
        self.stop.cancel();
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Whether everything must leave now.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Resolves when the drain begins.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Resolves when everything must leave now.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Resolves when every tracked task has ended. Call after [`Shutdown::drain`] or `stop`.
    pub async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
