//! A provider that misbehaves after it took a task.

use std::time::Duration;

use mediagen::pb::v1::{AttemptOutcome, Charge, HistoryEntry, Task, TaskStatus};
use mediagen::sandbox::{self, Effect, Fault, Place};

use crate::harness::client::{assert_whole_history, content, download};
use crate::harness::media::sha256;
use crate::harness::{TestApp, quick, refused, sound};

#[tokio::test]
async fn a_status_that_nobody_knows_neither_fails_nor_finishes_a_task() {
    let app = TestApp::start().await;
    let done = app
        .run(sound("a bell [sandbox:status=weird][sandbox:seconds=0.5]"))
        .await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
}

#[tokio::test]
async fn a_task_that_was_not_found_once_is_not_gone() {
    let app = TestApp::start().await;
    for prompt in [
        "a bell [sandbox:poll-404=1]",
        "a bell [sandbox:poll-404=2]",
        "a bell [sandbox:poll-500=3]",
        "a bell [sandbox:poll-429=1]",
    ] {
        let done = app.run(sound(prompt)).await;
        assert_eq!(done.status(), TaskStatus::Completed, "{prompt}: {done:#?}");
    }
}

#[tokio::test]
async fn a_task_that_stays_unknown_to_the_provider_is_gone() {
    let app = TestApp::start().await;
    let done = app
        .run(sound(
            "a bell [sandbox:poll-404=100000][sandbox:seconds=600]",
        ))
        .await;
    assert_failed(&done, "PROVIDER_TASK_GONE");
    assert_eq!(
        done.cost.as_ref().unwrap().charge(),
        Charge::ChargedOrUnknown
    );
    assert!(app.upstream.sandbox.ledger()[0].polls >= 3);
}

#[tokio::test]
async fn the_providers_failure_codes_say_whose_fault_it_was() {
    let app = TestApp::start().await;
    for (code, reason) in [
        ("SAFETY.INPUT.TEXT", "MODERATED_INPUT"),
        ("SAFETY.OUTPUT.VIDEO", "MODERATED_OUTPUT"),
        ("INPUT_PREPROCESSING.SAFETY.TEXT", "MODERATED_INPUT"),
        ("INTERNAL.BAD_OUTPUT.CODE01", "GENERATION_FAILED"),
        ("INTERNAL", "GENERATION_FAILED"),
        ("ASSET.INVALID", "INVALID_INPUT"),
        ("SOMETHING.NEW", "GENERATION_FAILED"),
        ("", "GENERATION_FAILED"),
    ] {
        let done = app
            .run(sound(&format!("a bell [sandbox:fail={code}]")))
            .await;
        assert_failed(&done, reason);
        assert_eq!(done.error.as_ref().unwrap().provider_code, code);
        assert_eq!(done.attempts[0].outcome(), AttemptOutcome::Ended);
        assert_whole_history(&done);
        let none = refused(download(&app.client, of(&done)).await.end);
        assert_eq!(none.reason, "NO_OUTPUT");
    }
}

fn of(task: &Task) -> mediagen::pb::v1::DownloadContentRequest {
    mediagen::pb::v1::DownloadContentRequest {
        task_id: task.id.clone(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_held_task_is_throttled_and_then_goes_on() {
    let app = TestApp::start().await;
    let made = app.create(sound("a bell [sandbox:throttled=0.5]")).await;
    let done = app.finish(&made.id).await;
    let statuses: Vec<TaskStatus> = done.history.iter().map(HistoryEntry::status).collect();
    assert!(statuses.contains(&TaskStatus::Throttled), "{statuses:?}");
    assert_eq!(done.status(), TaskStatus::Completed);
}

#[tokio::test]
async fn a_copy_that_breaks_goes_on_where_it_broke() {
    let app = TestApp::start().await;
    for bytes in [0, 1, 9_000, 20_000] {
        app.upstream.sandbox.inject(Fault {
            on: Place::Output,
            times: 1,
            accept_first: false,
            effect: Effect::Cut { bytes },
        });
    }
    let done = app.run(sound("a bell")).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let bytes = content(&app.client, &done.id).await;
    assert_eq!(sha256(&bytes), done.outputs[0].sha256);
    let truncated = app.run(sound("a bell [sandbox:output=truncated]")).await;
    assert_eq!(truncated.status(), TaskStatus::Completed, "{truncated:#?}");
    assert_eq!(content(&app.client, &truncated.id).await.len(), bytes.len());
}

#[tokio::test]
async fn an_output_that_is_refused_for_a_while_is_copied_later() {
    let app = TestApp::start().await;
    for status in [500, 403, 429, 503] {
        let effect = Effect::Answer {
            status,
            headers: [].into(),
            body: None,
        };
        app.upstream.sandbox.inject(Fault {
            on: Place::Output,
            times: 1,
            accept_first: false,
            effect,
        });
    }
    let done = app.run(sound("a bell")).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
}

#[tokio::test]
async fn an_expired_url_is_refreshed_by_reading_the_task_again() {
    let config = sandbox::Config {
        output_url_lifetime: Duration::from_millis(300),
        ..quick()
    };
    let app = TestApp::with(config, &[]).await;
    app.upstream.sandbox.inject(Fault {
        on: Place::Output,
        times: 1,
        accept_first: false,
        effect: Effect::Delay { ms: 500 },
    });
    // The first answer breaks after the URL died: going on needs a fresh one.
    app.upstream.sandbox.inject(Fault {
        on: Place::Output,
        times: 1,
        accept_first: false,
        effect: Effect::Cut { bytes: 100 },
    });
    let done = app.run(sound("a bell [sandbox:output=truncated]")).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let bytes = content(&app.client, &done.id).await;
    assert_eq!(sha256(&bytes), done.outputs[0].sha256);
}

#[tokio::test]
async fn an_output_that_is_no_media_fails_the_task() {
    let app = TestApp::start().await;
    for output in ["html", "empty"] {
        let done = app
            .run(sound(&format!("a bell [sandbox:output={output}]")))
            .await;
        assert_failed(&done, "BAD_OUTPUT");
        assert_eq!(done.cost.as_ref().unwrap().charge(), Charge::Charged);
        assert_eq!(app.files(&done.id), [""; 0]);
    }
}

#[tokio::test]
async fn an_output_larger_than_the_limit_fails_the_task() {
    let app = TestApp::with(quick(), &[("archive.max_output_bytes", "1MiB")]).await;
    let mut request = sound("a long bell [sandbox:output=large]");
    request.model = "mirelo_sfx_2_0".into();
    request.seconds = Some(40);
    let done = app.run(request).await;
    assert_failed(&done, "OUTPUT_TOO_LARGE");
}

fn assert_failed(task: &Task, reason: &str) {
    assert_eq!(task.status(), TaskStatus::Failed, "{task:#?}");
    assert_eq!(task.error.as_ref().unwrap().reason, reason, "{task:#?}");
}
