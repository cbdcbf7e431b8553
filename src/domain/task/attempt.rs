//! One create call at one deployment: the unit that can cost money.

use std::time::Duration;

use super::failure::{Failure, Rejection, RejectionKind};
use crate::domain::money::{Charge, Cost, Millicredits};
use crate::domain::time::Timestamp;

/// What became of a create call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// Sent, or about to be; no answer recorded yet.
    Pending,
    /// The provider runs a task for it.
    Accepted,
    /// Proved that no task exists, or asserted so by an operator or a policy.
    Rejected,
    /// Nothing is proved.
    Unknown,
    /// Accepted, and the provider's task then ended without an output to keep.
    Ended,
    /// Never sent: the deployment could not take the request as it is.
    Skipped,
}

impl AttemptOutcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Accepted,
        Self::Rejected,
        Self::Unknown,
        Self::Ended,
        Self::Skipped,
    ];

    /// The name in the store and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Accepted => "ACCEPTED",
            Self::Rejected => "REJECTED",
            Self::Unknown => "UNKNOWN",
            Self::Ended => "ENDED",
            Self::Skipped => "SKIPPED",
        }
    }

    /// The outcome of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
    }

    /// Whether another attempt beside this one could be a second charge.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Accepted | Self::Unknown)
    }
}

/// One create call, from its intent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// 1, 2, 3… within the task.
    pub number: u32,
    /// The deployment it went to.
    pub deployment: String,
    /// The provider account behind the deployment; provider ids are unique within it.
    pub account: String,
    /// The model there, by the catalogue's id of it; empty in records of older versions: the task's.
    pub model: String,
    /// What was asked for otherwise than by the caller, for people; empty: nothing.
    pub changes: String,
    /// When the intent was committed.
    pub started: Timestamp,
    /// When the provider's task was first seen to run.
    pub running: Option<Timestamp>,
    /// When the outcome became final.
    pub ended: Option<Timestamp>,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// The provider's task id, once known. Evidence: kept whatever the task's state.
    pub upstream_id: Option<String>,
    /// Why it was rejected or is unknown, for people.
    pub reason: String,
    /// Whose fault a proved rejection was; what the next wait is reckoned from.
    pub fault: Option<RejectionKind>,
    /// What it cost.
    pub cost: Cost,
    /// Until when the provider is still asked for the real cost after the task ended.
    pub book_until: Option<Timestamp>,
}

impl Attempt {
    /// An attempt whose intent is being recorded; it may cost what is estimated from now on.
    pub fn intended(
        number: u32,
        deployment: &str,
        account: &str,
        estimated: Option<Millicredits>,
        now: Timestamp,
    ) -> Self {
        Self {
            number,
            deployment: deployment.to_owned(),
            account: account.to_owned(),
            model: String::new(),
            changes: String::new(),
            started: now,
            running: None,
            ended: None,
            outcome: AttemptOutcome::Pending,
            upstream_id: None,
            reason: String::new(),
            fault: None,
            cost: Cost {
                estimated,
                actual: None,
                charge: Charge::ChargedOrUnknown,
            },
            book_until: None,
        }
    }

    /// A deployment that was passed over: no create was sent, and nothing can be charged.
    pub fn skipped(
        number: u32,
        deployment: &str,
        account: &str,
        why: &str,
        now: Timestamp,
    ) -> Self {
        let mut attempt = Self::intended(number, deployment, account, None, now);
        attempt.outcome = AttemptOutcome::Skipped;
        why.clone_into(&mut attempt.reason);
        attempt.cost = Cost::default();
        attempt.ended = Some(now);
        attempt
    }

    /// The model there; `own`, the task's, where older records do not say.
    pub fn model_or<'a>(&'a self, own: &'a str) -> &'a str {
        if self.model.is_empty() {
            own
        } else {
            &self.model
        }
    }

    /// How long the provider's task ran until it ended; `None` where it did not run or has not ended.
    pub fn ran(&self) -> Option<Duration> {
        Some(self.ended?.since(self.running?))
    }

    /// Whether it is over for us, and neither a charge nor its absence is proved.
    pub(super) fn is_unproved(&self) -> bool {
        let asserted = self.outcome == AttemptOutcome::Rejected
            && self.cost.charge == Charge::ChargedOrUnknown;
        self.upstream_id.is_none() && (asserted || self.outcome == AttemptOutcome::Unknown)
    }

    /// `estimated` is the provider's figure, which is better than ours.
    pub(super) fn accept(&mut self, upstream_id: &str, estimated: Option<Millicredits>) {
        self.outcome = AttemptOutcome::Accepted;
        self.upstream_id = Some(upstream_id.to_owned());
        self.cost = Cost {
            estimated,
            actual: None,
            charge: Charge::Estimated,
        };
    }

    pub(super) fn reject(&mut self, rejection: &Rejection, now: Timestamp) {
        self.outcome = AttemptOutcome::Rejected;
        rejection.message.clone_into(&mut self.reason);
        self.fault = Some(rejection.kind);
        self.cost = Cost::default();
        self.ended = Some(now);
    }

    /// A rejection that somebody asserts and nothing proves: the bill stays open.
    pub(super) fn assert_rejected(&mut self, reason: &str, now: Timestamp) {
        self.outcome = AttemptOutcome::Rejected;
        reason.clone_into(&mut self.reason);
        self.cost.charge = Charge::ChargedOrUnknown;
        self.ended = Some(now);
    }

    pub(super) fn lose(&mut self, reason: &str) {
        self.outcome = AttemptOutcome::Unknown;
        reason.clone_into(&mut self.reason);
        self.cost.charge = Charge::ChargedOrUnknown;
    }

    /// Books the provider's final word on the price; `charge` is for when it gave none.
    pub(super) fn bill(&mut self, actual: Option<Millicredits>, charge: Charge) {
        self.cost.charge = match actual {
            Some(Millicredits(0)) => Charge::None,
            Some(_) => Charge::Charged,
            None => charge,
        };
        self.cost.actual = actual.or(self.cost.actual);
    }

    pub(super) fn end(&mut self, now: Timestamp) {
        self.outcome = AttemptOutcome::Ended;
        self.ended = Some(now);
    }

    /// The provider's task failed; why stays with the attempt, since the task may go on.
    pub(super) fn fail(&mut self, failure: &Failure) {
        self.reason = match failure.provider_code.as_str() {
            "" => failure.message.clone(),
            code => format!("{} ({code})", failure.message),
        };
    }
}

/// The bill over all `attempts`. One that was proved free counts for nothing.
///
/// The estimate is the most that all of them may cost, so it is known only when each part is. The
/// actual amount is what is known to be charged so far; a charge without an amount beside it makes
/// the whole [`Charge::ChargedOrUnknown`], for the amount is then not all of it.
pub fn total<'a>(attempts: impl IntoIterator<Item = &'a Cost>) -> Cost {
    let (mut sum, mut most, mut unsaid) = (Cost::default(), Some(None), false);
    for part in attempts {
        if *part == Cost::default() {
            continue;
        }
        most = most.and_then(|most| Some(Some(plus(most, part.estimated?))));
        sum.actual = part
            .actual
            .map_or(sum.actual, |more| Some(plus(sum.actual, more)));
        unsaid |= part.charge == Charge::Charged && part.actual.is_none();
        sum.charge = worse(sum.charge, part.charge);
    }
    if unsaid && sum.actual.is_some() {
        sum.charge = worse(sum.charge, Charge::ChargedOrUnknown);
    }
    sum.estimated = most.flatten();
    sum
}

fn plus(sum: Option<Millicredits>, more: Millicredits) -> Millicredits {
    sum.map_or(more, |sum| sum.plus(more))
}

/// The less certain of two, so that a sum never claims more than its parts prove.
const fn worse(a: Charge, b: Charge) -> Charge {
    match (a, b) {
        (Charge::ChargedOrUnknown, _) | (_, Charge::ChargedOrUnknown) => Charge::ChargedOrUnknown,
        (Charge::Estimated, _) | (_, Charge::Estimated) => Charge::Estimated,
        (Charge::Charged, _) | (_, Charge::Charged) => Charge::Charged,
        (Charge::None, Charge::None) => Charge::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(estimated: Option<u64>, actual: Option<u64>, charge: Charge) -> Cost {
        let mut attempt = Attempt::intended(1, "d", "a", estimated.map(Millicredits), Timestamp(0));
        attempt.bill(actual.map(Millicredits), charge);
        attempt.cost
    }

    #[test]
    fn a_refund_to_zero_is_no_charge() {
        assert_eq!(cost(None, Some(0), Charge::Charged).charge, Charge::None);
    }

    #[test]
    fn attempts_sum_as_the_table_says() {
        use Charge::{Charged, ChargedOrUnknown, Estimated};
        let free = Cost::default();
        let refunded = cost(Some(9), Some(0), Charged);
        for (parts, estimated, actual, charge) in [
            (vec![], None, None, Charge::None),
            (vec![free, free], None, None, Charge::None),
            (
                vec![free, cost(Some(5), None, Estimated)],
                Some(5),
                None,
                Estimated,
            ),
            // What failed after it was charged counts beside what follows.
            (
                vec![
                    cost(Some(5), Some(4), Charged),
                    cost(Some(7), Some(6), Charged),
                ],
                Some(12),
                Some(10),
                Charged,
            ),
            (
                vec![
                    cost(Some(5), Some(4), Charged),
                    cost(Some(7), None, Estimated),
                ],
                Some(12),
                Some(4),
                Estimated,
            ),
            // The most that may be charged is not known when a part of it is not.
            (
                vec![
                    cost(None, None, ChargedOrUnknown),
                    cost(Some(7), Some(6), Charged),
                ],
                None,
                Some(6),
                ChargedOrUnknown,
            ),
            // Six is not all: the other charge has no amount.
            (
                vec![
                    cost(Some(5), None, Charged),
                    cost(Some(7), Some(6), Charged),
                ],
                Some(12),
                Some(6),
                ChargedOrUnknown,
            ),
            (vec![cost(Some(5), None, Charged)], Some(5), None, Charged),
            (vec![refunded], Some(9), Some(0), Charge::None),
            (
                vec![refunded, cost(Some(5), Some(5), Charged)],
                Some(14),
                Some(5),
                Charged,
            ),
        ] {
            let expected = Cost {
                estimated: estimated.map(Millicredits),
                actual: actual.map(Millicredits),
                charge,
            };
            assert_eq!(total(&parts), expected, "{parts:?}");
        }
    }
}
