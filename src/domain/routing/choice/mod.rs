//! Which deployment a waiting task goes to: pure, with the moment and a random number passed in.
//!
//! Deployments are tried in *rounds*: each one of the group once, then each one of the groups that
//! follow. What is unfit is passed over; what is fit but full is waited for, since more load is no
//! failure. Only when everything was tried, or is unfit, does another round begin. A task that
//! failed at a provider after it was accepted goes elsewhere if anybody else will have it.

mod strategy;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use super::{Cap, Deployment, Group, Unfit};
use crate::domain::generation::{Adapted, Generation};
use crate::domain::model::Catalog;
use crate::domain::money::Millicredits;
use crate::domain::task::{Attempt, AttemptOutcome, RejectionKind};
use crate::domain::time::Timestamp;

/// What a task asks of routing.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The group that it asked for, and those that may serve in its place.
    pub chain: &'a [Cow<'a, Group>],
    /// The request.
    pub generation: &'a Generation,
    /// What was tried so far, oldest first.
    pub attempts: &'a [Attempt],
    /// What models take.
    pub catalog: &'a Catalog,
    /// The moment.
    pub now: Timestamp,
    /// A random number in 0..1: the same whenever the task asks again without having been sent, or
    /// those that wait for one deployment would all end up at another.
    pub random: f64,
}

/// How a deployment stands, for whoever chooses. Everything is of its account and its model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fitness {
    /// Why it is not to be tried; `None`: it may be.
    pub unfit: Option<Unfit>,
    /// Tasks there, those included that are about to be sent.
    pub in_flight: u32,
    /// Of those, how many the provider holds back for the account's concurrency limit.
    pub throttled: u32,
    /// How many the account may run at once; `None`: not known.
    pub limit: Option<u32>,
    /// The account was not asked yet how many that are; the answer will be there in a moment.
    pub is_new: bool,
    /// No more creates may be on their way to the account at this moment. Who draws it waits, so that
    /// a burst is shared as the strategy wants.
    pub is_busy: bool,
    /// It was sent as many creates within a minute as it may be: not before then.
    pub paced_until: Option<Timestamp>,
    /// The usual time until its tasks completed lately; `None`: not known.
    pub usual: Option<Duration>,
}

/// Where a task goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// To this deployment.
    Go(Box<Going>),
    /// Nowhere now: the deployment that it is to go to is full, or being tried by another task.
    Full {
        /// When there is room again, where that is known.
        until: Option<Timestamp>,
    },
    /// Nowhere before a moment: nobody is fit.
    Wait(Unfit),
    /// Not to this deployment, ever: it does not take the request. Choose again.
    Skip {
        /// Which.
        deployment: Box<Deployment>,
        /// Why, for people.
        why: String,
    },
    /// Nowhere: nobody is left that could take the request.
    Nobody,
}

/// A deployment, and what it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Going {
    /// Which.
    pub deployment: Deployment,
    /// The request as its model takes it.
    pub adapted: Adapted,
    /// The most that it may cost there; `None`: not known.
    pub estimated: Option<Millicredits>,
}

/// A deployment that may be gone to.
struct Candidate<'a> {
    deployment: &'a Deployment,
    fitness: Fitness,
    adapted: Adapted,
    estimated: Option<Millicredits>,
}

/// What a group comes to.
enum Found {
    Settled(Choice),
    /// Nobody of it is fit; the first to be so again, if anybody.
    Unfit(Option<Unfit>),
}

/// Chooses. `fitness` says how a deployment stands; `None`: its account is not configured.
pub fn choose(ask: &Ask<'_>, fitness: &dyn Fn(&Deployment) -> Option<Fitness>) -> Choice {
    let round = Round::of(ask.attempts);
    let mut soonest: Option<Unfit> = None;
    for avoid in [Avoid::TriedAndFailed, Avoid::Tried, Avoid::Nothing] {
        match through(ask, &round, avoid, fitness) {
            Found::Settled(choice) => return choice,
            Found::Unfit(unfit) => soonest = sooner(soonest, unfit),
        }
    }
    match soonest {
        // Somebody is being tried by another task.
        Some(unfit) if unfit.until <= ask.now => Choice::Full { until: None },
        Some(unfit) => Choice::Wait(unfit),
        None => Choice::Nobody,
    }
}

/// Whether the round goes on: somebody who was not tried in it is fit, or will have room.
pub fn goes_on(ask: &Ask<'_>, fitness: &dyn Fn(&Deployment) -> Option<Fitness>) -> bool {
    let round = Round::of(ask.attempts);
    [Avoid::TriedAndFailed, Avoid::Tried]
        .into_iter()
        .any(|avoid| matches!(through(ask, &round, avoid, fitness), Found::Settled(_)))
}

fn through(
    ask: &Ask<'_>,
    round: &Round<'_>,
    avoid: Avoid,
    fitness: &dyn Fn(&Deployment) -> Option<Fitness>,
) -> Found {
    let mut soonest = None;
    for group in ask.chain {
        let open = group.deployments.iter();
        let open = open.filter(|deployment| !round.avoids(Seat::of(deployment), avoid));
        match of_group(ask, group, open, fitness) {
            Found::Unfit(unfit) => soonest = sooner(soonest, unfit),
            settled @ Found::Settled(_) => return settled,
        }
    }
    Found::Unfit(soonest)
}

fn of_group<'a>(
    ask: &Ask<'_>,
    group: &Group,
    open: impl Iterator<Item = &'a Deployment>,
    fitness: &dyn Fn(&Deployment) -> Option<Fitness>,
) -> Found {
    let (mut candidates, mut soonest) = (Vec::new(), None);
    for deployment in open {
        let Some(fitness) = fitness(deployment) else {
            continue;
        };
        let adapted = match ask.generation.for_model(&deployment.model, ask.catalog) {
            Ok(adapted) => adapted,
            Err(why) => {
                let deployment = Box::new(deployment.clone());
                return Found::Settled(Choice::Skip { deployment, why });
            }
        };
        match &fitness.unfit {
            Some(unfit) => soonest = sooner(soonest, Some(unfit.clone())),
            None => candidates.push(Candidate {
                estimated: deployment.estimate(&adapted.generation, ask.catalog),
                deployment,
                fitness,
                adapted,
            }),
        }
    }
    if candidates.is_empty() {
        return Found::Unfit(soonest);
    }
    let is_alone = candidates.len() == 1;
    let free = |candidate: &Candidate<'_>| candidate.free_at(ask.now, is_alone);
    let until = candidates.iter().filter_map(|c| free(c).err().flatten());
    let until = until.min();
    candidates.retain(|candidate| free(candidate).is_ok());
    if candidates.iter().any(Candidate::has_room) {
        candidates.retain(Candidate::has_room);
    }
    match strategy::pick(group.policy.strategy, candidates, ask.random) {
        Some(chosen) if chosen.fitness.is_busy => Found::Settled(Choice::Full { until: None }),
        Some(chosen) => Found::Settled(Choice::Go(Box::new(Going {
            deployment: chosen.deployment.clone(),
            adapted: chosen.adapted,
            estimated: chosen.estimated,
        }))),
        None => Found::Settled(Choice::Full { until }),
    }
}

impl Candidate<'_> {
    /// Whether one more task may go there now; else when, where that is known. A task is given to a
    /// provider that would hold it back only where nobody else could take it sooner.
    fn free_at(&self, now: Timestamp, is_alone: bool) -> Result<(), Option<Timestamp>> {
        let Fitness {
            in_flight, limit, ..
        } = self.fitness;
        let most = match self.deployment.max_in_flight {
            Cap::Unlimited => None,
            Cap::AtMost(most) => Some(most),
            Cap::Auto if self.fitness.is_new => Some(1),
            Cap::Auto if is_alone => limit.map(|limit| limit.saturating_add((limit / 4).max(1))),
            Cap::Auto => limit,
        };
        if most.is_some_and(|most| in_flight >= most) {
            return Err(None);
        }
        match self.fitness.paced_until.filter(|until| now < *until) {
            Some(until) => Err(Some(until)),
            None => Ok(()),
        }
    }

    /// Whether the provider would run one more task at once, as far as we know.
    fn has_room(&self) -> bool {
        let Fitness {
            in_flight,
            throttled,
            limit,
            ..
        } = self.fitness;
        throttled == 0 && limit.is_none_or(|limit| in_flight < limit)
    }
}

/// Whom to leave out.
#[derive(Clone, Copy)]
enum Avoid {
    /// Whoever was tried in this round, and whoever failed after accepting.
    TriedAndFailed,
    /// Whoever was tried in this round.
    Tried,
    /// Nobody: another round begins.
    Nothing,
}

/// What the attempts so far say of the deployments.
struct Round<'a> {
    tried: Vec<Seat<'a>>,
    failed: Vec<Seat<'a>>,
    skipped: Vec<Seat<'a>>,
}

/// A deployment by all that it is: under the same name a configuration may mean another later.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seat<'a> {
    deployment: &'a str,
    account: &'a str,
    model: &'a str,
}

impl<'a> Seat<'a> {
    fn of(deployment: &'a Deployment) -> Self {
        Self {
            deployment: &deployment.id,
            account: &deployment.account,
            model: &deployment.model,
        }
    }

    fn of_attempt(attempt: &'a Attempt) -> Self {
        Self {
            deployment: &attempt.deployment,
            account: &attempt.account,
            model: &attempt.model,
        }
    }

    /// Whether the other is this one; attempts of an earlier version do not tell their model.
    fn is(self, other: Self) -> bool {
        let same_model = self.model == other.model || self.model.is_empty();
        self.deployment == other.deployment && self.account == other.account && same_model
    }
}

impl<'a> Round<'a> {
    /// A deployment that comes up again begins another round; so does the end of a task that a
    /// provider had accepted. What was turned down for its addresses alone was not tried.
    fn of(attempts: &'a [Attempt]) -> Self {
        let (mut tried, mut failed, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        for attempt in attempts {
            let deployment = Seat::of_attempt(attempt);
            match attempt.outcome {
                AttemptOutcome::Skipped => skipped.push(deployment),
                AttemptOutcome::Ended => {
                    failed.push(deployment);
                    tried.clear();
                }
                _ if attempt.fault == Some(RejectionKind::Caller) => {}
                _ if tried.contains(&deployment) => tried = vec![deployment],
                _ => tried.push(deployment),
            }
        }
        Self {
            tried,
            failed,
            skipped,
        }
    }

    fn avoids(&self, deployment: Seat<'_>, avoid: Avoid) -> bool {
        let (tried, failed) = match avoid {
            Avoid::TriedAndFailed => (true, true),
            Avoid::Tried => (true, false),
            Avoid::Nothing => (false, false),
        };
        let among = |seats: &[Seat<'_>]| seats.iter().any(|seat| seat.is(deployment));
        among(&self.skipped) || (tried && among(&self.tried)) || (failed && among(&self.failed))
    }
}

fn sooner(one: Option<Unfit>, other: Option<Unfit>) -> Option<Unfit> {
    let both = one.into_iter().chain(other);
    both.min_by_key(|unfit| unfit.until)
}
