//! What each account may do and has left, by the provider's own word: asked on start, after a
//! reload, and then slowly; sooner while an account is out.
//!
//! Questions are free and no task waits for them. Nothing is stored: whoever starts asks again.

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
            plan.put_back(&desk, checked);
        }
        tokio::select! {
            () = desk.shutdown.draining() => return,
            () = tokio::time::sleep(plan.rest(desk.now())) => {}
        }
    }
}

/// When each account is asked about next. One that was replaced, or is talked to by another, is
/// asked about at once.
#[derive(Default)]
struct Plan(HashMap<String, Planned>);

struct Planned {
    provider: Arc<dyn Provider>,
    at: Timestamp,
    /// Questions in a row without an answer.
    failures: u32,
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
        self.0.retain(|name, _| accounts.is_live(name));
        let is_due = |account: &&Arc<Account>| match self.0.get(account.name()) {
            Some(planned) => {
                planned.at <= now || !Arc::ptr_eq(&planned.provider, &account.provider())
            }
            None => true,
        };
        accounts.all().filter(is_due).cloned().collect()
    }

    fn put_back(&mut self, desk: &Desk, checked: Checked) {
        let name = checked.account.name();
        let failures = match (checked.is_answered, self.0.get(name)) {
            (true, _) => 0,
            (false, Some(planned)) => planned.failures.saturating_add(1),
            (false, None) => 1,
        };
        let now = desk.now();
        let usual = desk.settings.check_accounts;
        let wait = match (checked.account.is_out(now), failures) {
            (false, 0) => usual,
            (true, 0) => usual.min(SOON),
            (_, failures) => usual.min(SOON.saturating_mul(failures)),
        };
        let planned = Planned {
            provider: checked.provider,
            at: now.after(wait.mul_f64(1.0 - JITTER * rand::random::<f64>())),
            failures,
        };
        self.0.insert(name.to_owned(), planned);
    }

    fn rest(&self, now: Timestamp) -> Duration {
        let next = self.0.values().map(|planned| planned.at.since(now)).min();
        next.unwrap_or(LONGEST_REST)
            .clamp(SHORTEST_REST, LONGEST_REST)
    }
}

async fn check(desk: &Desk, account: Arc<Account>) -> Checked {
    let provider = account.provider();
    let told = provider.limits().await;
    let is_answered = match told {
        Ok(Some(limits)) => {
            learn(desk, &account, limits);
            true
        }
        Ok(None) => true,
        Err(error) => trouble(desk, &account, &error),
    };
    Checked {
        account,
        provider,
        is_answered,
    }
}

fn learn(desk: &Desk, account: &Account, limits: AccountLimits) {
    let (name, now) = (account.name(), desk.now());
    let (credits, models) = (limits.credits, limits.models.len());
    account.learn(limits, now);
    if credits == Some(0) {
        if account.expel(now) {
            tracing::error!(
                account = name,
                "the account has no credits left: no new tasks go to it"
            );
        }
    } else if account.readmit(now) {
        tracing::info!(account = name, credits, "the account is fit again");
        desk.store.changes().nudge(Lane::Dispatch);
    } else {
        tracing::debug!(
            account = name,
            credits,
            models,
            "the account says what it may do"
        );
    }
}

/// Whether the question counts as answered.
fn trouble(desk: &Desk, account: &Account, error: &ProviderError) -> bool {
    let name = account.name();
    if error.kind != ProviderErrorKind::Unauthorized {
        tracing::debug!(account = name, kind = ?error.kind, %error, "the account could not be asked about");
        return false;
    }
    if account.expel(desk.now()) {
        tracing::error!(account = name, %error, "the provider refuses the key: no new tasks go to the account");
    }
    true
}

/// Accounts asked about at the same time.
const AT_ONCE: usize = 8;
/// When an account is asked about again that is out, or gave no answer.
const SOON: Duration = Duration::from_secs(30);
/// The share of a wait that chance may take off, so that accounts are not all asked together.
const JITTER: f64 = 0.2;
/// New accounts are found within this time.
const LONGEST_REST: Duration = Duration::from_secs(1);
const SHORTEST_REST: Duration = Duration::from_millis(50);
