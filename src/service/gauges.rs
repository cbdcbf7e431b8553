//! What only a look can tell: whether the service is ready, and the gauges of `/metrics`.

use super::Service;
use crate::domain::task::Lane;
use crate::telemetry::{metrics, tasks};

impl Service {
    /// Whether new work is taken; else why not, for people.
    ///
    /// # Errors
    /// While the service drains, and when its store cannot be read.
    pub async fn ready(&self) -> Result<(), &'static str> {
        if self.is_draining() {
            return Err("draining");
        }
        let read = self.parts().store.next_due(Lane::Dispatch).await;
        read.map(drop).map_err(|_| "the store cannot be read")
    }

    /// Sets the gauges of the archive, the outbox, the accounts and the deployments.
    pub async fn set_gauges(&self) {
        // A store that cannot be read leaves the gauge as it was.
        if let Ok(pending) = self.parts().store.pending_deliveries().await {
            metrics::untold(pending);
        }
        let (archive, roster) = (&self.parts().archive, self.roster());
        metrics::archive(archive.used_bytes(), archive.free_bytes());
        for account in roster.accounts.all() {
            if let Some(limits) = account.limits() {
                metrics::account(account.name(), &limits);
            }
        }
        let now = self.now();
        let available = |deployment: &str, account: &str, model: &str| {
            let account = roster.accounts.live(account);
            let takes =
                account.is_some_and(|a| !a.is_refused(model, now) && !a.is_used_up(model, now));
            metrics::available(deployment, takes);
        };
        for used in tasks::used() {
            available(&used.deployment, &used.account, &used.model);
        }
        let groups = roster.routes.groups.values();
        for configured in groups.flat_map(|group| &group.deployments) {
            available(&configured.id, &configured.account, &configured.model);
        }
    }
}
