//! How many tasks wait, are at a provider, or have not ended, and whose: counted in memory, so that
//! it costs nothing to ask.
//!
//! The store's writer is the only one who changes it: it counts a task with each write, before the
//! transaction is on disk, and takes that back when the transaction fails. So a reader may be ahead
//! of the disk by one transaction, and the writer, whose admissions depend on it, never errs. After
//! a start it is made anew from the tasks that have not ended. Of each that waits it holds some 60
//! bytes, of each that is at a provider some 200; names that nothing counts under any more are
//! forgotten.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::Mutex;

use crate::domain::caller::KeyId;
use crate::domain::id::{TaskId, TenantId};
use crate::domain::task::{Standing, Task};

/// The counts of everything that has not ended.
#[derive(Debug, Default)]
pub struct Census(Mutex<Counts>);

/// How many tasks are somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// At the provider, or perhaps there: from the intent on until it is done with them.
    pub in_flight: u32,
    /// Of those, how many the provider holds back for the account's concurrency limit.
    pub throttled: u32,
}

/// The tasks of one tenant that wait for one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Whose.
    pub tenant: TenantId,
    /// The model as asked.
    pub model: String,
    /// How many.
    pub queued: u32,
}

/// What is counted of a task, wherever it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted<'a> {
    /// Which.
    pub(super) id: TaskId,
    /// Whose.
    pub(super) tenant: &'a TenantId,
    /// By which key.
    pub(super) key: Option<&'a KeyId>,
    /// The model as asked.
    pub(super) model: &'a str,
}

#[derive(Debug, Default)]
struct Counts {
    tasks: HashMap<TaskId, Spot>,
    queued: u32,
    tenants: HashMap<TenantId, OfTenant>,
    keys: HashMap<KeyId, u32>,
    models: HashMap<String, u32>,
    /// By account, then by model there.
    accounts: HashMap<String, HashMap<String, Load>>,
    deployments: HashMap<String, Load>,
}

#[derive(Debug, Default)]
struct OfTenant {
    unfinished: u32,
    in_flight: u32,
    queued: u32,
    queues: HashMap<String, u32>,
}

/// Where a task was counted last, so that it can be taken from there. Nothing: it has ended.
#[derive(Debug)]
pub(super) enum Spot {
    Waiting,
    InFlight(Box<Seat>, bool),
    Aside,
}

/// Who has a task.
#[derive(Debug)]
pub(super) struct Seat {
    account: Box<str>,
    model: Box<str>,
    deployment: Box<str>,
}

impl Census {
    /// Tasks that wait for a deployment.
    pub fn queued(&self) -> u32 {
        self.0.lock().queued
    }

    /// The same, of a tenant.
    pub fn queued_of_tenant(&self, tenant: &TenantId) -> u32 {
        self.0.lock().tenants.get(tenant).map_or(0, |of| of.queued)
    }

    /// The same, of a model as asked.
    pub fn queued_of_model(&self, model: &str) -> u32 {
        count(&self.0.lock().models, model)
    }

    /// Tasks of a tenant that are at a provider.
    pub fn in_flight_of_tenant(&self, tenant: &TenantId) -> u32 {
        let counts = self.0.lock();
        counts.tenants.get(tenant).map_or(0, |of| of.in_flight)
    }

    /// Tasks of a key that have not ended.
    pub fn unfinished_of_key(&self, key: &KeyId) -> u32 {
        count(&self.0.lock().keys, key)
    }

    /// What an account has of a model, by the catalogue's id of it.
    pub fn load(&self, account: &str, model: &str) -> Load {
        let counts = self.0.lock();
        let models = counts.accounts.get(account);
        models
            .and_then(|models| models.get(model))
            .copied()
            .unwrap_or_default()
    }

    /// What a deployment has.
    pub fn of_deployment(&self, id: &str) -> Load {
        let counts = self.0.lock();
        counts.deployments.get(id).copied().unwrap_or_default()
    }

    /// Every account with each model of which it has something, in no order.
    pub fn accounts(&self) -> Vec<(String, String, Load)> {
        let counts = self.0.lock();
        let models = |(account, models): (&String, &HashMap<String, Load>)| {
            let loads = models.iter();
            let told = |(model, load): (&String, &Load)| (account.clone(), model.clone(), *load);
            loads.map(told).collect::<Vec<_>>()
        };
        counts.accounts.iter().flat_map(models).collect()
    }

    /// Every queue that holds something, in the order of (tenant, model).
    pub fn queues(&self) -> Vec<Queue> {
        let counts = self.0.lock();
        let mut queues = Vec::new();
        for (tenant, of) in &counts.tenants {
            queues.extend(of.queues.iter().map(|(model, queued)| Queue {
                tenant: tenant.clone(),
                model: model.clone(),
                queued: *queued,
            }));
        }
        drop(counts);
        queues.sort_by(|a, b| (&a.tenant, &a.model).cmp(&(&b.tenant, &b.model)));
        queues
    }

    /// Tasks that have not ended, in all.
    pub fn unfinished(&self) -> usize {
        self.0.lock().tasks.len()
    }

    /// Counts a task where it stands now, and says where it was counted before.
    pub(super) fn count(&self, task: &Task) -> Option<Spot> {
        let spot = match task.standing() {
            Standing::Waiting => Some(Spot::Waiting),
            Standing::InFlight { place, throttled } => {
                let seat = (place.account, place.model, place.deployment);
                Some(Spot::in_flight(seat, throttled))
            }
            Standing::Aside => Some(Spot::Aside),
            Standing::Ended => None,
        };
        self.put(Counted::of(task), spot)
    }

    /// Counts a task at a spot, and says where it was counted before. `None`: it has ended.
    pub(super) fn put(&self, task: Counted<'_>, spot: Option<Spot>) -> Option<Spot> {
        self.0.lock().put(task, spot)
    }
}

impl<'a> Counted<'a> {
    /// What is counted of a task.
    pub(super) fn of(task: &'a Task) -> Self {
        Self {
            id: task.id,
            tenant: &task.tenant,
            key: task.key.as_ref(),
            model: &task.order.model,
        }
    }
}

impl Spot {
    /// At (account, model, deployment).
    pub(super) fn in_flight(seat: (&str, &str, &str), throttled: bool) -> Self {
        let (account, model, deployment) = seat;
        let seat = Seat {
            account: account.into(),
            model: model.into(),
            deployment: deployment.into(),
        };
        Self::InFlight(Box::new(seat), throttled)
    }
}

impl Counts {
    fn put(&mut self, task: Counted<'_>, spot: Option<Spot>) -> Option<Spot> {
        let before = match spot {
            Some(spot) => {
                self.shift(task, &spot, Step::In);
                self.tasks.insert(task.id, spot)
            }
            None => self.tasks.remove(&task.id),
        };
        if let Some(spot) = &before {
            self.shift(task, spot, Step::Out);
        }
        before
    }

    fn shift(&mut self, task: Counted<'_>, spot: &Spot, step: Step) {
        if let Some(key) = task.key {
            tally(&mut self.keys, key, step);
        }
        let mut of = self.tenants.remove(task.tenant).unwrap_or_default();
        step.to(&mut of.unfinished);
        match spot {
            Spot::Waiting => {
                step.to(&mut self.queued);
                step.to(&mut of.queued);
                tally(&mut of.queues, task.model, step);
                tally(&mut self.models, task.model, step);
            }
            Spot::InFlight(seat, throttled) => {
                step.to(&mut of.in_flight);
                self.seat(seat, *throttled, step);
            }
            Spot::Aside => {}
        }
        if of.unfinished > 0 {
            self.tenants.insert(task.tenant.clone(), of);
        }
    }

    fn seat(&mut self, seat: &Seat, throttled: bool, step: Step) {
        weigh(&mut self.deployments, &seat.deployment, throttled, step);
        let mut models = self.accounts.remove(&*seat.account).unwrap_or_default();
        weigh(&mut models, &seat.model, throttled, step);
        if !models.is_empty() {
            self.accounts.insert(seat.account.to_string(), models);
        }
    }
}

/// Into a count, or out of it.
#[derive(Clone, Copy)]
enum Step {
    In,
    Out,
}

impl Step {
    const fn to(self, count: &mut u32) {
        *count = match self {
            Self::In => count.saturating_add(1),
            Self::Out => count.saturating_sub(1),
        };
    }
}

fn count<K, Q>(counts: &HashMap<K, u32>, name: &Q) -> u32
where
    K: Borrow<Q> + Hash + Eq,
    Q: Hash + Eq + ?Sized,
{
    counts.get(name).copied().unwrap_or(0)
}

/// Counts under a name; one that comes to nothing is forgotten.
fn tally<K, Q>(counts: &mut HashMap<K, u32>, name: &Q, step: Step)
where
    K: Borrow<Q> + Hash + Eq,
    Q: ToOwned<Owned = K> + Hash + Eq + ?Sized,
{
    if let Some(count) = counts.get_mut(name) {
        step.to(count);
        if *count == 0 {
            counts.remove(name);
        }
    } else if matches!(step, Step::In) {
        counts.insert(name.to_owned(), 1);
    }
}

fn weigh(loads: &mut HashMap<String, Load>, name: &str, throttled: bool, step: Step) {
    let mut load = loads.get(name).copied().unwrap_or_default();
    step.to(&mut load.in_flight);
    if throttled {
        step.to(&mut load.throttled);
    }
    if load.in_flight == 0 {
        loads.remove(name);
    } else if let Some(known) = loads.get_mut(name) {
        *known = load;
    } else {
        loads.insert(name.to_owned(), load);
    }
}
