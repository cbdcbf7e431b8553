//! What no sequence of events, however wild, can break.

use proptest::prelude::*;

use crate::domain::money::Charge;
use crate::domain::task::samples::{
    ESTIMATE, NOW, accepted, ambiguous, claimed, events, rejected, remade, seen_of, task,
};
use crate::domain::task::{
    AttemptOutcome, Event, State, Status, Task, UnknownPolicy, UpstreamStatus, Verdict,
};
use crate::domain::time::Timestamp;

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_events_breaks_a_promise(picks in prop::collection::vec(any::<prop::sample::Index>(), 1..120)) {
        let choices = choices();
        let mut task = task(1);
        let mut now = NOW;
        for pick in picks {
            now = Timestamp(now.0 + 1);
            let event = pick.get(&choices);
            if contradicts(event, &task) {
                continue;
            }
            let Ok(next) = task.apply(event, now) else { continue };
            check_step(&task, &next, event)?;
            check_alone(&next)?;
            task = next;
        }
    }
}

/// Every kind of event, and evidence for the first three attempts. The ways forward are listed more
/// than once: chance alone seldom gets far.
fn choices() -> Vec<Event> {
    let mut all = events();
    for attempt in 1..=3 {
        all.extend([
            accepted(attempt),
            rejected(attempt, Verdict::Retry(NOW)),
            ambiguous(attempt),
            remade(attempt),
            seen_of(attempt, UpstreamStatus::Running),
        ]);
    }
    let resubmit = Event::DeadlinePassed(UnknownPolicy::Resubmit);
    for again in [claimed(), ambiguous(1), ambiguous(2), resubmit] {
        all.extend(std::iter::repeat_n(again, 8));
    }
    all
}

/// An id for what the provider proved not to exist: no create gets both answers.
fn contradicts(event: &Event, task: &Task) -> bool {
    let Event::Accepted { attempt, .. } = event else {
        return false;
    };
    task.attempts.iter().any(|a| {
        let proved = a.outcome == AttemptOutcome::Rejected && a.cost.charge == Charge::None;
        a.number == *attempt && proved
    })
}

/// What holds between a task and the next version of it.
fn check_step(before: &Task, after: &Task, event: &Event) -> Result<(), TestCaseError> {
    prop_assert_eq!(after.version, before.version + 1);
    prop_assert!(after.attempts.len() >= before.attempts.len());
    for (old, new) in before.attempts.iter().zip(&after.attempts) {
        prop_assert_eq!(old.number, new.number);
        prop_assert!(old.upstream_id.is_none() || old.upstream_id == new.upstream_id);
    }
    if before.state.is_terminal() {
        prop_assert_eq!(after.status(), before.status());
        prop_assert_eq!(after.revision, before.revision);
        prop_assert_eq!(&after.history, &before.history);
        prop_assert_eq!(after.times.completed, before.times.completed);
        let redacted = matches!(event, Event::Deleted);
        prop_assert!(redacted || after.state == before.state, "{}", event.name());
        return Ok(());
    }
    prop_assert_eq!(after.revision, before.revision + 1);
    if let (Some(from), Some(to)) = (before.status().rank(), after.status().rank()) {
        prop_assert!(to >= from, "{} shows it going back", event.name());
    }
    if let Event::Remade { attempt, .. } = event {
        let ended = after.attempts.iter().find(|a| a.number == *attempt);
        let ended = ended.map(|a| (a.outcome, a.cost.charge));
        prop_assert_eq!(ended, Some((AttemptOutcome::Ended, Charge::Charged)));
        prop_assert!(upstream_rank(before).is_some());
    } else if let (Some(from), Some(to)) = (upstream_rank(before), upstream_rank(after)) {
        prop_assert!(to >= from, "{} goes back", event.name());
    } else {
        prop_assert!(
            upstream_rank(before).is_none(),
            "{} takes it from the provider",
            event.name()
        );
    }
    Ok(())
}

/// What holds of every task.
fn check_alone(task: &Task) -> Result<(), TestCaseError> {
    let revisions: Vec<u64> = task.history.iter().map(|entry| entry.revision).collect();
    prop_assert_eq!(revisions, (1..=task.revision).collect::<Vec<_>>());
    let last = task.history.last().map(|entry| entry.status);
    prop_assert_eq!(last, Some(task.status()));
    let numbers: Vec<u32> = task.attempts.iter().map(|a| a.number).collect();
    prop_assert!(numbers.iter().copied().eq((1..).take(numbers.len())));

    let live = task.attempts.iter().filter(|a| a.outcome.is_live()).count();
    prop_assert!(live <= 1, "{live} live attempts");
    let idle = matches!(
        task.state,
        State::Queued { .. }
            | State::Cancelled {
                before_submit: true
            }
    );
    prop_assert!(!idle || live == 0);
    let served = upstream_rank(task).is_some() && !task.state.is_terminal();
    let has_id = task
        .current_attempt()
        .is_some_and(|a| a.upstream_id.is_some());
    prop_assert!(!served || (live == 1 && has_id), "nothing to poll");

    for attempt in &task.attempts {
        let proved_free = attempt.cost.charge == Charge::None;
        let may_cost = attempt.outcome.is_live() || attempt.upstream_id.is_some();
        let refunded = attempt.cost.actual.is_some_and(|actual| actual.0 == 0);
        prop_assert!(
            !(may_cost && proved_free) || refunded,
            "a bill is forgotten"
        );
        let unsent = matches!(
            attempt.outcome,
            AttemptOutcome::Rejected | AttemptOutcome::Skipped
        );
        prop_assert!(!proved_free || unsent || refunded);
        let skipped = attempt.outcome == AttemptOutcome::Skipped;
        prop_assert!(!skipped || (proved_free && attempt.upstream_id.is_none()));
    }
    let unproved = task.attempts.iter().any(|a| a.cost.charge != Charge::None);
    prop_assert!(!unproved || task.cost().charge != Charge::None);
    let said_free = matches!(
        task.state,
        State::Cancelled {
            before_submit: true
        }
    );
    prop_assert!(!said_free || task.cost().charge == Charge::None);
    let waits = matches!(task.state, State::Queued { .. });
    prop_assert!(
        !waits || task.cost().charge != Charge::None,
        "nothing to pay?"
    );
    prop_assert!(task.cost().estimated.is_some(), "our own is always there");
    prop_assert_eq!(task.estimate, Some(ESTIMATE));
    prop_assert_eq!(task.times.completed.is_some(), task.state.is_terminal());
    Ok(())
}

/// How far a submitted task is for a caller; `None` before.
fn upstream_rank(task: &Task) -> Option<u8> {
    match (&task.state, task.state.status()) {
        (State::Queued { .. } | State::Submitting { .. } | State::SubmissionUnknown { .. }, _) => {
            None
        }
        (_, Status::Queued) => Some(0),
        (_, Status::Throttled) => Some(1),
        (_, Status::InProgress) => Some(2),
        (_, _) => Some(3),
    }
}
