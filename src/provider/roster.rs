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

impl LiveRoster {
    /// Begins with a roster.
    pub fn new(roster: Roster) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(roster)))
    }

    /// The roster in force.
    pub fn now(&self) -> Arc<Roster> {
        self.0.load_full()
    }

    /// Puts another in its place, for every step that begins from now on.
    pub fn replace(&self, roster: Roster) {
        self.0.store(Arc::new(roster));
    }

    /// Puts in its place what `change` makes of it. Two changes at once both happen: `change` may be
    /// called again.
    pub fn change(&self, change: impl Fn(&Roster) -> Roster) {
        self.0.rcu(|roster| change(roster));
    }
}
