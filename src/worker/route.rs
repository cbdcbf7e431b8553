//! What routing is asked about one task, and how every deployment stands.

use std::borrow::Cow;
use std::sync::Arc;

use super::Desk;
use crate::domain::model::ProviderKind;
use crate::domain::routing::{
    Ask, Choice, Deployment, Fitness, Group, ModelLimits, choose, goes_on,
};
use crate::domain::task::Task;
use crate::domain::time::Timestamp;
use crate::provider::{Account, Roster};

/// One task's view of the roster at one moment.
pub(super) struct Scene<'a> {
    desk: &'a Desk,
    roster: Arc<Roster>,
    chain: Vec<Group>,
    now: Timestamp,
}

impl<'a> Scene<'a> {
    /// The scene of a task.
    pub(super) fn new(desk: &'a Desk, task: &Task) -> Self {
        let roster = desk.roster.now();
        let order = &task.order;
        let chain = roster
            .routes
            .chain_of(&order.model, &order.generation.model, &roster.catalog);
        let chain = chain.into_iter().map(Cow::into_owned).collect();
        Self {
            desk,
            roster,
            chain,
            now: desk.now(),
        }
    }

    /// Where the task goes.
    pub(super) fn choose(&self, task: &Task) -> Choice {
        self.ask(task, |ask| choose(ask, &|d| self.fitness(d)))
    }

    /// Whether another deployment may be tried before a round of all is over.
    pub(super) fn goes_on(&self, task: &Task) -> bool {
        self.ask(task, |ask| goes_on(ask, &|d| self.fitness(d)))
    }

    /// Whether any configured account serves what was asked for.
    pub(super) fn is_served(&self) -> bool {
        let mut deployments = self.chain.iter().flat_map(|group| &group.deployments);
        deployments.any(|deployment| self.live(&deployment.account).is_some())
    }

    /// An account that takes new tasks.
    pub(super) fn live(&self, name: &str) -> Option<Arc<Account>> {
        let accounts = &self.roster.accounts;
        accounts.get(name).filter(|_| accounts.is_live(name))
    }

    /// How often the task may be made again after a failure at a provider.
    pub(super) fn retries(&self) -> u32 {
        let asked = self.chain.first();
        asked.map_or(0, |group| group.policy.retry_failed_tasks)
    }

    fn ask<T>(&self, task: &Task, ask: impl FnOnce(&Ask<'_>) -> T) -> T {
        let chain: Vec<Cow<'_, Group>> = self.chain.iter().map(Cow::Borrowed).collect();
        ask(&Ask {
            chain: &chain,
            generation: &task.order.generation,
            attempts: &task.attempts,
            catalog: &self.roster.catalog,
            now: self.now,
            random: rand::random(),
        })
    }

    fn fitness(&self, deployment: &Deployment) -> Option<Fitness> {
        let account = self.live(&deployment.account)?;
        let (name, model) = (&deployment.account, &deployment.model);
        let there = self.desk.store.census().load(name, model);
        let coming = self.desk.load.coming(name, model);
        let limits = limits(&account, model);
        Some(Fitness {
            unfit: account.unfit(model, self.now),
            in_flight: there.in_flight.saturating_add(coming),
            throttled: there.throttled,
            limit: limits.and_then(|limits| limits.concurrent),
            is_busy: account.creates().available_permits() == 0,
            paced_until: self.desk.load.paced_until(deployment, self.now),
            usual: self.desk.load.usual(&deployment.id),
        })
    }
}

/// What the provider says that an account may do with a model, by the provider's own id of it.
fn limits(account: &Account, model: &str) -> Option<ModelLimits> {
    let own = match ProviderKind::of(model) {
        ProviderKind::Runway => model,
        ProviderKind::OpenAi => model.split_once('/').map_or(model, |(_, own)| own),
    };
    account.limits()?.models.get(own).copied()
}
