//! Tasks in every state and events of every kind, for the tests of the domain and of the stores.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Event, Failure, FailureReason, NewTask, Observation, Order, Progress, Purge, Rejection,
    RejectionKind, Resolution, Task, UnknownPolicy, UpstreamStatus, Verdict,
};
use crate::domain::artifact::Artifact;
use crate::domain::generation::{Generation, Input, InputSource, Measured, Operation, Role};
use crate::domain::id::{RequestId, TaskId, TenantId};
use crate::domain::money::Millicredits;
use crate::domain::time::Timestamp;
use crate::domain::trace::TraceParent;
use crate::domain::value::Value;

/// When samples are made.
pub const NOW: Timestamp = Timestamp(1_790_000_000_000);
/// Until when samples ask for the price of an ended attempt.
pub const BOOK_UNTIL: Timestamp = Timestamp(1_790_000_900_000);

/// Our own estimate of samples; the provider's is lower.
pub const ESTIMATE: Millicredits = Millicredits(26_000);

/// A queued task; `n` makes its id and key, later numbers later ids.
pub fn task(n: u32) -> Task {
    task_of("local", &format!("key-{n}"), n)
}

/// A queued task of a tenant under a key.
pub fn task_of(tenant: &str, key: &str, n: u32) -> Task {
    let created = Timestamp(NOW.0 + i64::from(n));
    let mut random = [0; 10];
    random[..4].copy_from_slice(&n.to_be_bytes());
    let new = NewTask {
        id: TaskId::new(created.0, random),
        tenant: TenantId::named(tenant),
        request_id: RequestId::parse(key).expect("a key of a test is visible ASCII"),
        fingerprint: [7; 32],
        key: Some(crate::domain::caller::KeyId::new("k1")),
        order: order(),
        estimate: Some(ESTIMATE),
        reserve: Some(ESTIMATE),
        status_detail: "a näté of \u{1F600}".to_owned(),
    };
    Task::create(new, created)
}

/// An order that uses every field.
pub fn order() -> Order {
    let input = |source| Input {
        source,
        content_type: "image/png".to_owned(),
        role: Role::FirstFrame,
        tag: "cat".to_owned(),
        subject: String::new(),
        keyframe: None,
        measured: Measured::default(),
    };
    let inline = InputSource::Inline {
        size_bytes: 9,
        sha256: [3; 32],
    };
    Order {
        model: "runwayml/gen4_turbo".to_owned(),
        generation: Generation {
            operation: Operation::ImageToVideo,
            model: "gen4_turbo".to_owned(),
            prompt: "ünïcödé '; DROP TABLE tasks; -- \u{1F600}".to_owned(),
            negative_prompt: "rain".to_owned(),
            inputs: vec![
                input(inline),
                input(InputSource::Url("https://example.org/a.png".to_owned())),
            ],
            seconds: Some(5),
            size: Some("1280:720".to_owned()),
            count: Some(1),
            seed: Some(u64::MAX),
            audio: Some(true),
            options: BTreeMap::from([("watermark".to_owned(), Value::Bool(false))]),
            notes: vec!["passed on unchecked".to_owned()],
        },
        labels: BTreeMap::from([
            ("team".to_owned(), "röd".to_owned()),
            ("empty".to_owned(), String::new()),
        ]),
        timeout: Duration::from_hours(1),
        priority: 7,
        webhook: String::new(),
        trace: TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    }
}

/// The task after events that are all legal, one millisecond apart.
pub fn walk(task: Task, events: &[Event]) -> Task {
    events.iter().fold(task, |task, event| {
        let now = Timestamp(task.times.updated.0 + 1);
        task.apply(event, now).expect("a legal walk")
    })
}

/// How to bring a new task into each situation that events tell apart, by name.
pub fn situations() -> Vec<(&'static str, Vec<Event>)> {
    let cancel = Event::CancelRequested;
    let resubmit = Event::DeadlinePassed(UnknownPolicy::Resubmit);
    let running = [claimed(), accepted(1), seen(UpstreamStatus::Running)];
    let archiving = [claimed(), accepted(1), succeeded()];
    let unknown = [claimed(), ambiguous(1)];
    vec![
        ("queued", vec![]),
        ("queued, rejection asserted", join(&unknown, &[resubmit])),
        (
            "queued, skipped and to be made again",
            join(&running, &[remade(1), skipped()]),
        ),
        ("submitting", vec![claimed()]),
        ("submitting, cancel", vec![claimed(), cancel.clone()]),
        ("unknown", unknown.to_vec()),
        (
            "unknown, cancel",
            join(&unknown, std::slice::from_ref(&cancel)),
        ),
        (
            "unknown, held",
            join(&unknown, &[Event::DeadlinePassed(UnknownPolicy::Hold)]),
        ),
        ("submitted", vec![claimed(), accepted(1)]),
        (
            "throttled",
            vec![claimed(), accepted(1), seen(UpstreamStatus::Throttled)],
        ),
        ("running", running.to_vec()),
        (
            "running, made again",
            join(
                &running,
                &[
                    remade(1),
                    claimed(),
                    accepted(2),
                    seen_of(2, UpstreamStatus::Running),
                ],
            ),
        ),
        (
            "running, cancel",
            join(&running, std::slice::from_ref(&cancel)),
        ),
        ("archiving", archiving.to_vec()),
        ("completed", join(&archiving, &[archived()])),
        (
            "failed, unknown",
            join(&unknown, &[Event::DeadlinePassed(UnknownPolicy::Fail)]),
        ),
        ("failed, timed out", join(&running, &[timed_out(1)])),
        ("cancelled", vec![cancel]),
    ]
}

/// One event of every kind, for the first attempt of a task, and some for another attempt.
pub fn events() -> Vec<Event> {
    let mut all = vec![claimed(), skipped(), accepted(1), accepted(9)];
    for attempt in [1, 9] {
        all.extend([
            rejected(attempt, Verdict::Retry(NOW)),
            rejected(attempt, Verdict::Fail(failure())),
            ambiguous(attempt),
        ]);
    }
    all.extend(
        [
            UnknownPolicy::Fail,
            UnknownPolicy::Hold,
            UnknownPolicy::Resubmit,
        ]
        .map(Event::DeadlinePassed),
    );
    all.extend(
        [
            Resolution::Attach {
                upstream_id: "up-7".to_owned(),
            },
            Resolution::NotCharged,
            Resolution::Charged,
        ]
        .map(Event::Resolved),
    );
    all.push(Event::NoRoute(failure()));
    all.push(Event::Deferred {
        not_before: BOOK_UNTIL,
        why: "waiting for the provider's quota".to_owned(),
    });
    all.extend(
        [
            UpstreamStatus::Pending,
            UpstreamStatus::Throttled,
            UpstreamStatus::Running,
            UpstreamStatus::Succeeded,
            UpstreamStatus::Failed(failure()),
            UpstreamStatus::Cancelled,
            UpstreamStatus::Unrecognised("DREAMING".to_owned()),
        ]
        .map(seen),
    );
    all.extend([
        succeeded(),
        Event::Gone { attempt: 1 },
        remade(1),
        Event::CancelConfirmed { attempt: 1 },
        timed_out(1),
        seen_of(2, UpstreamStatus::Failed(failure())),
        remade(2),
        Event::CancelRequested,
        archived(),
        Event::ArchiveFailed(failure()),
        booked(Some(5_000)),
        booked(None),
        Event::Deleted,
        Event::ContentExpired,
        Event::Purged(Purge::Inputs),
        Event::Purged(Purge::All),
    ]);
    all
}

/// The intent.
pub fn claimed() -> Event {
    Event::Claimed {
        deployment: "runway-a".to_owned(),
        account: "acct".to_owned(),
        model: "gen4_turbo".to_owned(),
        estimated: Some(ESTIMATE),
        changes: "gen4_turbo makes no 6 seconds".to_owned(),
    }
}

/// A deployment that does not take the request.
pub fn skipped() -> Event {
    Event::Skipped {
        deployment: "runway-b".to_owned(),
        account: "other".to_owned(),
        model: "veo3".to_owned(),
        why: "veo3 takes no inputs".to_owned(),
    }
}

/// The provider failed, and the task may be made again.
pub fn remade(attempt: u32) -> Event {
    Event::Remade {
        attempt,
        failure: failure(),
        cost: Some(Millicredits(3_000)),
    }
}

/// An id for an attempt; the same for the same number.
pub fn accepted(attempt: u32) -> Event {
    Event::Accepted {
        attempt,
        upstream_id: format!("up-{attempt}"),
        estimated: Some(Millicredits(25_000)),
        book_until: BOOK_UNTIL,
    }
}

/// A proved rejection.
pub fn rejected(attempt: u32, verdict: Verdict) -> Event {
    Event::Rejected {
        attempt,
        rejection: Rejection {
            kind: RejectionKind::Unavailable,
            message: "busy".to_owned(),
            code: "503".to_owned(),
            retry_after: None,
        },
        verdict,
    }
}

/// An answer that proves nothing.
pub fn ambiguous(attempt: u32) -> Event {
    Event::Ambiguous {
        attempt,
        evidence: "connection reset".to_owned(),
        deadline: Timestamp(NOW.0 + 120_000),
    }
}

/// A status of the first attempt without outputs.
pub fn seen(status: UpstreamStatus) -> Event {
    seen_of(1, status)
}

/// A status of an attempt without outputs.
pub fn seen_of(attempt: u32, status: UpstreamStatus) -> Event {
    let seen = Observation {
        status,
        progress: Some(Progress::from_share(0.5)),
        cost: Some(Millicredits(24_000)),
        outputs: Vec::new(),
    };
    Event::Observed { attempt, seen }
}

/// The provider finished with an output.
pub fn succeeded() -> Event {
    succeeded_of(1)
}

/// The same of an attempt.
pub fn succeeded_of(attempt: u32) -> Event {
    let seen = Observation {
        status: UpstreamStatus::Succeeded,
        progress: None,
        cost: Some(Millicredits(24_000)),
        outputs: vec!["https://example.org/out.mp4?sig=s".to_owned()],
    };
    Event::Observed { attempt, seen }
}

/// Two outputs in the archive.
pub fn archived() -> Event {
    let first = Artifact {
        index: 0,
        content_type: "video/mp4".to_owned(),
        size_bytes: 1 << 40,
        sha256: [0xab; 32],
        width: Some(1280),
        height: Some(720),
        duration_ms: Some(5_000),
        expires: Timestamp(NOW.0 + 7_000_000),
    };
    let second = Artifact {
        index: 1,
        width: None,
        height: None,
        duration_ms: None,
        ..first.clone()
    };
    Event::Archived(vec![first, second])
}

/// An attempt that ran too long.
pub fn timed_out(attempt: u32) -> Event {
    Event::TimedOut {
        attempt,
        book_until: BOOK_UNTIL,
    }
}

/// The price of the first attempt.
pub fn booked(actual: Option<u64>) -> Event {
    Event::Booked {
        attempt: 1,
        actual: actual.map(Millicredits),
    }
}

/// A failure with the provider's words.
pub fn failure() -> Failure {
    Failure {
        reason: FailureReason::GenerationFailed,
        message: "the provider failed".to_owned(),
        provider_code: "INTERNAL.BAD_OUTPUT.CODE01".to_owned(),
        provider_message: "söme words".to_owned(),
    }
}

fn join(first: &[Event], then: &[Event]) -> Vec<Event> {
    [first, then].concat()
}
