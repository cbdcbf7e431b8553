//! Tasks in every state, as the contract shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::domain::generation::{Generation, Operation};
use crate::domain::id::{RequestId, TaskId, TenantId};
use crate::domain::money::Charge;
use crate::domain::task::{Event, FailureReason, NewTask, Observation, Order, UpstreamStatus};
use crate::domain::time::Timestamp;

const RATE: UsdRate = UsdRate::ONE_CENT;

fn at(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

fn queued() -> Task {
    let id = TaskId::new(1000, [1; 10]);
    let generation = Generation {
        operation: Operation::ImageToVideo,
        model: "gen4_turbo".to_owned(),
        prompt: "a lake".to_owned(),
        negative_prompt: String::new(),
        inputs: Vec::new(),
        seconds: Some(5),
        size: Some("1280:720".to_owned()),
        count: None,
        seed: None,
        audio: None,
        options: BTreeMap::new(),
        notes: Vec::new(),
    };
    let new = NewTask {
        id,
        tenant: TenantId::local(),
        request_id: RequestId::for_task(id),
        fingerprint: [0; 32],
        key: None,
        order: Order {
            model: "runwayml/gen4_turbo".to_owned(),
            generation,
            labels: [("team".to_owned(), "x".to_owned())].into(),
            timeout: Duration::from_hours(1),
            priority: 0,
            webhook: String::new(),
            trace: None,
        },
        estimate: None,
        reserve: None,
        status_detail: "a note".to_owned(),
    };
    Task::create(new, Timestamp(1000))
}

fn after(task: &Task, seconds: i64, event: &Event) -> Task {
    task.apply(event, Timestamp(seconds * 1000)).unwrap()
}

fn claimed() -> Task {
    let event = Event::Claimed {
        deployment: "primary".to_owned(),
        account: "a".to_owned(),
        model: "gen4_turbo".to_owned(),
        estimated: None,
        changes: String::new(),
    };
    after(&queued(), 2, &event)
}

fn submitted() -> Task {
    let event = Event::Accepted {
        attempt: 1,
        upstream_id: "u-1".to_owned(),
        estimated: Some(Millicredits(25_000)),
        book_until: Timestamp(9_000_000),
    };
    after(&claimed(), 3, &event)
}

fn observed(status: UpstreamStatus) -> Event {
    let seen = Observation {
        status,
        progress: None,
        cost: Some(Millicredits(24_000)),
        outputs: vec!["https://outputs.invalid/canary".to_owned()],
    };
    Event::Observed { attempt: 1, seen }
}

fn completed() -> Task {
    let running = after(&submitted(), 4, &observed(UpstreamStatus::Running));
    let archiving = after(&running, 5, &observed(UpstreamStatus::Succeeded));
    let output = Artifact {
        index: 0,
        content_type: "video/mp4".to_owned(),
        size_bytes: 12,
        sha256: [0xab; 32],
        width: Some(1280),
        height: None,
        duration_ms: Some(5_041),
        expires: Timestamp(60_000),
    };
    after(&archiving, 6, &Event::Archived(vec![output]))
}

#[test]
fn a_queued_task_has_what_was_asked_and_nothing_that_is_unknown() {
    let shown = task(&queued(), Progress::default(), RATE);
    let expected = v1::Task {
        id: queued().id.to_string(),
        request_id: queued().request_id.as_str().to_owned(),
        operation: v1::Operation::ImageToVideo as i32,
        model: "runwayml/gen4_turbo".to_owned(),
        status: v1::TaskStatus::Queued as i32,
        status_detail: "a note".to_owned(),
        revision: 1,
        create_time: Some(at(1)),
        update_time: Some(at(1)),
        prompt: "a lake".to_owned(),
        seconds: Some(5),
        size: "1280x720".to_owned(),
        labels: [("team".to_owned(), "x".to_owned())].into(),
        history: vec![v1::HistoryEntry {
            revision: 1,
            status: v1::TaskStatus::Queued as i32,
            time: Some(at(1)),
        }],
        cost: Some(v1::Cost {
            charge: v1::Charge::Estimated as i32,
            ..v1::Cost::default()
        }),
        ..v1::Task::default()
    };
    assert_eq!(shown, expected);
}

/// A task whose price was known when it was made.
fn priced() -> Task {
    let estimate = Some(Millicredits(60_000));
    Task {
        estimate,
        ..queued()
    }
}

/// Estimate and actual amount in millicredits, and what is known of the charge.
fn bill(task: &Task) -> (Option<i64>, Option<i64>, v1::Charge) {
    let shown = super::task(task, Progress::default(), RATE).cost.unwrap();
    let charge = shown.charge();
    (
        shown.estimated_millicredits,
        shown.actual_millicredits,
        charge,
    )
}

#[test]
fn a_tasks_cost_is_ours_then_the_providers_estimate_then_its_bill() {
    use v1::Charge::{Charged, ChargedOrUnknown, Estimated, None as Free};
    let claimed = Event::Claimed {
        deployment: "primary".to_owned(),
        account: "a".to_owned(),
        model: "gen4_turbo".to_owned(),
        estimated: Some(Millicredits(60_000)),
        changes: String::new(),
    };
    let accepted = |estimated: Option<u64>| Event::Accepted {
        attempt: 1,
        upstream_id: "u-1".to_owned(),
        estimated: estimated.map(Millicredits),
        book_until: Timestamp(9_000_000),
    };
    let ended = |cost: Option<u64>| {
        let seen = Observation {
            status: UpstreamStatus::Cancelled,
            progress: None,
            cost: cost.map(Millicredits),
            outputs: Vec::new(),
        };
        Event::Observed { attempt: 1, seen }
    };
    let walk = |events: &[&Event]| events.iter().fold(priced(), |t, event| after(&t, 3, event));
    assert_eq!(bill(&priced()), (Some(60_000), None, Estimated));
    let sent = walk(&[&claimed]);
    assert_eq!(bill(&sent), (Some(60_000), None, ChargedOrUnknown));
    // What the provider names is better; when it names nothing, ours stands.
    let named = walk(&[&claimed, &accepted(Some(50_000))]);
    assert_eq!(bill(&named), (Some(50_000), None, Estimated));
    let unnamed = walk(&[&claimed, &accepted(None)]);
    assert_eq!(bill(&unnamed), (Some(60_000), None, Estimated));
    for (cost, expected) in [
        (Some(48_000), (Some(60_000), Some(48_000), Charged)),
        (Some(0), (Some(60_000), Some(0), Free)),
        (None, (Some(60_000), None, ChargedOrUnknown)),
    ] {
        assert_eq!(bill(&after(&unnamed, 4, &ended(cost))), expected);
    }
    // Never sent: what it would have cost, and that it cost nothing.
    let cancelled = walk(&[&Event::CancelRequested]);
    assert_eq!(bill(&cancelled), (Some(60_000), None, Free));
    let deleted = walk(&[&Event::CancelRequested, &Event::Deleted]);
    assert_eq!(bill(&deleted), (Some(60_000), None, Free));
}

#[test]
fn a_lost_create_keeps_our_estimate_and_a_repeat_adds_to_it() {
    use crate::domain::task::UnknownPolicy;
    use v1::Charge::ChargedOrUnknown;
    let claimed = Event::Claimed {
        deployment: "primary".to_owned(),
        account: "a".to_owned(),
        model: "gen4_turbo".to_owned(),
        estimated: Some(Millicredits(60_000)),
        changes: String::new(),
    };
    let lost = Event::Ambiguous {
        attempt: 1,
        evidence: "reset".to_owned(),
        deadline: Timestamp(9_000),
    };
    let sent = after(&priced(), 2, &claimed);
    let unknown = after(&sent, 3, &lost);
    assert_eq!(bill(&unknown), (Some(60_000), None, ChargedOrUnknown));
    let failed = after(&unknown, 4, &Event::DeadlinePassed(UnknownPolicy::Fail));
    assert_eq!(bill(&failed), (Some(60_000), None, ChargedOrUnknown));
    let again = after(&unknown, 4, &Event::DeadlinePassed(UnknownPolicy::Resubmit));
    assert_eq!(bill(&again), (Some(120_000), None, ChargedOrUnknown));
    let cancelled = after(&again, 5, &Event::CancelRequested);
    assert_eq!(bill(&cancelled), (Some(60_000), None, ChargedOrUnknown));
}

#[test]
fn a_deployment_is_named_once_it_accepted() {
    let pending = task(&claimed(), Progress::default(), RATE);
    assert_eq!(
        (pending.deployment.as_str(), pending.submit_time),
        ("", None)
    );
    let attempt = &pending.attempts[0];
    assert_eq!(attempt.deployment, "primary");
    assert_eq!(attempt.outcome(), v1::AttemptOutcome::Pending);
    assert_eq!((attempt.start_time, attempt.end_time), (Some(at(2)), None));
    let cost = attempt.cost.unwrap();
    assert_eq!(cost.charge(), v1::Charge::ChargedOrUnknown);
    assert_eq!(cost.estimated_millicredits, None);
    let accepted = task(&submitted(), Progress::default(), RATE);
    assert_eq!(accepted.deployment, "primary");
    assert_eq!(accepted.submit_time, Some(at(3)));
    assert_eq!(accepted.attempts[0].provider_task_id, "u-1");
    let cost = accepted.cost.unwrap();
    assert_eq!(cost.estimated_millicredits, Some(25_000));
    assert_eq!(cost.estimated_usd_micros, Some(250_000));
    assert_eq!(
        (cost.actual_millicredits, cost.actual_usd_micros),
        (None, None)
    );
}

#[test]
fn a_completed_task_has_outputs_times_and_its_bill() {
    let shown = task(&completed(), Progress::default(), RATE);
    assert_eq!(shown.status(), v1::TaskStatus::Completed);
    assert_eq!(shown.start_time, Some(at(4)));
    assert_eq!(
        (shown.complete_time, shown.update_time),
        (Some(at(6)), Some(at(6)))
    );
    let revisions: Vec<u64> = shown.history.iter().map(|entry| entry.revision).collect();
    assert_eq!(revisions, (1..=shown.revision).collect::<Vec<_>>());
    let expected = v1::Output {
        index: 0,
        content_type: "video/mp4".to_owned(),
        size_bytes: 12,
        sha256: "ab".repeat(32),
        width: Some(1280),
        height: None,
        duration: Some(prost_types::Duration {
            seconds: 5,
            nanos: 41_000_000,
        }),
        expire_time: Some(at(60)),
    };
    assert_eq!(shown.outputs, [expected]);
    let cost = shown.cost.unwrap();
    assert_eq!(cost.actual_usd_micros, Some(240_000));
    assert_eq!(cost.charge(), v1::Charge::Charged);
    assert!(shown.error.is_none());
    assert!(!format!("{shown:?}").contains("canary"));
}

#[test]
fn a_failed_task_says_why_and_keeps_the_providers_words() {
    for reason in FailureReason::ALL {
        let failure = Failure {
            reason,
            message: "ours".to_owned(),
            provider_code: "INTERNAL.BAD_OUTPUT.CODE01".to_owned(),
            provider_message: "theirs".to_owned(),
        };
        let failed = after(&submitted(), 9, &observed(UpstreamStatus::Failed(failure)));
        let shown = task(&failed, Progress::default(), RATE);
        assert_eq!(shown.status(), v1::TaskStatus::Failed);
        let error = shown.error.unwrap();
        assert_eq!(error.reason, reason.as_str());
        assert_eq!(error.provider_code, "INTERNAL.BAD_OUTPUT.CODE01");
        assert_eq!(
            (error.message.as_str(), error.provider_message.as_str()),
            ("ours", "theirs")
        );
        assert_eq!(error.retryable, reason.retryable());
    }
}

#[test]
fn progress_is_the_generations_until_only_the_copy_is_left() {
    let half = Progress::from_share(0.5);
    let share = |task: &Task| super::task(task, half, RATE).progress.to_string();
    let running = after(&submitted(), 4, &observed(UpstreamStatus::Running));
    let archiving = after(&running, 5, &observed(UpstreamStatus::Succeeded));
    assert_eq!(share(&running), "0.5");
    assert_eq!(share(&archiving), "1");
    assert_eq!(share(&completed()), "1");
}

#[test]
fn what_is_charged_later_changes_no_time_of_a_revision() {
    let late = after(&claimed(), 3, &Event::CancelRequested);
    let shown = task(&late, Progress::default(), RATE);
    assert_eq!(shown.update_time, shown.history.last().unwrap().time);
}

#[test]
fn amounts_beyond_the_contracts_integers_stay_at_their_end() {
    let most = Cost {
        estimated: Some(Millicredits(u64::MAX)),
        actual: Some(Millicredits(0)),
        charge: Charge::Estimated,
    };
    let shown = cost(&most, RATE);
    assert_eq!(shown.estimated_usd_micros, Some(i64::MAX));
    assert_eq!(shown.estimated_millicredits, Some(i64::MAX));
    assert_eq!(
        (shown.actual_millicredits, shown.actual_usd_micros),
        (Some(0), Some(0))
    );
}

#[test]
fn every_outcome_of_a_cancel_has_its_number() {
    let table = [
        (
            CancelOutcome::BeforeSubmit,
            v1::CancelOutcome::CancelledBeforeSubmit,
        ),
        (CancelOutcome::Requested, v1::CancelOutcome::Requested),
        (
            CancelOutcome::Upstream,
            v1::CancelOutcome::CancelledUpstream,
        ),
        (CancelOutcome::TooLate, v1::CancelOutcome::TooLate),
    ];
    for (ours, shown) in table {
        assert_eq!(cancel_outcome(ours), shown);
    }
}
