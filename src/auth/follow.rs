//! Follows the keys file, and the clock, while a server runs.

use std::sync::Arc;
use std::time::Duration;

use super::Auth;
use crate::config::Callers;
use crate::config::callers::file::fingerprint;
use crate::domain::caller::Callers as Limits;
use crate::shutdown::Shutdown;

impl Auth {
    /// Ends the streams of keys whose time is over, within a second of it, until everything must leave.
    pub async fn follow_time(self, shutdown: Shutdown) {
        let mut timer = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                () = shutdown.stopping() => return,
                _ = timer.tick() => self.expire(),
            }
        }
    }

    /// Looks at the keys file every second, and takes over what it has become; `publish` is told the
    /// new limits first. A bad file leaves everything as it is, and is told once.
    pub async fn follow_file(
        self,
        mut callers: Callers,
        publish: impl Fn(Arc<Limits>) + Send,
        shutdown: Shutdown,
    ) {
        let mut timer = tokio::time::interval(EVERY);
        let Some(path) = callers.keys_file.clone() else {
            return;
        };
        let (mut seen, mut told) = (None, String::new());
        loop {
            tokio::select! {
                () = shutdown.stopping() => return,
                _ = timer.tick() => {}
            }
            let file = path.clone();
            let looked = tokio::task::spawn_blocking(move || fingerprint(&file)).await;
            let looked = looked.ok().flatten();
            if looked.is_some() && looked == seen {
                continue;
            }
            seen = looked;
            let known = callers.clone();
            let read = tokio::task::spawn_blocking(move || known.reread()).await;
            match read {
                Ok(Ok(new)) if new.keys != callers.keys => {
                    publish(Arc::new(new.limits.clone()));
                    self.replace(&new);
                    tracing::info!(keys = new.keys.len(), "the keys were read again");
                    callers = new;
                    told.clear();
                }
                Ok(Ok(_)) => told.clear(),
                Ok(Err(problems)) => {
                    let text = problems.to_string();
                    if text != told {
                        tracing::error!(%problems, "the keys file is bad; the old keys stay");
                        told = text;
                    }
                }
                Err(error) => tracing::error!(%error, "reading the keys file died"),
            }
        }
    }
}

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
