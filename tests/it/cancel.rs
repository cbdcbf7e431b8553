//! Cancel: as far as it is still possible, and honest about what it achieved.

use mediagen::pb::v1::{CancelOutcome, CancelRequest, Charge, Task, TaskStatus};
use mediagen::sandbox::{Effect, Fault, Place};

use crate::harness::client::{assert_whole_history, content};
use crate::harness::{TestApp, sound, within};

async fn cancel(app: &TestApp, id: &str) -> (CancelOutcome, Task) {
    let mut client = app.client.clone();
    let request = CancelRequest { task_id: id.into() };
    let answer = within("the answer to Cancel", client.cancel(request)).await;
    let answer = answer.unwrap().into_inner();
    (answer.outcome(), answer.task.unwrap())
}

#[tokio::test]
async fn a_task_that_waits_for_its_next_try_is_cancelled_free_of_charge() {
    let app = TestApp::start().await;
    let effect = Effect::Answer {
        status: 503,
        headers: [].into(),
        body: None,
    };
    app.upstream.sandbox.inject(Fault {
        on: Place::Create,
        times: 100,
        accept_first: false,
        effect,
    });
    let made = app.create(sound("a bell")).await;
    app.until(&made.id, |task| {
        task.attempts.len() == 1 && task.attempts[0].end_time.is_some()
    })
    .await;
    let (outcome, task) = cancel(&app, &made.id).await;
    assert_eq!(outcome, CancelOutcome::CancelledBeforeSubmit, "{task:#?}");
    assert_eq!(task.status(), TaskStatus::Cancelled);
    assert_eq!(task.cost.as_ref().unwrap().charge(), Charge::None);
    assert_eq!(app.finish(&made.id).await, task);
    let (again, same) = cancel(&app, &made.id).await;
    assert_eq!((again, same), (CancelOutcome::TooLate, task));
    let counts = app.upstream.sandbox.counts();
    assert_eq!(
        (
            counts.creates_accepted,
            counts.cancelled + counts.deletes_unknown
        ),
        (0, 0)
    );
}

#[tokio::test]
async fn a_running_task_is_cancelled_at_the_provider_once() {
    let app = TestApp::start().await;
    let made = app.create(sound("a long bell [sandbox:seconds=600]")).await;
    app.until(&made.id, |task| task.status() == TaskStatus::InProgress)
        .await;
    let (outcome, _) = cancel(&app, &made.id).await;
    assert_eq!(outcome, CancelOutcome::Requested);
    let done = app.finish(&made.id).await;
    assert_eq!(done.status(), TaskStatus::Cancelled, "{done:#?}");
    assert_whole_history(&done);
    assert_eq!(cancel(&app, &made.id).await, (CancelOutcome::TooLate, done));
    let counts = app.upstream.sandbox.counts();
    assert_eq!(
        (counts.cancelled, counts.deleted, counts.deletes_unknown),
        (1, 0, 0)
    );
    assert_eq!(app.upstream.sandbox.ledger()[0].status, "CANCELLED");
}

#[tokio::test]
async fn a_cancel_while_the_create_is_on_its_way_waits_for_its_outcome() {
    let app = TestApp::start().await;
    let effect = Effect::Delay { ms: 400 };
    app.upstream.sandbox.inject(Fault {
        on: Place::Create,
        times: 1,
        accept_first: true,
        effect,
    });
    let made = app.create(sound("a long bell [sandbox:seconds=600]")).await;
    app.until(&made.id, |task| !task.attempts.is_empty()).await;
    let (outcome, _) = cancel(&app, &made.id).await;
    assert_eq!(outcome, CancelOutcome::Requested);
    let done = app.finish(&made.id).await;
    assert_eq!(done.status(), TaskStatus::Cancelled, "{done:#?}");
    assert!(!done.attempts[0].provider_task_id.is_empty());
    assert_eq!(app.upstream.sandbox.counts().cancelled, 1);
}

#[tokio::test]
async fn a_finished_task_is_never_deleted_at_the_provider() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    let (outcome, same) = cancel(&app, &done.id).await;
    assert_eq!((outcome, &same), (CancelOutcome::TooLate, &done));
    let bytes = content(&app.client, &done.id).await;
    assert_eq!(bytes.len() as u64, done.outputs[0].size_bytes);
    let counts = app.upstream.sandbox.counts();
    assert_eq!(
        (counts.cancelled, counts.deleted, counts.deletes_unknown),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn cancels_that_race_with_the_end_never_delete_a_finished_task() {
    let app = TestApp::start().await;
    let mut tasks = Vec::new();
    for n in 0..24 {
        let task = app
            .create(sound(&format!("bell {n} [sandbox:seconds=0.{:02}]", n * 2)))
            .await;
        tasks.push(task.id);
    }
    for id in &tasks {
        app.until(id, |task| {
            task.start_time.is_some() || task.complete_time.is_some()
        })
        .await;
        cancel(&app, id).await;
    }
    for id in &tasks {
        let done = app.finish(id).await;
        let whole = matches!(done.status(), TaskStatus::Completed | TaskStatus::Cancelled);
        assert!(whole, "{done:#?}");
    }
    let counts = app.upstream.sandbox.counts();
    println!(
        "{} of {} were cancelled in time, {} deleted",
        counts.cancelled,
        tasks.len(),
        counts.deleted
    );
}
