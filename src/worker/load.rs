//! What this process is about to send, and how fast it may: what the store's census cannot know yet.
//!
//! A task counts here from the offer until its intent is committed, and from then on in the census.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::id::{TaskId, TenantId};
use crate::domain::routing::Deployment;
use crate::domain::schedule::RunTimes;
use crate::domain::time::Timestamp;

/// What is on its way, and what was sent lately.
#[derive(Debug, Default)]
pub(super) struct Load {
    offers: Mutex<Offers>,
    sent: Mutex<HashMap<String, VecDeque<Timestamp>>>,
    speeds: Mutex<RunTimes>,
}

#[derive(Debug, Default)]
struct Offers {
    busy: HashSet<TaskId>,
    unclaimed: HashMap<TaskId, Offer>,
    /// The number of tasks sent so far.
    sent: u64,
    /// What that was when a tenant's task was last sent.
    last_sent: HashMap<TenantId, u64>,
}

/// A task that was given to a deployment and is not claimed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Offer {
    tenant: TenantId,
    account: String,
    model: String,
}

/// Holds a task's place among those on their way.
#[derive(Debug)]
pub(super) struct Place {
    load: Arc<Load>,
    id: TaskId,
}

impl Load {
    /// Takes a task for a deployment; `None` while it is on its way already.
    pub(super) fn take(
        self: &Arc<Self>,
        id: TaskId,
        tenant: &TenantId,
        deployment: &Deployment,
    ) -> Option<Place> {
        let mut offers = self.offers.lock();
        if !offers.busy.insert(id) {
            return None;
        }
        let offer = Offer {
            tenant: tenant.clone(),
            account: deployment.account.clone(),
            model: deployment.model.clone(),
        };
        offers.unclaimed.insert(id, offer);
        offers.sent(tenant);
        drop(offers);
        let load = Arc::clone(self);
        Some(Place { load, id })
    }

    /// Whether a task is on its way.
    pub(super) fn is_busy(&self, id: TaskId) -> bool {
        self.offers.lock().busy.contains(&id)
    }

    /// Tasks about to be claimed for a model of an account.
    pub(super) fn coming(&self, account: &str, model: &str) -> u32 {
        self.count(|offer| offer.account == account && offer.model == model)
    }

    /// Tasks of a tenant that are about to be claimed.
    pub(super) fn coming_of(&self, tenant: &TenantId) -> u32 {
        self.count(|offer| offer.tenant == *tenant)
    }

    /// When a task of a tenant was last sent, as a number that grows; 0: never, or long ago.
    pub(super) fn last_sent(&self, tenant: &TenantId) -> u64 {
        let offers = self.offers.lock();
        offers.last_sent.get(tenant).copied().unwrap_or(0)
    }

    fn count(&self, counts: impl Fn(&Offer) -> bool) -> u32 {
        let offers = self.offers.lock();
        let count = offers.unclaimed.values().filter(|offer| counts(offer));
        u32::try_from(count.count()).unwrap_or(u32::MAX)
    }

    /// When a deployment with so many creates a minute may be sent another; `None`: now.
    pub(super) fn paced_until(&self, deployment: &Deployment, now: Timestamp) -> Option<Timestamp> {
        let most = usize::try_from(deployment.rpm?)
            .unwrap_or(usize::MAX)
            .max(1);
        let mut sent = self.sent.lock();
        let times = sent.get_mut(&deployment.id)?;
        while times.front().is_some_and(|at| now.since(*at) >= MINUTE) {
            times.pop_front();
        }
        let oldest = times.len().checked_sub(most)?;
        times.get(oldest).map(|at| at.after(MINUTE))
    }

    /// A deployment is sent a create.
    pub(super) fn sending(&self, deployment: &Deployment, now: Timestamp) {
        let Some(most) = deployment.rpm else { return };
        let mut sent = self.sent.lock();
        if sent.len() >= DEPLOYMENTS {
            sent.retain(|_, times| times.back().is_some_and(|at| now.since(*at) < MINUTE));
        }
        let times = sent.entry(deployment.id.clone()).or_default();
        times.push_back(now);
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        while times.len() > most {
            times.pop_front();
        }
    }

    /// A deployment completed a task in so long.
    pub(super) fn completed(&self, deployment: &str, took: Duration) {
        self.speeds.lock().record(deployment, took);
    }

    /// The usual time in which a deployment completes a task; `None`: not known.
    pub(super) fn usual(&self, deployment: &str) -> Option<Duration> {
        self.speeds.lock().of(deployment).usual
    }
}

impl Offers {
    fn sent(&mut self, tenant: &TenantId) {
        self.sent = self.sent.saturating_add(1);
        if self.last_sent.len() >= TENANTS {
            let long_ago = self.sent.saturating_sub(TENANTS as u64 / 2);
            self.last_sent.retain(|_, sent| *sent > long_ago);
        }
        self.last_sent.insert(tenant.clone(), self.sent);
    }
}

impl Place {
    /// The intent is committed: the census counts the task from now on.
    pub(super) fn claimed(&self) {
        self.load.offers.lock().unclaimed.remove(&self.id);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut offers = self.load.offers.lock();
        offers.busy.remove(&self.id);
        offers.unclaimed.remove(&self.id);
    }
}

const MINUTE: Duration = Duration::from_mins(1);
/// Deployments whose pace is remembered before idle ones are forgotten.
const DEPLOYMENTS: usize = 1024;
/// Tenants whose last turn is remembered before those of long ago are forgotten.
const TENANTS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::samples::task;

    fn deployment() -> Deployment {
        Deployment {
            rpm: Some(2),
            ..Deployment::of_model("a", "m")
        }
    }

    #[test]
    fn a_task_counts_from_its_offer_to_its_claim_and_is_taken_once() {
        let load = Arc::new(Load::default());
        let (id, tenant) = (task(1).id, TenantId::local());
        let place = load.take(id, &tenant, &deployment()).expect("it is free");
        assert!(load.take(id, &tenant, &deployment()).is_none());
        assert_eq!((load.coming("a", "m"), load.coming("a", "n")), (1, 0));
        assert_eq!(load.coming_of(&tenant), 1);
        place.claimed();
        assert_eq!((load.coming("a", "m"), load.coming_of(&tenant)), (0, 0));
        assert!(load.is_busy(id));
        drop(place);
        assert!(!load.is_busy(id));
    }

    #[test]
    fn the_last_turn_of_each_tenant_is_known_and_what_is_known_is_bounded() {
        let load = Arc::new(Load::default());
        let (a, b) = (TenantId::named("a"), TenantId::named("b"));
        for (n, tenant) in [(1, &a), (2, &b), (3, &a)] {
            let _ = load.take(task(n).id, tenant, &deployment());
        }
        assert!(load.last_sent(&a) > load.last_sent(&b) && load.last_sent(&b) > 0);
        assert_eq!(load.last_sent(&TenantId::named("c")), 0);
        let mut offers = Offers::default();
        for n in 0..(3 * TENANTS) {
            offers.sent(&TenantId::named(n.to_string()));
        }
        assert!(offers.last_sent.len() <= TENANTS);
    }

    #[test]
    fn so_many_creates_go_within_any_minute() {
        let load = Load::default();
        let at = |seconds: i64| Timestamp(1_000_000 + seconds * 1_000);
        for seconds in [0, 20] {
            assert_eq!(load.paced_until(&deployment(), at(seconds)), None);
            load.sending(&deployment(), at(seconds));
        }
        assert_eq!(load.paced_until(&deployment(), at(30)), Some(at(60)));
        assert_eq!(load.paced_until(&deployment(), at(60)), None);
        load.sending(&deployment(), at(60));
        assert_eq!(load.paced_until(&deployment(), at(61)), Some(at(80)));
        let unpaced = Deployment::of_model("a", "m");
        assert_eq!(load.paced_until(&unpaced, at(61)), None);
    }

    #[test]
    fn the_paces_that_are_remembered_are_bounded() {
        let load = Load::default();
        for n in 0..(2 * DEPLOYMENTS) {
            let id = n.to_string();
            let at = Timestamp(i64::try_from(n).expect("small") * 60_000);
            load.sending(&Deployment { id, ..deployment() }, at);
        }
        assert!(load.sent.lock().len() <= DEPLOYMENTS);
    }
}
