//! Faults by prompt and by script.

use serde_json::json;

use super::{Site, film, read, signed};
use crate::sandbox::{Effect, Fault, Place};

fn fault(on: Place, effect: Effect) -> Fault {
    Fault {
        on,
        times: 1,
        accept_first: false,
        effect,
    }
}

#[tokio::test]
async fn a_failure_code_ends_the_task_and_decides_the_charge() {
    let site = Site::quick().await;
    for (code, cost) in [
        ("SAFETY.INPUT.TEXT", 144),
        ("INTERNAL.BAD_OUTPUT.CODE01", 0),
    ] {
        let task = site
            .task(&site.film(&format!("[sandbox:fail={code}]")).await)
            .await;
        assert_eq!(
            (&task["status"], &task["failureCode"]),
            (&json!("FAILED"), &json!(code))
        );
        assert_eq!(task["cost"]["credits"], cost);
        assert!(task["failure"].is_string());
    }
}

#[tokio::test]
async fn a_refused_create_is_not_in_the_ledger_and_one_accepted_first_is() {
    let site = Site::quick().await;
    let create = async |marker: &str| site.post("/v1/text_to_video", &film(marker)).await.status();
    assert_eq!(create("[sandbox:status=503]").await, 503);
    assert_eq!(create("[sandbox:no-credits]").await, 400);
    assert!(site.sandbox.ledger().is_empty());
    assert_eq!(create("[sandbox:accept-then-500]").await, 500);
    assert_eq!(site.sandbox.ledger().len(), 1);
}

#[tokio::test]
async fn a_reset_breaks_the_connection_after_or_without_accepting() {
    let site = Site::quick().await;
    for (marker, accepted) in [("reset", 0), ("accept-then-reset", 1)] {
        let body = film(&format!("[sandbox:{marker}]"));
        let request = site.client.post(site.url("/v1/text_to_video")).json(&body);
        let problem = signed(request).send().await.expect_err("no answer comes");
        assert!(!problem.is_connect(), "the request was sent: {problem:?}");
        assert!(
            format!("{problem:?}").contains("ConnectionReset"),
            "{problem:?}"
        );
        assert_eq!(site.sandbox.ledger().len(), accepted, "{marker}");
    }
}

#[tokio::test]
async fn the_first_reads_of_a_task_may_fail() {
    let site = Site::quick().await;
    let path = format!("/v1/tasks/{}", site.film("[sandbox:poll-404=2]").await);
    for status in [404, 404, 200] {
        assert_eq!(site.get(&path).await.status(), status);
    }
    let path = format!("/v1/tasks/{}", site.film("[sandbox:poll-502=1]").await);
    for status in [502, 200] {
        assert_eq!(site.get(&path).await.status(), status);
    }
}

#[tokio::test]
async fn an_odd_status_is_shown_while_the_task_runs() {
    let site = Site::quick().await;
    let running = site
        .film("[sandbox:status=weird][sandbox:seconds=60]")
        .await;
    assert_eq!(site.task(&running).await["status"], "WEIRD");
    let done = site.film("[sandbox:status=weird][sandbox:seconds=0]").await;
    assert_eq!(site.task(&done).await["status"], "SUCCEEDED");
    let held = site.film("[sandbox:throttled=60]").await;
    assert_eq!(site.task(&held).await["status"], "THROTTLED");
}

#[tokio::test]
async fn a_script_over_http_answers_the_next_creates_with_status_and_headers() {
    let site = Site::quick().await;
    let script = json!({
        "on": "create", "times": 2, "do": "answer", "status": 429,
        "headers": {"retry-after": "7"}, "body": {"error": "Your daily task limit has been reached."},
    });
    assert_eq!(site.post("/_sandbox/faults", &script).await.status(), 204);
    for _ in 0..2 {
        let answer = site.post("/v1/text_to_video", &film("a lake")).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (429, &"7".parse().expect("a header"))
        );
        assert_eq!(
            read(answer).await["error"],
            "Your daily task limit has been reached."
        );
    }
    assert_eq!(
        site.post("/v1/text_to_video", &film("a lake"))
            .await
            .status(),
        200
    );
    assert_eq!(site.sandbox.ledger().len(), 1);
    assert_eq!(
        site.post("/_sandbox/faults", &json!({"on": "create"}))
            .await
            .status(),
        400
    );
}

#[tokio::test]
async fn scripted_faults_can_accept_first_cut_and_be_forgotten() {
    let site = Site::quick().await;
    let accept = Fault {
        accept_first: true,
        ..fault(Place::Create, Effect::Reset)
    };
    assert!(site.sandbox.inject(accept));
    let request = site
        .client
        .post(site.url("/v1/text_to_video"))
        .json(&film("a lake"));
    assert!(signed(request).send().await.is_err());
    assert_eq!(site.sandbox.ledger().len(), 1);
    let url = site.output(&site.sandbox.ledger()[0].id).await;
    assert!(
        site.sandbox
            .inject(fault(Place::Output, Effect::Cut { bytes: 10 }))
    );
    let cut = site.client.get(&url).send().await.expect("an answer");
    assert_eq!(cut.status(), 200);
    assert!(cut.bytes().await.is_err());
    let whole = site.client.get(&url).send().await.expect("an answer");
    assert!(whole.bytes().await.is_ok());
    assert!(site.sandbox.inject(fault(Place::Poll, Effect::Hang)));
    site.sandbox.clear_faults();
    assert_eq!(
        site.task(&site.sandbox.ledger()[0].id).await["status"],
        "SUCCEEDED"
    );
}
