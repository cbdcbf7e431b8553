//! Calls for images that end without one.

use serde_json::json;

use super::{ask, data, image, tasks, until_made};
use crate::harness::{TestApp, quick};
use mediagen::pb::v1::{CancelRequest, TaskStatus};

#[tokio::test]
async fn a_failed_task_is_an_error_by_its_reason_and_is_not_repeated() {
    let app = TestApp::start().await;
    for (code, status, kind, told) in [
        (
            "SAFETY.INPUT.TEXT",
            400,
            "invalid_request_error",
            "moderation_blocked",
        ),
        (
            "SAFETY.OUTPUT.IMAGE",
            400,
            "invalid_request_error",
            "moderation_blocked",
        ),
        (
            "INPUT_PREPROCESSING.INTERNAL",
            500,
            "server_error",
            "generation_failed",
        ),
        (
            "INTERNAL.BAD_OUTPUT.CODE01",
            500,
            "server_error",
            "generation_failed",
        ),
        (
            "ASSET.INVALID",
            400,
            "invalid_request_error",
            "invalid_input",
        ),
    ] {
        let answer = ask(
            app.address,
            &image(&format!("x [sandbox:fail={code}]")),
            &[],
        )
        .await;
        let (found, found_kind, found_code, param) = answer.problem();
        let expected = (status, kind, told, "");
        assert_eq!(
            (found, &*found_kind, &*found_code, &*param),
            expected,
            "{code}"
        );
        assert_eq!(answer.header("x-should-retry"), "false", "{code}");
        let id = answer.header("x-litellm-call-id");
        let message = answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        let digits = id.strip_prefix("task_").unwrap();
        assert!(message.contains(&format!("image_{digits}")), "{message}");
        assert_eq!(app.status(id).await.status(), TaskStatus::Failed);
    }
    assert_eq!(tasks(&app).await.len(), 5);
}

#[tokio::test]
async fn a_task_that_another_call_cancels_ends_the_wait() {
    let app = TestApp::start().await;
    let body = image("a lake [sandbox:seconds=600]");
    let cancel = async {
        let id = until_made(&app, 1).await[0].id.clone();
        let request = CancelRequest {
            task_id: id.clone(),
        };
        app.client.clone().cancel(request).await.unwrap();
        id
    };
    let (answer, id) = tokio::join!(ask(app.address, &body, &[]), cancel);
    assert_eq!(
        (answer.problem().0, &*answer.problem().2),
        (409, "cancelled")
    );
    assert_eq!(answer.header("x-should-retry"), "false");
    assert_eq!(answer.header("x-litellm-call-id"), id);
}

#[tokio::test]
async fn a_damaged_image_is_an_error_and_never_half_an_image() {
    let app = TestApp::start().await;
    let mut body = image("a lake");
    body["response_format"] = json!("b64_json");
    let key = [("idempotency-key", "lake-1")];
    let good = ask(app.address, &body, &key).await;
    assert_eq!(data(&good).len(), 1);
    let file = app.archive(good.header("x-litellm-call-id")).join("0");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let damaged = ask(app.address, &body, &key).await;
    assert_eq!(
        (damaged.problem().0, &*damaged.problem().2),
        (500, "output_corrupt")
    );
    assert_eq!(damaged.header("x-should-retry"), "false");
    std::fs::remove_file(&file).unwrap();
    let gone = ask(app.address, &body, &key).await;
    assert_eq!(
        (gone.problem().0, &*gone.problem().2),
        (500, "output_missing")
    );
    assert_eq!(
        gone.header("x-litellm-call-id"),
        good.header("x-litellm-call-id")
    );
    let name = good.header("x-litellm-call-id").replace("task_", "image_");
    let message = gone.json()["error"]["message"].to_string();
    assert!(message.contains(&name), "{message}");
}

#[tokio::test]
async fn a_video_model_is_refused_naming_the_right_call() {
    let app = TestApp::with(quick(), &[]).await;
    for model in ["gen4.5", "runwayml/gen4_turbo", "gen4_turbo"] {
        let answer = ask(app.address, &json!({ "model": model, "prompt": "x" }), &[]).await;
        let (status, _, code, param) = answer.problem();
        assert_eq!(
            (status, &*code, &*param),
            (400, "output_unsupported", "model"),
            "{model}"
        );
        let message = answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.contains("/v1/videos"), "{message}");
    }
    assert!(tasks(&app).await.is_empty());
}
