//! The configured accounts: who talks to each, how it fares, and how much of it is in use.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::Provider;
use crate::domain::routing::{AccountLimits, Deployment, Health};
use crate::domain::task::{Event, Rejection};
use crate::domain::time::Timestamp;
use crate::telemetry::metrics;

/// One account at a provider.
#[derive(Debug)]
pub struct Account {
    provider: Arc<dyn Provider>,
    health: Mutex<Health>,
    creates: Arc<Semaphore>,
    places: Arc<Semaphore>,
    polls: Arc<Semaphore>,
    polls_rest: Mutex<Timestamp>,
    limits: Mutex<Option<Arc<AccountLimits>>>,
}

/// Every configured account, by name.
#[derive(Debug, Default)]
pub struct Accounts {
    accounts: BTreeMap<String, Arc<Account>>,
}

impl Account {
    /// An account that at most so many creates and polls use at once. As many more tasks as there
    /// may be creates may be placing their inputs.
    pub fn new(provider: Arc<dyn Provider>, creates: usize, polls: usize) -> Self {
        Self {
            provider,
            health: Mutex::default(),
            creates: Arc::new(Semaphore::new(creates)),
            places: Arc::new(Semaphore::new(creates)),
            polls: Arc::new(Semaphore::new(polls)),
            polls_rest: Mutex::new(Timestamp::MIN),
            limits: Mutex::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.provider.account()
    }

    /// Who talks to it.
    pub fn provider(&self) -> &dyn Provider {
        self.provider.as_ref()
    }

    /// Room for create calls.
    pub fn creates(&self) -> Arc<Semaphore> {
        Arc::clone(&self.creates)
    }

    /// Room for tasks that place inputs, which may take minutes: apart from the creates, so that
    /// tasks without such inputs do not wait for them.
    pub fn places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.places)
    }

    /// Room for polls.
    pub fn polls(&self) -> Arc<Semaphore> {
        Arc::clone(&self.polls)
    }

    /// It was asked too often: no polls before this moment.
    pub fn rest_polls(&self, until: Timestamp) {
        let mut rest = self.polls_rest.lock();
        *rest = until.max(*rest);
    }

    /// Until when no polls are to be made; `None` when they may.
    pub fn polls_rest_until(&self, now: Timestamp) -> Option<Timestamp> {
        Some(*self.polls_rest.lock()).filter(|until| now < *until)
    }

    /// What the provider said last that it may do; `None`: nothing yet.
    pub fn limits(&self) -> Option<Arc<AccountLimits>> {
        self.limits.lock().clone()
    }

    /// The provider says what it may do.
    pub fn learn(&self, limits: AccountLimits) {
        *self.limits.lock() = Some(Arc::new(limits));
    }

    /// It took a request for the model.
    pub fn accepted(&self, model: &str) {
        self.health.lock().accepted(model);
    }

    /// It refused a request for the model.
    pub fn rejected(&self, model: &str, rejection: &Rejection, now: Timestamp) {
        let mut health = self.health.lock();
        let rested = health.deferral(model, now).is_some();
        health.rejected(model, rejection, now);
        if !rested && health.deferral(model, now).is_some() {
            metrics::cooled(&Deployment::of_model(self.name(), model).id);
        }
    }

    /// What a waiting task for the model is told, when the account is not to be tried now.
    pub fn deferral(&self, model: &str, now: Timestamp) -> Option<Event> {
        self.health.lock().deferral(model, now)
    }
}

impl Accounts {
    /// Accounts by their own names; a later one replaces an earlier one of the same name.
    pub fn new(accounts: impl IntoIterator<Item = Account>) -> Self {
        let named = accounts
            .into_iter()
            .map(|a| (a.name().to_owned(), Arc::new(a)));
        Self {
            accounts: named.collect(),
        }
    }

    /// The account of a name.
    pub fn get(&self, name: &str) -> Option<Arc<Account>> {
        self.accounts.get(name).cloned()
    }

    /// Every account, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.values()
    }

    /// The names of all accounts, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// The account that serves a model: today the only one there is.
    pub fn for_model(&self, _model: &str) -> Option<Arc<Account>> {
        self.accounts.values().next().cloned()
    }

    /// Whether any has room for a create call.
    pub fn have_room(&self) -> bool {
        self.accounts
            .values()
            .any(|account| account.creates.available_permits() > 0)
    }

    /// Whether none is fit for new requests.
    pub fn all_out(&self, now: Timestamp) -> bool {
        self.accounts
            .values()
            .all(|account| account.health.lock().is_out(now))
    }
}
