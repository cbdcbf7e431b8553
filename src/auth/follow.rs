//! Follows the clock while a server runs: keys end. Who replaces the keys is `app`.

use std::time::Duration;

use super::Auth;
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
}

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
