//! What an account remembers, and what becomes of accounts in reloads.

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
    assert!(account.deferral("m", now).is_none());
    account.accepted("m");
    assert!(account.is_used_up("m", now));
    assert!(account.deferral("m", now).is_some());
    assert!(account.deferral("other", now).is_none());
    assert!(!account.is_used_up("m", now.after(STALE)));
    account.learn(limits(2), now);
    assert!(!account.is_used_up("m", now));
}

#[test]
fn an_expelled_account_is_out_until_it_is_readmitted_or_its_key_is_another() {
    let (account, now) = (account("a"), Timestamp(1_000));
    for mend in [Account::readmit, Account::forget] {
        account.expel();
        assert!(account.is_out(now) && account.deferral("m", now).is_some());
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
