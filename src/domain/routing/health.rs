//! What recent answers say of an account: pure, with `now` passed in.
//!
//! Two things are kept apart. A *fault* (bad key, no credits, no rights) is the account's and takes
//! it out of new requests after several in a row. A *quota* is one model's and cools that model.

use std::collections::BTreeMap;

use crate::domain::task::{Event, Rejection, RejectionKind};
use crate::domain::time::Timestamp;

/// The health of one account.
#[derive(Clone, Debug, Default)]
pub struct Health {
    faults: u32,
    out_until: Option<Timestamp>,
    cooling: BTreeMap<String, Cooling>,
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
        self.faults = 0;
        self.out_until = None;
        self.cooling.remove(model);
    }

    /// The account refused a request for `model`.
    pub fn rejected(&mut self, model: &str, rejection: &Rejection, now: Timestamp) {
        match rejection.kind {
            RejectionKind::Account => {
                self.faults = self.faults.saturating_add(1);
                if self.faults >= FAULTS {
                    self.out_until = Some(now.after(OUT));
                }
            }
            RejectionKind::Quota => self.cool(model, rejection, now),
            RejectionKind::Caller | RejectionKind::Moderated => self.faults = 0,
            RejectionKind::Unavailable | RejectionKind::NotSent => {}
        }
    }

    /// Whether new requests are refused because the account is out.
    pub fn is_out(&self, now: Timestamp) -> bool {
        self.out_until(now).is_some()
    }

    /// Until when the account is out; `None` when it is not.
    pub fn out_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.out_until.filter(|until| now < *until)
    }

    /// Not before when `model` may be tried again; `None` when it may be tried now.
    pub fn cooling_until(&self, model: &str, now: Timestamp) -> Option<Timestamp> {
        self.cooling
            .get(model)
            .map(|cooling| cooling.until)
            .filter(|until| now < *until)
    }

    /// What a waiting task for `model` is told, when the account is not to be tried now.
    pub fn deferral(&self, model: &str, now: Timestamp) -> Option<Event> {
        let (not_before, why) = match (self.out_until(now), self.cooling_until(model, now)) {
            (Some(until), _) => (until, "waiting for a usable account of the provider"),
            (None, Some(until)) => (until, "waiting for the provider's quota"),
            (None, None) => return None,
        };
        let why = why.to_owned();
        Some(Event::Deferred { not_before, why })
    }

    fn cool(&mut self, model: &str, rejection: &Rejection, now: Timestamp) {
        if self.cooling.len() >= MODELS && !self.cooling.contains_key(model) {
            return;
        }
        // Creates that were on their way together are one strike.
        let known = self.cooling.get(model).copied();
        let strikes = match known {
            Some(cooling) if now < cooling.until => cooling.strikes,
            Some(cooling) => cooling.strikes.saturating_add(1),
            None => 1,
        };
        let rest = crate::domain::schedule::quota_cooldown(strikes, rejection.retry_after);
        let earlier = known.map_or(now, |cooling| cooling.until);
        let cooling = Cooling {
            strikes,
            until: now.after(rest).max(earlier),
        };
        self.cooling.insert(model.to_owned(), cooling);
    }
}

/// Faults in a row that take an account out.
const FAULTS: u32 = 3;
/// For how long it is out before new requests are let in again.
const OUT: std::time::Duration = std::time::Duration::from_mins(1);
/// Models remembered as cooling.
const MODELS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(kind: RejectionKind) -> Rejection {
        Rejection {
            kind,
            message: String::new(),
            code: String::new(),
            retry_after: None,
        }
    }

    #[test]
    fn one_fault_does_not_take_an_account_out_and_three_do() {
        let mut health = Health::default();
        let now = Timestamp(1_000);
        for expected in [false, false, true] {
            health.rejected("m", &rejection(RejectionKind::Account), now);
            assert_eq!(health.is_out(now), expected);
        }
        assert!(!health.is_out(now.after(OUT)));
        health.accepted("m");
        assert!(!health.is_out(now));
    }

    #[test]
    fn a_quota_cools_its_model_alone_and_for_longer_each_time() {
        let mut health = Health::default();
        let quota = rejection(RejectionKind::Quota);
        let now = Timestamp(1_000);
        health.rejected("m", &quota, now);
        let first = health.cooling_until("m", now).expect("it cools");
        health.rejected("m", &quota, now);
        assert_eq!(health.cooling_until("m", now), Some(first), "one episode");
        health.rejected("m", &quota, first);
        let second = health.cooling_until("m", first).expect("it cools again");
        assert!(second.since(first) > first.since(now));
        assert_eq!(health.cooling_until("other", now), None);
        assert!(!health.is_out(now));
    }

    #[test]
    fn a_task_waits_for_the_account_before_its_quota_and_for_nothing_else() {
        let mut health = Health::default();
        let now = Timestamp(1_000);
        assert_eq!(health.deferral("m", now), None);
        health.rejected("m", &rejection(RejectionKind::Quota), now);
        let told = |health: &Health, model| match health.deferral(model, now) {
            Some(Event::Deferred { not_before, why }) => Some((not_before, why)),
            _ => None,
        };
        let (until, why) = told(&health, "m").expect("it waits");
        assert_eq!(Some(until), health.cooling_until("m", now));
        assert!(why.contains("quota"), "{why}");
        assert_eq!(told(&health, "other"), None);
        for _ in 0..FAULTS {
            health.rejected("m", &rejection(RejectionKind::Account), now);
        }
        let (until, why) = told(&health, "other").expect("it waits");
        assert_eq!(until, now.after(OUT));
        assert!(why.contains("usable account"), "{why}");
    }
}
