//! Ways to have a model generated, and the groups that callers ask for by name.

use crate::domain::money::Millicredits;
use crate::domain::pricing::Tariff;

/// One way to have a model generated: an account at a provider, and the model there.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// Its name, as attempts and tasks show it; unique.
    pub id: String,
    /// The account that pays.
    pub account: String,
    /// The model, by the catalogue's id of it.
    pub model: String,
    /// Its share under `simple-shuffle`; 0 takes nothing while another can.
    pub weight: u32,
    /// Creates within a minute at most.
    pub rpm: Option<u32>,
    /// Tasks at the provider at once.
    pub max_in_flight: Cap,
    /// A price that goes before the catalogue's.
    pub price: Option<Tariff>,
    /// What a budget reserves for a task whose price is not known; `None`: such a task is refused
    /// to keys that have a budget.
    pub max_cost: Option<Millicredits>,
}

/// How many tasks may be at the provider at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cap {
    /// As many as the account may run at once; where nobody else is fit a quarter more, so that a slot
    /// which falls free is never empty until we know of it. Any number where that is not known.
    #[default]
    Auto,
    /// Any number: the provider keeps what it cannot run yet.
    Unlimited,
    /// So many.
    AtMost(u32),
}

/// A name that callers ask for, and all that may serve it.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The name.
    pub name: String,
    /// Who serves it. Not all need serve the same model.
    pub deployments: Vec<Deployment>,
    /// How one is chosen, and what follows a failure.
    pub policy: Policy,
}

/// How a group's deployments are chosen, and what follows a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// How one is chosen among those that are fit.
    pub strategy: Strategy,
    /// Groups that serve in this one's place, in order.
    pub fallbacks: Vec<String>,
    /// How often a task that failed at the provider by the provider's fault is made again.
    pub retry_failed_tasks: u32,
    /// Tasks of the group waiting in the queue; a create beyond is refused.
    pub max_queued: Option<u32>,
}

/// How a deployment is chosen among those that are fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The one with the most room under its account's concurrency limit: work spreads before a
    /// provider has to hold any back.
    #[default]
    MostRoom,
    /// At random, by weight.
    SimpleShuffle,
    /// The one with the fewest tasks at the provider.
    LeastBusy,
    /// The one whose tasks completed soonest lately.
    LatencyBased,
    /// The cheapest for this request.
    CostBased,
}

impl Deployment {
    /// The deployment that a model's own name means on an account.
    pub fn of_model(account: &str, model: &str) -> Self {
        Self {
            id: format!("{account}/{model}"),
            account: account.to_owned(),
            model: model.to_owned(),
            weight: 1,
            rpm: None,
            max_in_flight: Cap::Auto,
            price: None,
            max_cost: None,
        }
    }
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 5] = [
        Self::MostRoom,
        Self::SimpleShuffle,
        Self::LeastBusy,
        Self::LatencyBased,
        Self::CostBased,
    ];

    /// The name in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MostRoom => "most-room",
            Self::SimpleShuffle => "simple-shuffle",
            Self::LeastBusy => "least-busy",
            Self::LatencyBased => "latency-based",
            Self::CostBased => "cost-based",
        }
    }
}
