//! What a task counts against its key's budget: a pure function of the task as it stands, so that a
//! budget is settled by the same write that changes the task.

use super::{Attempt, Task};
use crate::domain::money::{Charge, Millicredits};

impl Task {
    /// What its key's budget has to hold for it now.
    ///
    /// Until the end that is what earlier attempts may have cost, and what is reserved for the one
    /// that runs or comes next. After it, that is the bill; where the bill is not known, the most
    /// that it may be. An amount that nobody knows counts for nothing.
    pub fn committed_spend(&self) -> Millicredits {
        let ended = self.state.is_terminal();
        let live = self
            .current_attempt()
            .filter(|attempt| !ended && attempt.outcome.is_live())
            .map(|attempt| attempt.number);
        let over = |attempt: &&Attempt| Some(attempt.number) != live;
        let past = self.attempts.iter().filter(over);
        let past = past.fold(Millicredits(0), |sum, attempt| sum.plus(self.bill(attempt)));
        if ended {
            past
        } else {
            past.plus(self.held(live))
        }
    }

    /// What is held back for the live attempt, or for the next.
    fn held(&self, live: Option<u32>) -> Millicredits {
        let live = self.attempts.iter().find(|a| Some(a.number) == live);
        let reserve = self.reserve.or(self.estimate).unwrap_or_default();
        let Some(attempt) = live else { return reserve };
        let own = attempt.cost.estimated.unwrap_or_default();
        attempt.cost.actual.unwrap_or_else(|| own.max(reserve))
    }

    /// What an attempt that is over cost, as far as is known; at most otherwise.
    fn bill(&self, attempt: &Attempt) -> Millicredits {
        if attempt.cost.charge == Charge::None {
            return Millicredits(0);
        }
        let most = attempt.cost.estimated.or(self.reserve).or(self.estimate);
        attempt.cost.actual.or(most).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::samples::{
        ESTIMATE, accepted, ambiguous, archived, booked, claimed, failure, rejected, seen,
        situations, succeeded, task, walk,
    };
    use crate::domain::task::{Event, UnknownPolicy, UpstreamStatus, Verdict};
    use crate::domain::time::Timestamp;

    fn spend(events: &[Event]) -> u64 {
        walk(task(1), events).committed_spend().0
    }

    #[test]
    fn the_reserve_is_held_until_the_bill_is_known() {
        let most = ESTIMATE.0;
        assert_eq!(spend(&[]), most);
        assert_eq!(spend(&[claimed()]), most);
        assert_eq!(spend(&[claimed(), accepted(1)]), most);
        assert_eq!(spend(&[claimed(), ambiguous(1)]), most);
        let done = walk(task(1), &[claimed(), accepted(1), succeeded(), archived()]);
        let cost = done.cost();
        let bill = cost.actual.or(cost.estimated).expect("it has a price");
        assert_eq!(done.committed_spend(), bill);
        assert!(bill < ESTIMATE, "the provider's figure is the lower one");
    }

    #[test]
    fn what_is_proved_free_counts_for_nothing() {
        let fail = [claimed(), rejected(1, Verdict::Fail(failure()))];
        assert_eq!(spend(&fail), 0);
        assert_eq!(spend(&[Event::CancelRequested]), 0);
        let again = [claimed(), rejected(1, Verdict::Retry(Timestamp(0)))];
        assert_eq!(spend(&again), ESTIMATE.0, "the next attempt is held for");
    }

    #[test]
    fn what_may_have_been_charged_counts_beside_what_follows() {
        let resubmit = Event::DeadlinePassed(UnknownPolicy::Resubmit);
        let lost = [claimed(), ambiguous(1), resubmit];
        assert_eq!(spend(&lost), 2 * ESTIMATE.0);
        let given_up = [
            claimed(),
            ambiguous(1),
            Event::DeadlinePassed(UnknownPolicy::Fail),
        ];
        assert_eq!(spend(&given_up), ESTIMATE.0);
    }

    #[test]
    fn a_late_bill_settles_it_up_or_down() {
        let timed_out = |book| {
            let book_until = Timestamp(9);
            let mut walk = vec![
                claimed(),
                accepted(1),
                Event::TimedOut {
                    attempt: 1,
                    book_until,
                },
            ];
            walk.extend(book);
            spend(&walk)
        };
        let before = timed_out(None);
        assert!(before > 0);
        assert_eq!(timed_out(Some(booked(Some(0)))), 0);
        assert_eq!(timed_out(Some(booked(Some(99_000)))), 99_000);
        assert_eq!(timed_out(Some(booked(None))), before);
    }

    #[test]
    fn a_dearer_attempt_than_reserved_is_held_for_in_full() {
        let mut dear = walk(task(1), &[claimed()]);
        dear.attempts[0].cost.estimated = Some(Millicredits(ESTIMATE.0 + 1));
        assert_eq!(dear.committed_spend().0, ESTIMATE.0 + 1);
        dear.attempts[0].cost.estimated = Some(Millicredits(1));
        assert_eq!(dear.committed_spend(), ESTIMATE);
    }

    #[test]
    fn a_task_of_unknown_price_holds_nothing_and_pays_its_bill() {
        let mut unpriced = task(1);
        (unpriced.estimate, unpriced.reserve) = (None, None);
        assert_eq!(unpriced.committed_spend(), Millicredits(0));
        let cancelled = seen(UpstreamStatus::Cancelled);
        let mut over = walk(unpriced, &[claimed(), accepted(1), cancelled]);
        over.attempts[0].cost.actual = Some(Millicredits(7));
        assert_eq!(over.committed_spend(), Millicredits(7));
    }

    #[test]
    fn no_situation_spends_more_than_its_attempts_and_the_next_may_cost() {
        for (name, events) in situations() {
            let task = walk(task(1), &events);
            let parts = task.attempts.len() as u64 + 1;
            assert!(task.committed_spend().0 <= parts * ESTIMATE.0, "{name}");
        }
    }
}
