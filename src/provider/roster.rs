//! What is offered, who serves it, and to whom: everything that a reload of the configuration
//! replaces, in one value that is replaced whole.
//!
//! Who works takes the roster once per step and finishes the step with it. What a new roster no
//! longer has, but tasks still need, stays reachable by name: see [`Accounts`].

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Accounts;
use crate::domain::caller::Callers;
use crate::domain::model::Catalog;
use crate::domain::routing::Routes;
use crate::telemetry::metrics::names;

/// What is offered, who serves it, and to whom.
#[derive(Debug, Default)]
pub struct Roster {
    /// What can be generated.
    pub catalog: Arc<Catalog>,
    /// Which deployments serve which name.
    pub routes: Arc<Routes>,
    /// Who generates.
    pub accounts: Arc<Accounts>,
    /// What is configured of callers.
    pub callers: Arc<Callers>,
}

/// The roster in force.
#[derive(Debug)]
pub struct LiveRoster(ArcSwap<Roster>);

impl Roster {
    /// Lets its names appear in labels.
    fn name_in_metrics(&self) {
        let groups = self.routes.groups.values();
        let deployments = groups.flat_map(|group| &group.deployments);
        names::know(
            self.catalog.ids(),
            self.accounts.names(),
            deployments.map(|deployment| &*deployment.id),
        );
    }
}

impl LiveRoster {
    /// Begins with a roster.
    pub fn new(roster: Roster) -> Arc<Self> {
        roster.name_in_metrics();
        Arc::new(Self(ArcSwap::from_pointee(roster)))
    }

    /// The roster in force.
    pub fn now(&self) -> Arc<Roster> {
        self.0.load_full()
    }

    /// Puts another in its place, for every step that begins from now on.
    pub fn replace(&self, roster: Roster) {
        roster.name_in_metrics();
        self.0.store(Arc::new(roster));
    }

    /// Puts in its place what `change` makes of it. Two changes at once both happen: `change` may be
    /// called again.
    pub fn change(&self, change: impl Fn(&Roster) -> Roster) {
        self.0.rcu(|roster| change(roster));
        self.now().name_in_metrics();
    }
}
