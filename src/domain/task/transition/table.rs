//! Every situation against every event, written down.

use super::Refusal;
use crate::domain::money::Charge;
use crate::domain::task::samples::{
    accepted, ambiguous, claimed, events, rejected, seen, situations, task, walk,
};
use crate::domain::task::{
    AttemptOutcome, Event, Lane, Purge, Resolution, State, Task, UnknownPolicy, UpstreamStatus,
    Verdict,
};
use crate::domain::time::Timestamp;

const LATER: Timestamp = Timestamp(1_790_000_500_000);

#[test]
fn every_event_in_every_situation_does_what_the_table_says() {
    let printed = print_table();
    assert!(
        printed == TABLE.trim_start_matches('\n'),
        "the table is now:\n{printed}"
    );
}

#[test]
fn the_table_covers_every_state() {
    let mut names: Vec<_> = situations()
        .into_iter()
        .map(|(_, events)| walk(task(1), &events).state.name())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 10, "{names:?}");
}

fn print_table() -> String {
    let starts: Vec<_> = situations()
        .into_iter()
        .map(|(name, events)| (name, walk(task(1), &events)))
        .collect();
    let legend = starts
        .iter()
        .enumerate()
        .map(|(column, (name, _))| format!("{column:2}  {name}\n"));
    let numbers = (0..starts.len()).map(|column| format!(" {column:>2}"));
    let rows = events().into_iter().map(|event| {
        let cells = starts
            .iter()
            .map(|(_, start)| format!(" {:>2}", cell(start, &event)));
        format!("{:21}{}\n", label(&event), cells.collect::<String>())
    });
    let (legend, rows) = (legend.collect::<String>(), rows.collect::<String>());
    format!("{legend}{:21}{}\n{rows}", "", numbers.collect::<String>())
}

fn label(event: &Event) -> String {
    let outputs = matches!(event, Event::Observed { seen, .. } if !seen.outputs.is_empty());
    match event {
        Event::Accepted { attempt: 9, .. }
        | Event::Rejected { attempt: 9, .. }
        | Event::Ambiguous { attempt: 9, .. } => format!("{} (9)", event.name()),
        Event::Observed { attempt: 2, .. } | Event::Remade { attempt: 2, .. } => {
            format!("{} (2)", event.name())
        }
        Event::Purged(Purge::All) => format!("{} (all)", event.name()),
        Event::Booked { actual: None, .. } => format!("{} (none)", event.name()),
        _ if outputs => format!("{} +", event.name()),
        _ => event.name().to_owned(),
    }
}

/// The state that follows; `=` for the same one with something noted, `.` for nothing to do, `x`
/// for what must not be asked.
fn cell(start: &Task, event: &Event) -> &'static str {
    match start.apply(event, LATER) {
        Ok(next) if next.state == start.state => "=",
        Ok(next) => short(&next.state),
        Err(Refusal::NoChange { .. }) => ".",
        Err(Refusal::Illegal { .. }) => "x",
    }
}

fn short(state: &State) -> &'static str {
    match state {
        State::Queued { .. } => "Q",
        State::Submitting { .. } => "S",
        State::SubmissionUnknown { .. } => "U",
        State::Submitted => "P",
        State::Throttled => "T",
        State::Running => "R",
        State::Archiving => "A",
        State::Completed => "C",
        State::Failed(_) => "F",
        State::Cancelled {
            before_submit: true,
        } => "X0",
        State::Cancelled {
            before_submit: false,
        } => "X",
    }
}

fn to(events: &[Event]) -> Task {
    walk(task(1), events)
}

fn failed_unknown() -> Task {
    to(&[
        claimed(),
        ambiguous(1),
        Event::DeadlinePassed(UnknownPolicy::Fail),
    ])
}

#[test]
fn an_id_after_the_failure_is_stored_with_its_charge_and_changes_nothing_else() {
    let failed = failed_unknown();
    let after = failed.apply(&accepted(1), LATER).expect("evidence");
    assert_eq!(after.attempts[0].upstream_id.as_deref(), Some("up-1"));
    assert_eq!(after.attempts[0].cost.charge, Charge::Charged);
    let cleaned = after
        .apply(&Event::Purged(Purge::Inputs), LATER)
        .expect("inputs to remove");
    assert_eq!(cleaned.next_step().0, Lane::Book);
    assert_eq!(after.version, failed.version + 1);
    assert_eq!(
        (&after.state, after.revision, &after.history),
        (&failed.state, failed.revision, &failed.history)
    );
}

#[test]
fn a_rejection_after_the_failure_proves_that_nothing_was_charged() {
    let failed = failed_unknown();
    assert_eq!(failed.cost().charge, Charge::ChargedOrUnknown);
    let late = rejected(1, Verdict::Retry(LATER));
    let after = failed.apply(&late, LATER).expect("evidence");
    assert_eq!(after.cost().charge, Charge::None);
    assert_eq!(after.state, failed.state);
}

#[test]
fn an_id_for_a_rejection_that_was_only_asserted_is_taken_while_queued() {
    let queued = to(&[
        claimed(),
        ambiguous(1),
        Event::Resolved(Resolution::NotCharged),
    ]);
    let after = queued.apply(&accepted(1), LATER).expect("evidence");
    assert_eq!(after.state, State::Submitted);
    assert_eq!(after.attempts[0].outcome, AttemptOutcome::Accepted);
    assert_eq!(after.attempts[0].ended, None);
}

/// Attempt 1 was asserted to be rejected, attempt 2 was proved to be; then 1 turns out to live.
#[test]
fn the_attempt_that_comes_back_is_the_one_polled_and_billed() {
    let queued = to(&[
        claimed(),
        ambiguous(1),
        Event::DeadlinePassed(UnknownPolicy::Resubmit),
        claimed(),
        rejected(2, Verdict::Retry(LATER)),
    ]);
    let back = queued.apply(&accepted(1), LATER).expect("evidence");
    let current = back.current_attempt().expect("an attempt");
    assert_eq!(current.upstream_id.as_deref(), Some("up-1"));
    let failed = UpstreamStatus::Failed(crate::domain::task::samples::failure());
    let over = back.apply(&seen(failed), LATER).expect("the end");
    assert_eq!(over.attempts[0].outcome, AttemptOutcome::Ended);
    assert_eq!(over.attempts[1].outcome, AttemptOutcome::Rejected);
    assert_eq!(over.attempts[1].cost.charge, Charge::None);
}

#[test]
fn an_id_too_late_to_use_never_makes_a_second_live_attempt() {
    let resubmitted = to(&[
        claimed(),
        ambiguous(1),
        Event::DeadlinePassed(UnknownPolicy::Resubmit),
        claimed(),
    ]);
    let after = resubmitted.apply(&accepted(1), LATER).expect("evidence");
    assert_eq!(after.state, State::Submitting { attempt: 2 });
    assert_eq!(after.attempts[0].outcome, AttemptOutcome::Rejected);
    assert_eq!(after.attempts[0].upstream_id.as_deref(), Some("up-1"));
    assert_eq!(after.attempts[0].cost.charge, Charge::Charged);
}

#[test]
fn a_cancel_waits_for_the_answer_to_the_create() {
    let asked = to(&[claimed(), Event::CancelRequested]);
    let free = asked
        .apply(&rejected(1, Verdict::Retry(LATER)), LATER)
        .expect("evidence");
    let before_submit = true;
    assert_eq!(free.state, State::Cancelled { before_submit });
    let taken = asked.apply(&accepted(1), LATER).expect("evidence");
    assert_eq!(taken.state, State::Submitted);
    assert!(taken.cancel_requested);
}

#[test]
fn a_deleted_task_keeps_no_words() {
    let rejected = to(&[
        claimed(),
        rejected(1, Verdict::Fail(crate::domain::task::samples::failure())),
    ]);
    let gone = rejected.apply(&Event::Deleted, LATER).expect("the end");
    assert!(gone.order.generation.prompt.is_empty());
    assert!(gone.attempts.iter().all(|a| a.reason.is_empty()));
    assert!(
        gone.failure()
            .is_some_and(|f| f.provider_message.is_empty())
    );
}

/// Columns: situations. Cells: Q queued, S submitting, U submission unknown, P submitted, T
/// throttled, R running, A archiving, C completed, F failed, X cancelled, X0 cancelled and proved
/// free; `=` the same state with something noted, `.` nothing to do, `x` illegal.
const TABLE: &str = "
 0  queued
 1  queued, rejection asserted
 2  queued, skipped and to be made again
 3  submitting
 4  submitting, cancel
 5  unknown
 6  unknown, cancel
 7  unknown, held
 8  submitted
 9  throttled
10  running
11  running, made again
12  running, cancel
13  archiving
14  completed
15  failed, unknown
16  failed, timed out
17  cancelled
                       0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17
claimed                S  S  S  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x
skipped                =  =  .  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x
accepted               x  P  .  P  P  P  P  P  .  .  .  .  .  .  .  =  .  x
accepted (9)           x  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x
rejected-retry         x  =  .  Q X0  Q X0  Q  .  .  .  .  .  .  .  =  .  x
rejected-final         x  =  .  F  F  F  F  F  .  .  .  .  .  .  .  =  .  x
ambiguous              .  .  .  U  U  .  .  .  .  .  .  .  .  .  .  .  .  .
rejected-retry (9)     x  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x
rejected-final (9)     x  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x
ambiguous (9)          .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
deadline-fail          x  x  x  x  x  F  F  F  x  x  x  x  x  x  x  x  x  x
deadline-hold          x  x  x  x  x  U  U  .  x  x  x  x  x  x  x  x  x  x
deadline-resubmit      x  x  x  x  x  Q  F  Q  x  x  x  x  x  x  x  x  x  x
resolve-attach         x  x  x  x  x  P  P  P  x  x  x  x  x  x  x  x  x  x
resolve-not-charged    x  x  x  x  x  Q  X  Q  x  x  x  x  x  x  x  x  x  x
resolve-charged        x  x  x  x  x  F  F  F  x  x  x  x  x  x  x  x  x  x
no-route               F  F  F  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x
deferred               Q  Q  Q  x  x  x  x  x  x  x  x  x  x  x  x  x  x  x
seen-pending           x  x  x  x  x  x  x  x  .  .  .  .  .  .  .  .  .  .
seen-throttled         x  x  x  x  x  x  x  x  T  .  .  .  .  .  .  .  .  .
seen-running           x  x  x  x  x  x  x  x  R  R  .  .  .  .  .  .  .  .
seen-succeeded         x  x  x  x  x  x  x  x  F  F  F  .  F  .  .  .  .  .
seen-failed            x  x  x  x  x  x  x  x  F  F  F  .  F  .  .  .  .  .
seen-cancelled         x  x  x  x  x  x  x  x  X  X  X  .  X  .  .  .  .  .
seen-unrecognised      x  x  x  x  x  x  x  x  .  .  .  .  .  .  .  .  .  .
seen-succeeded +       x  x  x  x  x  x  x  x  A  A  A  .  A  .  .  .  .  .
gone                   x  x  x  x  x  x  x  x  F  F  F  .  X  x  x  x  x  x
remade                 x  x  x  x  x  x  x  x  Q  Q  Q  .  F  x  x  x  x  x
cancel-confirmed       x  x  x  x  x  x  x  x  x  x  x  .  X  x  x  x  x  x
timed-out              x  x  x  x  x  x  x  x  F  F  F  .  F  x  x  x  x  x
seen-failed (2)        x  x  x  x  x  x  x  x  .  .  .  F  .  .  .  .  .  .
remade (2)             x  x  x  x  x  x  x  x  .  .  .  Q  .  x  x  x  x  x
cancel-requested      X0  X  X  =  .  =  .  =  =  =  =  =  .  .  .  .  .  .
archived               x  x  x  x  x  x  x  x  x  x  x  x  x  C  x  x  x  x
archive-failed         x  x  x  x  x  x  x  x  x  x  x  x  x  F  x  x  x  x
booked                 x  x  x  x  x  x  x  x  x  x  x  x  x  x  .  .  =  .
booked (none)          x  x  x  x  x  x  x  x  x  x  x  x  x  x  .  .  =  .
deleted                x  x  x  x  x  x  x  x  x  x  x  x  x  x  =  =  =  =
content-expired        x  x  x  x  x  x  x  x  x  x  x  x  x  x  =  .  .  .
purged                 .  .  .  .  .  .  .  .  .  .  .  .  .  .  =  =  =  =
purged (all)           .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
";
