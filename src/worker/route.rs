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
        accounts.live(name).cloned()
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
            random: draw(task),
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
            is_new: account.is_new(),
            is_busy: account.creates().available_permits() == 0,
            paced_until: self.desk.load.paced_until(deployment, self.now),
            usual: self.desk.load.usual(&deployment.id),
        })
    }
}

/// A number in 0..1 that is the task's own until it is sent again: its id is random.
#[expect(
    clippy::cast_precision_loss,
    reason = "a draw needs no more than 53 random bits"
)]
fn draw(task: &Task) -> f64 {
    let mut bits = task.attempts.len() as u64;
    for byte in task.id.as_bytes() {
        bits = (bits ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
    }
    // The low bits of such a hash are the better mixed ones.
    let mixed = (bits ^ (bits >> 32)).wrapping_mul(FNV_PRIME) >> 11;
    mixed as f64 / (1_u64 << 53) as f64
}

/// The multiplier of the hash by Fowler, Noll and Vo.
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// What the provider says that an account may do with a model, by the provider's own id of it.
fn limits(account: &Account, model: &str) -> Option<ModelLimits> {
    let own = match ProviderKind::of(model) {
        ProviderKind::Runway => model,
        ProviderKind::OpenAi => model.split_once('/').map_or(model, |(_, own)| own),
    };
    account.limits()?.models.get(own).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::TaskId;
    use crate::domain::task::Verdict;
    use crate::domain::task::samples::{claimed, rejected, task, walk};

    #[test]
    fn a_tasks_draw_is_its_own_and_spread_evenly_over_tasks() {
        let mut tenths = [0_u32; 10];
        for n in 0..10_000_u64 {
            let mut task = task(1);
            let mut random = [0; 10];
            random[2..].copy_from_slice(&(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes());
            task.id = TaskId::new(1_790_000_000_000, random);
            let drawn = draw(&task);
            assert!((0.0..1.0).contains(&drawn) && drawn.to_bits() == draw(&task).to_bits());
            let again = [claimed(), rejected(1, Verdict::Retry(Timestamp(0)))];
            assert!(drawn.to_bits() != draw(&walk(task, &again)).to_bits());
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is in 0..1"
            )]
            let tenth = (drawn * 10.0) as usize;
            tenths[tenth] += 1;
        }
        assert!(
            tenths.iter().all(|count| (850..=1_150).contains(count)),
            "{tenths:?}"
        );
    }
}
