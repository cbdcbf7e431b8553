//! The configured accounts: who talks to each, how it fares, and how much of it is in use.
//!
//! An account outlives reloads of the configuration: one that stays is the same value with all that
//! is known of it, though who talks to it (its key, its headers) may be another. One that is gone
//! from the configuration is *retired*: it takes no new tasks, but tasks that it has are still
//! followed, cancelled and copied with the key that it had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use super::Provider;
use crate::domain::routing::{AccountLimits, Health, Judging, Unfit};
use crate::domain::task::Rejection;
use crate::domain::time::Timestamp;

/// One account at a provider.
#[derive(Debug)]
pub struct Account {
    name: String,
    provider: RwLock<Arc<dyn Provider>>,
    health: Mutex<Health>,
    creates: Arc<Semaphore>,
    places: Arc<Semaphore>,
    polls: Arc<Semaphore>,
    polls_rest: Mutex<Timestamp>,
    limits: Mutex<Option<Told>>,
    is_new: AtomicBool,
}

/// What a provider said that an account may do, and when.
#[derive(Clone, Debug)]
struct Told {
    limits: Arc<AccountLimits>,
    at: Timestamp,
}

/// Every configured account, by name.
#[derive(Debug, Default)]
pub struct Accounts {
    accounts: BTreeMap<String, Arc<Account>>,
    /// Those that the configuration no longer has, the last to go at the end; none that is above.
    retired: Vec<Arc<Account>>,
}

impl Account {
    /// An account that at most so many creates and polls use at once. As many more tasks as there
    /// may be creates may be placing their inputs.
    pub fn new(provider: Arc<dyn Provider>, creates: usize, polls: usize) -> Self {
        Self {
            name: provider.account().to_owned(),
            provider: RwLock::new(provider),
            health: Mutex::default(),
            creates: Arc::new(Semaphore::new(creates)),
            places: Arc::new(Semaphore::new(creates)),
            polls: Arc::new(Semaphore::new(polls)),
            polls_rest: Mutex::new(Timestamp::MIN),
            limits: Mutex::default(),
            is_new: AtomicBool::new(true),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who talks to it now. A step that makes several calls takes it once.
    pub fn provider(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.provider.read())
    }

    /// Another talks to it from now on: to the same account, perhaps with a new key. Calls under way
    /// end as they began.
    pub fn renew(&self, provider: Arc<dyn Provider>) {
        *self.provider.write() = provider;
    }

    /// Nothing is known of it any more: neither what was held against it nor what it may do.
    pub fn forget(&self) {
        self.readmit();
        *self.limits.lock() = None;
        self.is_new.store(true, Ordering::Release);
        *self.polls_rest.lock() = Timestamp::MIN;
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

    /// What the provider said last that it may do, with what it took since; `None`: nothing yet.
    pub fn limits(&self) -> Option<Arc<AccountLimits>> {
        let told = self.limits.lock();
        told.as_ref().map(|told| Arc::clone(&told.limits))
    }

    /// Whether it was not asked yet what it may do.
    pub fn is_new(&self) -> bool {
        self.is_new.load(Ordering::Acquire)
    }

    /// It was asked what it may do, whatever came of it; true the first time.
    pub fn asked(&self) -> bool {
        self.is_new.swap(false, Ordering::AcqRel)
    }

    /// The provider says what it may do.
    pub fn learn(&self, limits: AccountLimits, now: Timestamp) {
        let limits = Arc::new(limits);
        *self.limits.lock() = Some(Told { limits, at: now });
    }

    /// Whether the model has had its generations of the day, by what the provider said last. What
    /// was said long ago is not held against it: the provider's own refusal decides then.
    pub fn is_used_up(&self, model: &str, now: Timestamp) -> bool {
        let told = self.limits.lock();
        told.as_ref()
            .is_some_and(|told| now.since(told.at) < STALE && told.limits.is_used_up(model))
    }

    /// The provider itself said that the account is of no use: no new tasks until
    /// [`Account::readmit`].
    pub fn expel(&self) {
        self.health.lock().expel();
    }

    /// What took it out is mended: a changed configuration, or the provider says that its key is
    /// good and credits are left. New requests are let in at once.
    pub fn readmit(&self) {
        self.health.lock().readmit();
    }

    /// Whether it takes no new tasks now, whatever the model.
    pub fn is_out(&self, now: Timestamp) -> bool {
        self.health.lock().is_out(now)
    }

    /// It took a request for the model.
    pub fn accepted(&self, model: &str) {
        self.health.lock().accepted(model);
        if let Some(told) = self.limits.lock().as_mut() {
            Arc::make_mut(&mut told.limits).count(model);
        }
    }

    /// It refused a request for the model. Says whether it is left alone for a while because of it.
    pub fn rejected(&self, model: &str, rejection: &Rejection, judging: Judging) -> bool {
        self.judged(model, judging.now, |health| {
            health.rejected(model, rejection, judging);
        })
    }

    /// Whether it took a request for the model is not known. Says whether it is left alone for a while
    /// because of it.
    pub fn unknown(&self, model: &str, judging: Judging) -> bool {
        self.judged(model, judging.now, |health| health.unknown(model, judging))
    }

    /// Takes note of a fault; says whether the model is left alone from now on.
    fn judged(&self, model: &str, now: Timestamp, note: impl FnOnce(&mut Health)) -> bool {
        let mut health = self.health.lock();
        let rested = health.is_refused(model, now);
        note(&mut health);
        !rested && health.is_refused(model, now)
    }

    /// A request for the model is about to be sent.
    pub fn sending(&self, model: &str, now: Timestamp) {
        self.health.lock().sending(model, now);
    }

    /// The request for the model was not sent after all.
    pub fn spared(&self, model: &str) {
        self.health.lock().spared(model);
    }

    /// It answered a question about a task of the model.
    pub fn polled(&self, model: &str) {
        self.health.lock().polled(model);
    }

    /// Why and until when it is not to be tried for the model; `None`: it may be.
    pub fn unfit(&self, model: &str, now: Timestamp) -> Option<Unfit> {
        if let Some(unfit) = self.health.lock().unfit(model, now) {
            return Some(unfit);
        }
        self.is_used_up(model, now).then(|| Unfit {
            until: now.after(USED_UP_REST),
            why: "waiting for the provider's daily quota",
        })
    }

    /// Whether it is not to be tried for the model, for another reason than that a task which was
    /// let through to try it is still on its way.
    pub fn is_refused(&self, model: &str, now: Timestamp) -> bool {
        self.health.lock().is_refused(model, now)
    }
}

impl Accounts {
    /// Accounts by their own names; a later one replaces an earlier one of the same name.
    pub fn new(accounts: impl IntoIterator<Item = Account>) -> Self {
        Self::default().succeeded_by(accounts.into_iter().map(Arc::new))
    }

    /// These accounts from now on. Of the others, those whose names are free are retired: the last
    /// `MAX_RETIRED` of them are kept for as long as the process lives, because what they made may
    /// be asked for at any time.
    #[must_use]
    pub fn succeeded_by(&self, accounts: impl IntoIterator<Item = Arc<Account>>) -> Self {
        let accounts: BTreeMap<String, Arc<Account>> = accounts
            .into_iter()
            .map(|account| (account.name.clone(), account))
            .collect();
        let before = self.retired.iter().chain(self.accounts.values());
        let mut retired: Vec<Arc<Account>> = before
            .filter(|account| !accounts.contains_key(&account.name))
            .cloned()
            .collect();
        retired.drain(..retired.len().saturating_sub(MAX_RETIRED));
        Self { accounts, retired }
    }

    /// The account of a name, a retired one too: for tasks that it has.
    pub fn get(&self, name: &str) -> Option<Arc<Account>> {
        let retired = || self.retired.iter().find(|account| account.name == name);
        self.accounts.get(name).or_else(retired).cloned()
    }

    /// The account of a name, if new tasks may go to it.
    pub fn live(&self, name: &str) -> Option<&Arc<Account>> {
        self.accounts.get(name)
    }

    /// Those that the configuration no longer has.
    pub fn retired(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.retired.iter()
    }

    /// Every account that takes new tasks, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.values()
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// Whether any has room for a create call.
    pub fn have_room(&self) -> bool {
        self.accounts
            .values()
            .any(|account| account.creates.available_permits() > 0)
    }
}

/// How long what a provider said of the day's use is held against a model.
const STALE: Duration = Duration::from_mins(30);
/// When a task that waits for the daily quota is looked at again.
const USED_UP_REST: Duration = Duration::from_mins(1);
/// Accounts that are remembered after the configuration has lost them.
const MAX_RETIRED: usize = 64;

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::domain::model::Catalog;
    use crate::domain::routing::ModelLimits;
    use crate::provider::runway::{Runway, Settings};

    fn account(name: &str) -> Arc<Account> {
        Arc::new(Account::new(provider(name), 1, 1))
    }

    fn provider(name: &str) -> Arc<dyn Provider> {
        let settings = Settings::new(name, "https://example.com", SecretString::from("key_1"));
        Arc::new(Runway::new(settings, Arc::new(Catalog::default())).expect("they can be used"))
    }

    fn limits(daily: u32) -> AccountLimits {
        let model = ModelLimits {
            concurrent: None,
            daily: Some(daily),
            used_today: 0,
        };
        AccountLimits {
            credits: Some(1),
            models: [("m".to_owned(), model)].into(),
        }
    }

    #[test]
    fn a_model_waits_from_its_last_generation_of_the_day_until_that_is_stale() {
        let (account, now) = (account("a"), Timestamp(1_000));
        assert!(!account.is_used_up("m", now));
        account.learn(limits(1), now);
        assert!(account.unfit("m", now).is_none());
        account.accepted("m");
        assert!(account.is_used_up("m", now));
        assert!(account.unfit("m", now).is_some());
        assert!(account.unfit("other", now).is_none());
        assert!(!account.is_used_up("m", now.after(STALE)));
        account.learn(limits(2), now);
        assert!(!account.is_used_up("m", now));
    }

    #[test]
    fn an_expelled_account_is_out_until_it_is_readmitted_or_its_key_is_another() {
        let (account, now) = (account("a"), Timestamp(1_000));
        for mend in [Account::readmit, Account::forget] {
            account.expel();
            assert!(account.is_out(now) && account.unfit("m", now).is_some());
            mend(&account);
            assert!(!account.is_out(now));
        }
    }

    #[test]
    fn a_removed_account_is_found_by_name_and_takes_nothing_new() {
        let (a, b) = (account("a"), account("b"));
        let both = Accounts::default().succeeded_by([Arc::clone(&a), Arc::clone(&b)]);
        let one = both.succeeded_by([Arc::clone(&a)]);
        assert_eq!(one.names().collect::<Vec<_>>(), ["a"]);
        assert!(one.live("a").is_some() && one.live("b").is_none());
        assert!(Arc::ptr_eq(&one.get("b").unwrap(), &b));
        assert!(Arc::ptr_eq(&one.get("a").unwrap(), &a));
        let again = one.succeeded_by([Arc::clone(&b)]);
        assert!(again.live("b").is_some() && again.live("a").is_none());
        assert_eq!(again.retired().count(), 1);
    }

    #[test]
    fn only_so_many_retired_accounts_are_kept_and_the_oldest_goes_first() {
        let mut accounts = Accounts::default();
        let shared = provider("x");
        for n in 0..MAX_RETIRED + 2 {
            let mut account = Account::new(Arc::clone(&shared), 1, 1);
            account.name = n.to_string();
            accounts = accounts.succeeded_by([Arc::new(account)]);
        }
        assert_eq!(accounts.retired().count(), MAX_RETIRED);
        assert!(accounts.get("0").is_none() && accounts.get("1").is_some());
    }
}
