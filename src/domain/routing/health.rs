//! What recent answers say of an account: pure, with `now` passed in.
//!
//! Four things are kept apart. A *fault of the account* (bad key, no credits, no rights) takes all
//! of it out until its limits are read again with credits left, the configuration changes, or a long
//! pause is over. A *quota* is one model's and cools that model for long. *Our own* failures to reach
//! the provider and *the provider's* errors have a breaker each, by model.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Breaker, BreakerSettings};
use crate::domain::schedule::quota_cooldown;
use crate::domain::task::{Rejection, RejectionKind};
use crate::domain::time::Timestamp;

/// The health of one account.
#[derive(Clone, Debug, Default)]
pub struct Health {
    faults: u32,
    /// How often it was taken out in a row.
    outs: u32,
    out_until: Option<Timestamp>,
    /// The provider itself said that the account is of no use; it stays out until it says otherwise.
    is_expelled: bool,
    models: BTreeMap<String, ModelHealth>,
}

/// What is to be reckoned with when an account is judged.
#[derive(Clone, Copy, Debug)]
pub struct Judging {
    /// When breakers open.
    pub breaker: BreakerSettings,
    /// The moment.
    pub now: Timestamp,
    /// A random number in 0..1.
    pub random: f64,
}

/// Why an account is not to be tried for a model, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Until when; the present moment where that is decided at any moment.
    pub until: Timestamp,
    /// Why, for people.
    pub why: &'static str,
}

#[derive(Clone, Copy, Debug, Default)]
struct ModelHealth {
    own: Breaker,
    provider: Breaker,
    quota: Option<Cooling>,
}

/// A model that the provider refuses for its quota.
#[derive(Clone, Copy, Debug)]
struct Cooling {
    strikes: u32,
    until: Timestamp,
}

impl Health {
    /// The account took a request for `model`.
    pub fn accepted(&mut self, model: &str) {
        self.readmit();
        self.models.remove(model);
    }

    /// The account refused a request for `model`.
    pub fn rejected(&mut self, model: &str, rejection: &Rejection, judging: Judging) {
        let Judging { breaker, now, .. } = judging;
        if rejection.kind == RejectionKind::Account {
            self.account_fault(now);
        }
        let Some(health) = self.model(model) else {
            return;
        };
        match rejection.kind {
            RejectionKind::Quota => health.cool(rejection, now),
            RejectionKind::Unavailable => health.provider.fault(breaker, now, judging.random),
            RejectionKind::NotSent => health.own.fault(breaker, now, judging.random),
            // It answers, and judges what it is sent.
            RejectionKind::Caller | RejectionKind::Moderated => {
                health.own.close();
                health.provider.close();
                self.faults = 0;
            }
            RejectionKind::Account => health.own.close(),
        }
        self.spared(model);
    }

    /// Whether the account took a request for `model` is not known.
    pub fn unknown(&mut self, model: &str, judging: Judging) {
        if let Some(health) = self.model(model) {
            let Judging { breaker, now, .. } = judging;
            health.provider.fault(breaker, now, judging.random);
            health.own.said_nothing();
        }
    }

    /// A create for `model` is about to be sent.
    pub fn sending(&mut self, model: &str, now: Timestamp) {
        if let Some(health) = self.models.get_mut(model) {
            health.own.went(now);
            health.provider.went(now);
        }
    }

    /// The create for `model` was not sent after all.
    pub fn spared(&mut self, model: &str) {
        if let Some(health) = self.models.get_mut(model) {
            health.own.said_nothing();
            health.provider.said_nothing();
        }
    }

    /// The account answered a question about a task of `model`: the way there is open.
    pub fn polled(&mut self, model: &str) {
        for health in self.models.values_mut() {
            health.own.answered();
        }
        if let Some(health) = self.models.get_mut(model) {
            health.own.close();
            health.provider.answered();
        }
    }

    /// The provider said that the account is of no use: its key is refused, or it has no credits.
    /// It is out until [`Health::readmit`].
    pub const fn expel(&mut self) {
        self.is_expelled = true;
    }

    /// The account is fit again, says the configuration or the provider.
    pub const fn readmit(&mut self) {
        (self.faults, self.outs, self.out_until) = (0, 0, None);
        self.is_expelled = false;
    }

    /// Whether new requests are refused because the account is out.
    pub fn is_out(&self, now: Timestamp) -> bool {
        self.out_until(now).is_some()
    }

    /// Until when the account is out, as far as is known now; `None` when it is not.
    pub fn out_until(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_expelled {
            return Some(now.after(NEXT_LOOK));
        }
        self.out_until.filter(|until| now < *until)
    }

    /// Why and until when the account is not to be tried for `model`; `None`: it may be.
    pub fn unfit(&self, model: &str, now: Timestamp) -> Option<Unfit> {
        let unfit = |until, why| Some(Unfit { until, why });
        if let Some(until) = self.out_until(now) {
            return unfit(until, "waiting for a usable account of the provider");
        }
        let health = self.models.get(model)?;
        if let Some(cooling) = health.quota.filter(|cooling| now < cooling.until) {
            return unfit(cooling.until, "waiting for the provider's quota");
        }
        if let Some(until) = health.own.closed_until(now) {
            return unfit(until, "waiting for the provider to be reached again");
        }
        let until = health.provider.closed_until(now)?;
        unfit(until, "waiting for the provider to recover")
    }

    /// Whether the account is not to be tried for `model`, even by the task that was let through to
    /// try it.
    pub fn is_refused(&self, model: &str, now: Timestamp) -> bool {
        let mut without = self.clone();
        without.spared(model);
        without.unfit(model, now).is_some()
    }

    fn account_fault(&mut self, now: Timestamp) {
        self.faults = self.faults.saturating_add(1);
        if self.faults < FAULTS || self.is_out(now) {
            return;
        }
        let factor = 1_u32.checked_shl(self.outs).unwrap_or(u32::MAX);
        let out = FIRST_OUT.saturating_mul(factor).min(LONGEST_OUT);
        self.outs = self.outs.saturating_add(1);
        self.out_until = Some(now.after(out));
    }

    /// What is known of a model; `None` when too many are known already.
    fn model(&mut self, model: &str) -> Option<&mut ModelHealth> {
        if self.models.len() >= MODELS && !self.models.contains_key(model) {
            return None;
        }
        Some(self.models.entry(model.to_owned()).or_default())
    }
}

impl ModelHealth {
    fn cool(&mut self, rejection: &Rejection, now: Timestamp) {
        // Creates that were on their way together are one strike.
        let strikes = match self.quota {
            Some(cooling) if now < cooling.until => cooling.strikes,
            Some(cooling) => cooling.strikes.saturating_add(1),
            None => 1,
        };
        let rest = quota_cooldown(strikes, rejection.retry_after);
        let earlier = self.quota.map_or(now, |cooling| cooling.until);
        self.quota = Some(Cooling {
            strikes,
            until: now.after(rest).max(earlier),
        });
    }
}

/// Faults in a row that take an account out; after that each one does, until it takes a request.
const FAULTS: u32 = 3;
/// For how long it is out before new requests are let in again, the first time.
const FIRST_OUT: Duration = Duration::from_mins(5);
/// The longest such time.
const LONGEST_OUT: Duration = Duration::from_hours(1);
/// When a task that waits for an account which its provider calls useless is looked at again.
const NEXT_LOOK: Duration = Duration::from_mins(1);
/// Models of which something is remembered.
const MODELS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use RejectionKind::{Account, Caller, NotSent, Quota, Unavailable};

    const NOW: Timestamp = Timestamp(1_000);

    fn rejection(kind: RejectionKind) -> Rejection {
        Rejection {
            kind,
            message: String::new(),
            code: String::new(),
            retry_after: None,
        }
    }

    fn at(now: Timestamp) -> Judging {
        Judging {
            breaker: BreakerSettings::default(),
            now,
            random: 0.0,
        }
    }

    fn rejected(health: &mut Health, kind: RejectionKind, times: usize, now: Timestamp) {
        for _ in 0..times {
            health.rejected("m", &rejection(kind), at(now));
        }
    }

    fn why(health: &Health, model: &str, now: Timestamp) -> &'static str {
        health.unfit(model, now).map_or("", |unfit| unfit.why)
    }

    #[test]
    fn one_fault_does_not_take_an_account_out_and_three_do() {
        let mut health = Health::default();
        for expected in [false, false, true] {
            rejected(&mut health, Account, 1, NOW);
            assert_eq!(health.is_out(NOW), expected);
        }
        assert!(why(&health, "another", NOW).contains("usable account"));
        assert!(!health.is_out(NOW.after(FIRST_OUT)));
        health.accepted("m");
        assert!(!health.is_out(NOW));
    }

    #[test]
    fn an_account_that_is_let_in_and_fails_again_is_out_for_longer() {
        let (mut health, mut now) = (Health::default(), NOW);
        rejected(&mut health, Account, 3, now);
        let mut minutes = Vec::new();
        for _ in 0..6 {
            let until = health.out_until(now).expect("it is out");
            minutes.push(until.since(now).as_secs() / 60);
            now = until;
            rejected(&mut health, Account, 1, now);
        }
        assert_eq!(minutes, [5, 10, 20, 40, 60, 60]);
        health.readmit();
        assert!(!health.is_out(now));
        rejected(&mut health, Account, 1, now);
        assert!(!health.is_out(now), "begun anew");
    }

    #[test]
    fn an_expelled_account_stays_out_until_it_is_readmitted() {
        let mut health = Health::default();
        health.expel();
        assert!(health.is_out(NOW) && health.is_out(NOW.after(LONGEST_OUT * 1_000)));
        assert!(why(&health, "m", NOW).contains("usable account"));
        health.readmit();
        assert_eq!(health.unfit("m", NOW), None);
    }

    #[test]
    fn a_quota_cools_its_model_alone_and_for_longer_each_time() {
        let mut health = Health::default();
        rejected(&mut health, Quota, 1, NOW);
        let first = health.unfit("m", NOW).expect("it cools");
        assert!(first.why.contains("quota"));
        rejected(&mut health, Quota, 1, NOW);
        assert_eq!(health.unfit("m", NOW), Some(first.clone()), "one episode");
        rejected(&mut health, Quota, 1, first.until);
        let second = health.unfit("m", first.until).expect("it cools again");
        assert!(second.until.since(first.until) > first.until.since(NOW));
        assert_eq!(health.unfit("other", NOW), None);
        assert!(!health.is_out(NOW));
    }

    #[test]
    fn own_and_the_providers_errors_are_counted_apart() {
        let mut health = Health::default();
        rejected(&mut health, NotSent, 2, NOW);
        rejected(&mut health, Unavailable, 2, NOW);
        assert_eq!(health.unfit("m", NOW), None);
        rejected(&mut health, NotSent, 1, NOW);
        assert!(why(&health, "m", NOW).contains("reached"));
        assert_eq!(health.unfit("other", NOW), None);
        // A poll gets through: the way is open, and says nothing of the provider's errors.
        health.polled("m");
        assert_eq!(health.unfit("m", NOW), None);
        rejected(&mut health, Unavailable, 1, NOW);
        assert!(why(&health, "m", NOW).contains("recover"));
        health.polled("m");
        assert!(why(&health, "m", NOW).contains("recover"), "not that soon");
    }

    #[test]
    fn answers_that_prove_nothing_open_the_breaker_too() {
        let mut health = Health::default();
        for _ in 0..3 {
            health.unknown("m", at(NOW));
        }
        assert!(why(&health, "m", NOW).contains("recover"));
    }

    #[test]
    fn a_refused_request_says_that_the_account_works() {
        let mut health = Health::default();
        rejected(&mut health, Unavailable, 2, NOW);
        rejected(&mut health, Account, 2, NOW);
        rejected(&mut health, Caller, 1, NOW);
        rejected(&mut health, Unavailable, 2, NOW);
        rejected(&mut health, Account, 2, NOW);
        assert_eq!(health.unfit("m", NOW), None);
    }

    #[test]
    fn the_models_that_are_remembered_are_bounded() {
        let mut health = Health::default();
        for n in 0..(MODELS + 100) {
            health.rejected(&n.to_string(), &rejection(Quota), at(NOW));
        }
        assert_eq!(health.models.len(), MODELS);
    }
}
