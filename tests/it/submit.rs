//! The three outcomes of a create at the provider: accepted, rejected, unknown.

use std::time::Duration;

use mediagen::pb::v1::{
    Attempt, AttemptOutcome, CancelOutcome, CancelRequest, Charge, Resolution,
    ResolveUnknownRequest, Task, TaskStatus,
};
use mediagen::sandbox::{Effect, Fault, Place};
use tonic::{Code, Status};

use crate::harness::client::assert_whole_history;
use crate::harness::{TestApp, quick, refused, sound, within};

#[tokio::test]
async fn a_503_is_tried_again_and_the_task_completes() {
    let app = TestApp::start().await;
    app.upstream.sandbox.inject(answer(503, 2));
    let done = app.run(sound("a bell")).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let outcomes: Vec<AttemptOutcome> = done.attempts.iter().map(Attempt::outcome).collect();
    assert_eq!(outcomes[..2], [AttemptOutcome::Rejected; 2]);
    assert_eq!(
        (outcomes.len(), app.upstream.sandbox.ledger().len()),
        (3, 1)
    );
    assert_whole_history(&done);
}

#[tokio::test]
async fn a_400_is_the_callers_fault_and_ends_the_task() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell [sandbox:status=400]")).await;
    assert_failed(&done, "INVALID_INPUT");
    assert_eq!(done.attempts.len(), 1);
    assert_eq!(done.cost.unwrap().charge(), Charge::None);
}

#[tokio::test]
async fn an_empty_account_is_not_the_callers_fault() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell [sandbox:no-credits]")).await;
    assert_failed(&done, "NO_DEPLOYMENT_AVAILABLE");
    assert_eq!(done.attempts.len(), 3);
}

#[tokio::test]
async fn a_key_refused_three_times_takes_the_account_out() {
    let app = TestApp::start().await;
    app.upstream.sandbox.inject(answer(401, 3));
    let done = app.run(sound("a bell")).await;
    assert_failed(&done, "NO_DEPLOYMENT_AVAILABLE");
    assert!(done.error.unwrap().retryable);
    let refusal = app.refusal(sound("another bell")).await;
    assert!(
        refusal.is(Code::FailedPrecondition, "NO_UPSTREAM_ACCOUNT"),
        "{refusal:?}"
    );
    assert_eq!(app.upstream.sandbox.ledger().len(), 0);
}

#[tokio::test]
async fn a_429_makes_the_model_wait_and_says_so() {
    let app = TestApp::start().await;
    app.upstream.sandbox.inject(Fault {
        effect: Effect::Answer {
            status: 429,
            headers: [("retry-after".to_owned(), "90".to_owned())].into(),
            body: None,
        },
        ..answer(429, 1)
    });
    let first = app.create(sound("a bell")).await;
    app.until(&first.id, |task| {
        task.status() == TaskStatus::Queued && task.attempts.first().is_some_and(is_rejected)
    })
    .await;
    let second = app.create(sound("another bell")).await;
    let waiting = app
        .until(&second.id, |task| !task.status_detail.is_empty())
        .await;
    assert!(waiting.status_detail.contains("quota"), "{waiting:#?}");
    assert!(waiting.attempts.is_empty());
    assert_eq!(app.upstream.sandbox.counts().creates_refused, 1);
    for id in [first.id, second.id] {
        let mut client = app.client.clone();
        let answer = client
            .cancel(CancelRequest { task_id: id })
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.outcome(), CancelOutcome::CancelledBeforeSubmit);
        assert_eq!(answer.task.unwrap().cost.unwrap().charge(), Charge::None);
    }
}

fn is_rejected(attempt: &Attempt) -> bool {
    attempt.outcome() == AttemptOutcome::Rejected
}

/// An app whose creates are given up after a second.
async fn holding() -> TestApp {
    let settings = [
        ("submit.on_unknown_outcome", "hold"),
        ("submit.timeout", "1s"),
    ];
    TestApp::with(quick(), &settings).await
}

/// A task whose create was accepted, but whose answer was lost in this way.
async fn lost(app: &TestApp, how: &str) -> Task {
    let made = app
        .create(sound(&format!("a bell [sandbox:accept-then-{how}]")))
        .await;
    let parked = app
        .until(&made.id, |task| {
            task.status() == TaskStatus::SubmissionUnknown
        })
        .await;
    assert_eq!(parked.attempts[0].outcome(), AttemptOutcome::Unknown);
    assert_eq!(
        parked.cost.as_ref().unwrap().charge(),
        Charge::ChargedOrUnknown
    );
    parked
}

async fn resolve(
    app: &TestApp,
    task: &Task,
    resolution: Resolution,
    provider_task_id: &str,
) -> Result<Task, Status> {
    let request = ResolveUnknownRequest {
        task_id: task.id.clone(),
        resolution: resolution as i32,
        provider_task_id: provider_task_id.into(),
    };
    let mut client = app.client.clone();
    let answer = within("the answer", client.resolve_unknown(request)).await?;
    Ok(answer.into_inner().task.unwrap())
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_is_never_sent_again() {
    let mut app = holding().await;
    // At once: after a few in a row the account is left alone for a while.
    let ways = ["500", "502", "504", "408", "409", "reset", "hang"];
    let parked = futures_util::future::join_all(ways.map(|how| lost(&app, how))).await;
    app.restart(&[("submit.on_unknown_outcome", "hold")]).await;
    assert_eq!(
        app.run(sound("another bell")).await.status(),
        TaskStatus::Completed
    );
    for task in &parked {
        assert_eq!(app.status(&task.id).await, *task);
    }
    assert_eq!(app.upstream.sandbox.ledger().len(), parked.len() + 1);
}

#[tokio::test]
async fn an_operator_attaches_the_lost_task_and_it_completes() {
    let app = holding().await;
    let parked = lost(&app, "500").await;
    let upstream_id = app.upstream.sandbox.ledger()[0].id.clone();
    let unknown = resolve(&app, &parked, Resolution::Attach, "no-such-task").await;
    let refusal = refused(unknown);
    assert!(
        refusal.is(Code::InvalidArgument, "FIELD_INVALID"),
        "{refusal:?}"
    );
    assert!(refusal.names("provider_task_id"));
    let attached = resolve(&app, &parked, Resolution::Attach, &upstream_id)
        .await
        .unwrap();
    assert_eq!(attached.attempts[0].provider_task_id, upstream_id);
    let done = app.finish(&parked.id).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    assert_whole_history(&done);
    let again = refused(resolve(&app, &parked, Resolution::Charged, "").await);
    assert!(
        again.is(Code::FailedPrecondition, "TASK_NOT_UNKNOWN"),
        "{again:?}"
    );
    let other = lost(&app, "500").await;
    let in_use = refused(resolve(&app, &other, Resolution::Attach, &upstream_id).await);
    assert!(
        in_use.is(Code::FailedPrecondition, "UPSTREAM_ID_IN_USE"),
        "{in_use:?}"
    );
}

#[tokio::test]
async fn an_operator_books_the_lost_task_and_it_fails() {
    let app = holding().await;
    let parked = lost(&app, "reset").await;
    let early = refused(resolve(&app, &parked, Resolution::NotCharged, "").await);
    assert!(
        early.is(Code::FailedPrecondition, "QUARANTINE_ACTIVE"),
        "{early:?}"
    );
    let wait = early.retry_after.unwrap();
    assert!(
        wait > Duration::from_secs(30) && wait < Duration::from_secs(67),
        "{wait:?}"
    );
    let booked = resolve(&app, &parked, Resolution::Charged, "")
        .await
        .unwrap();
    assert_failed(&booked, "SUBMISSION_OUTCOME_UNKNOWN");
    assert_eq!(booked.cost.unwrap().charge(), Charge::Charged);
    assert_eq!(app.finish(&parked.id).await.status(), TaskStatus::Failed);
}

fn answer(status: u16, times: u32) -> Fault {
    let effect = Effect::Answer {
        status,
        headers: [].into(),
        body: None,
    };
    Fault {
        on: Place::Create,
        times,
        accept_first: false,
        effect,
    }
}

fn assert_failed(task: &Task, reason: &str) {
    assert_eq!(task.status(), TaskStatus::Failed, "{task:#?}");
    assert_eq!(task.error.as_ref().unwrap().reason, reason, "{task:#?}");
}
