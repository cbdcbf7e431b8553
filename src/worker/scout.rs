//! What each account may do and has left, by the provider's own word: asked on start, after a
//! reload, and then slowly; sooner while an account is out.
//!
//! Questions are free. Until the first one is answered, or [`PATIENCE`] is over, an account gets one
//! task of a model at a time: a burst would be held back by the provider while another account is
//! free. Otherwise no task waits for them. Nothing is stored: whoever starts asks again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::Desk;
use crate::domain::routing::AccountLimits;
use crate::domain::task::Lane;
use crate::domain::time::Timestamp;
use crate::provider::{Account, Provider, ProviderError, ProviderErrorKind};

/// Asks about every account until the drain.
pub(super) async fn run(desk: Arc<Desk>) {
    let mut plan = Plan::default();
    loop {
        let due = plan.due(&desk);
        let asked = stream::iter(due)
            .map(|account| check(&desk, account))
            .buffer_unordered(AT_ONCE);
        let asked: Vec<_> = tokio::select! {
            // A question is free: a drain need not wait for its answer.
            () = desk.shutdown.draining() => return,
            asked = asked.collect() => asked,
        };
        for checked in asked {
            plan.put_back(checked, desk.now());
        }
        tokio::select! {
            () = desk.shutdown.draining() => return,
            () = tokio::time::sleep(BETWEEN_LOOKS.min(desk.settings.check_accounts)) => {}
        }
    }
}

/// When each account is asked about next. One that was replaced, or is talked to by another, is
/// asked about at once.
#[derive(Default)]
struct Plan(HashMap<String, Planned>);

struct Planned {
    provider: Arc<dyn Provider>,
    asked: Timestamp,
    /// Questions in a row without an answer.
    failures: u32,
    /// What chance takes off the wait, so that accounts are not all asked together.
    share: f64,
}

/// What came of a question.
struct Checked {
    account: Arc<Account>,
    provider: Arc<dyn Provider>,
    is_answered: bool,
}

impl Plan {
    fn due(&mut self, desk: &Desk) -> Vec<Arc<Account>> {
        let (accounts, now) = (desk.accounts(), desk.now());
        self.0.retain(|name, _| accounts.live(name).is_some());
        let is_due = |account: &&Arc<Account>| match self.0.get(account.name()) {
            Some(planned) => planned.is_due(account, desk.settings.check_accounts, now),
            None => true,
        };
        accounts.all().filter(is_due).cloned().collect()
    }

    fn put_back(&mut self, checked: Checked, now: Timestamp) {
        let name = checked.account.name();
        let failures = match (checked.is_answered, self.0.get(name)) {
            (true, _) => 0,
            (false, Some(planned)) => planned.failures.saturating_add(1),
            (false, None) => 1,
        };
        let planned = Planned {
            provider: checked.provider,
            asked: now,
            failures,
            share: 1.0 - JITTER * rand::random::<f64>(),
        };
        self.0.insert(name.to_owned(), planned);
    }
}

impl Planned {
    fn is_due(&self, account: &Account, usual: Duration, now: Timestamp) -> bool {
        let wait = wait(account.is_out(now), self.failures, usual).mul_f64(self.share);
        now.since(self.asked) >= wait || !Arc::ptr_eq(&self.provider, &account.provider())
    }
}

/// How long an account is not asked about again.
fn wait(is_out: bool, failures: u32, usual: Duration) -> Duration {
    match (is_out, failures) {
        (false, 0) => usual,
        (_, failures) => usual.min(SOON.saturating_mul(failures.max(1))),
    }
}

async fn check(desk: &Desk, account: Arc<Account>) -> Checked {
    let provider = account.provider();
    let told = {
        let mut question = std::pin::pin!(provider.limits());
        if let Ok(told) = tokio::time::timeout(PATIENCE, &mut question).await {
            told
        } else {
            met(desk, &account);
            question.await
        }
    };
    let is_answered = match told {
        Ok(Some(limits)) => {
            learn(desk, &account, limits);
            true
        }
        Ok(None) => true,
        Err(error) => trouble(desk, &account, &error),
    };
    met(desk, &account);
    Checked {
        account,
        provider,
        is_answered,
    }
}

/// The account is known as far as it will be for now: what waited for that goes on.
fn met(desk: &Desk, account: &Account) {
    if account.asked() {
        desk.store.changes().nudge(Lane::Dispatch);
    }
}

fn learn(desk: &Desk, account: &Account, limits: AccountLimits) {
    let (name, now) = (account.name(), desk.now());
    let (credits, was_out) = (limits.credits, account.is_out(now));
    tracing::debug!(account = name, credits, "the account says what it may do");
    account.learn(limits, now);
    if credits == Some(0) {
        account.expel();
        if !was_out {
            tracing::error!(
                account = name,
                "the account has no credits left: no new tasks go to it"
            );
        }
        return;
    }
    account.readmit();
    if was_out {
        tracing::info!(account = name, credits, "the account is fit again");
        desk.store.changes().nudge(Lane::Dispatch);
    }
}

/// Whether the question counts as answered.
fn trouble(desk: &Desk, account: &Account, error: &ProviderError) -> bool {
    let name = account.name();
    if error.kind != ProviderErrorKind::Unauthorized {
        tracing::debug!(account = name, kind = ?error.kind, %error, "the account could not be asked about");
        return false;
    }
    if !account.is_out(desk.now()) {
        tracing::error!(account = name, %error, "the provider refuses the key: no new tasks go to the account");
    }
    account.expel();
    true
}

/// For how long tasks wait for what a new account says of its limits.
const PATIENCE: Duration = Duration::from_secs(3);
/// Accounts asked about at the same time.
const AT_ONCE: usize = 8;
/// When an account is asked about again that is out, or gave no answer.
const SOON: Duration = Duration::from_secs(30);
/// The share of a wait that chance may take off, at most.
const JITTER: f64 = 0.2;
/// How soon a new account is found, or one that went out.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_is_out_or_silent_is_asked_about_sooner_and_never_later_than_usual() {
        let (usual, brief) = (Duration::from_mins(5), Duration::from_secs(10));
        assert_eq!(wait(false, 0, usual), usual);
        assert_eq!(wait(true, 0, usual), SOON);
        assert_eq!(wait(false, 2, usual), SOON * 2);
        assert_eq!(wait(true, u32::MAX, usual), usual);
        assert_eq!(wait(true, 0, brief), brief);
    }
}
