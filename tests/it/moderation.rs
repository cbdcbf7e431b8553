//! What was moderated is over: one create, charged as the provider charges it, never tried again.

use mediagen::pb::v1::{self, AttemptOutcome, Charge, Task, TaskStatus};
use tonic::Code;

use crate::harness::media::png;
use crate::harness::{TestApp, picture, quick, sound, video};

#[tokio::test]
async fn a_moderated_task_is_final_and_on_the_bill() {
    let app = TestApp::start().await;
    for (code, reason) in [
        ("SAFETY.INPUT.TEXT", "MODERATED_INPUT"),
        ("SAFETY.INPUT.IMAGE", "MODERATED_INPUT"),
        ("SAFETY.INPUT.SOMETHING_NEW", "MODERATED_INPUT"),
        ("SAFETY.OUTPUT.VIDEO", "MODERATED_OUTPUT"),
        ("SAFETY.OUTPUT", "MODERATED_OUTPUT"),
        ("INPUT_PREPROCESSING.SAFETY.TEXT", "MODERATED_INPUT"),
    ] {
        let marker = format!("[sandbox:fail={code}]");
        let request = sound(&marker);
        let done = app.run(request.clone()).await;
        assert_eq!(done.status(), TaskStatus::Failed, "{done:#?}");
        let error = done.error.as_ref().unwrap();
        assert_eq!((&*error.reason, &*error.provider_code), (reason, code));
        assert!(!error.retryable, "{error:?}");
        assert_eq!(done.attempts.len(), 1, "{done:#?}");
        assert_eq!(done.attempts[0].outcome(), AttemptOutcome::Ended);
        let cost = done.cost.as_ref().unwrap();
        let taken = app.upstream.charged(&marker);
        assert_eq!(taken.len(), 1, "one create for {code}: {taken:?}");
        assert_eq!(cost.charge(), Charge::Charged, "{code}");
        let paid = i64::from(taken[0].credits) * 1_000;
        assert_eq!(cost.actual_millicredits, Some(paid), "{code}");
        assert!(paid > 0, "such a generation is not refunded");
        // The same request finds the same end, and pays nothing more.
        assert_same(&app.create(request).await, &done);
        assert_eq!(app.upstream.charged(&marker).len(), 1);
    }
}

/// A provider suspends the account over too much moderated work: who causes it waits, also after a
/// restart, and what was made before is found all the same.
#[tokio::test]
async fn too_much_moderated_work_stops_its_tenant() {
    let settings = [("moderation.min_moderated", "3")];
    let mut app = TestApp::with(quick(), &settings).await;
    let request = |n: u32| v1::CreateRequest {
        request_id: format!("moderated-{n}"),
        ..sound("[sandbox:fail=SAFETY.INPUT.TEXT]")
    };
    for n in 0..3 {
        assert_eq!(app.run(request(n)).await.status(), TaskStatus::Failed);
    }
    for _ in 0..2 {
        let refused = app.refusal(sound("a bell")).await;
        let reason = "MODERATION_LIMIT_REACHED";
        assert!(refused.is(Code::ResourceExhausted, reason), "{refused:?}");
        assert_eq!(app.create(request(0)).await.status(), TaskStatus::Failed);
        app.restart(&settings).await;
    }
    assert_eq!(app.upstream.sandbox.ledger().len(), 3);
}

#[tokio::test]
async fn a_moderated_task_stays_ended_when_the_server_starts_again() {
    let mut app = TestApp::start().await;
    let done = app
        .run(picture("[sandbox:fail=SAFETY.INPUT.IMAGE]", png(20_000)))
        .await;
    app.restart(&[]).await;
    assert_same(&app.status(&done.id).await, &done);
    // What comes later passes; the moderated one is not sent again.
    app.run(sound("a bell")).await;
    let models: Vec<String> = app
        .upstream
        .sandbox
        .ledger()
        .into_iter()
        .map(|entry| entry.model)
        .collect();
    assert_eq!(models, ["gen4_turbo", "eleven_text_to_sound_v2"]);
}

#[tokio::test]
async fn other_failures_are_told_apart_from_moderation() {
    let app = TestApp::start().await;
    for (code, reason, retryable) in [
        ("INPUT_PREPROCESSING.INTERNAL", "GENERATION_FAILED", true),
        ("INTERNAL.BAD_OUTPUT.CODE01", "GENERATION_FAILED", true),
        ("THIRD_PARTY.UNAVAILABLE", "GENERATION_FAILED", true),
        ("ASSET.INVALID", "INVALID_INPUT", false),
    ] {
        let done = app
            .run(video(&format!("{code} [sandbox:fail={code}]")))
            .await;
        let error = done.error.as_ref().unwrap();
        assert_eq!((&*error.reason, error.retryable), (reason, retryable));
        assert_eq!(error.provider_code, code);
        assert_eq!(app.upstream.charged(code).len(), 1, "nothing is paid twice");
        let cost = done.cost.as_ref().unwrap();
        assert_eq!(
            cost.actual_millicredits,
            Some(0),
            "refunded, as the provider said"
        );
    }
}

/// The same task with nothing committed in between.
fn assert_same(task: &Task, known: &Task) {
    let seen = |task: &Task| {
        let bill = (task.cost, task.attempts.clone());
        (task.id.clone(), task.revision, task.error.clone(), bill)
    };
    assert_eq!(seen(task), seen(known));
}
