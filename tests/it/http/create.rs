//! Videos are made from JSON as every client writes it.

use serde_json::{Value, json};

use crate::harness::http::{self, Answer, client};
use crate::harness::media::png;
use crate::harness::{TestApp, quick};

const IMAGE: &str = "https://example.com/a.png";

/// Makes a video and returns it as answered.
async fn made(app: &TestApp, body: &Value) -> Value {
    let answer = http::post(app.address, "/v1/videos", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn post_with(app: &TestApp, header: (&str, &str), body: &Value) -> Answer {
    let url = format!("http://{}/v1/videos", app.address);
    let sent = client()
        .post(url)
        .header(header.0, header.1)
        .json(body)
        .send()
        .await;
    Answer::of(sent.unwrap()).await
}

#[tokio::test]
async fn a_video_goes_from_json_to_its_end_under_one_id() {
    let app = TestApp::start().await;
    let body = json!({"model": "runwayml/gen4_turbo", "prompt": "a lake", "input_reference": IMAGE,
                      "ratio": "1280:720"});
    let answer = http::post(app.address, "/videos", &body).await;
    let video = answer.json();
    assert_eq!(
        (answer.status.as_u16(), &video["object"]),
        (200, &json!("video"))
    );
    assert_eq!(video["model"], "runwayml/gen4_turbo");
    assert_eq!(
        (&video["seconds"], &video["size"]),
        // A film of which nobody said how long it is has the default length.
        (&json!("5"), &json!("1280x720"))
    );
    assert_eq!(
        (&video["prompt"], &video["error"]),
        (&json!("a lake"), &Value::Null)
    );
    let id = video["id"].as_str().unwrap();
    let task = format!("task_{}", id.strip_prefix("video_").unwrap());
    assert_eq!(answer.header("x-litellm-call-id"), task);
    assert_eq!(
        answer.header("x-litellm-model-group"),
        "runwayml/gen4_turbo"
    );
    app.finish(&task).await;
    let shown = http::get(app.address, &format!("/v1/videos/{id}"))
        .await
        .json();
    assert_eq!(
        (&shown["status"], &shown["progress"]),
        (&json!("completed"), &json!(100))
    );
    assert!(shown["seconds"].is_string(), "{shown}");
    assert_eq!(app.upstream.sandbox.ledger().len(), 1);
}

#[tokio::test]
async fn what_is_said_in_several_ways_is_one_task() {
    let app = TestApp::start().await;
    for body in [
        json!({"seconds": 5, "size": "1280x720"}),
        json!({"seconds": "5", "size": "1280:720"}),
        json!({"seconds": 5.0, "ratio": "1280:720", "size": "1280x720"}),
        json!({"seconds": "5", "ratio": "1280x720", "n": 1, "count": 1, "seed": null}),
        json!({"provider_options": {"duration": 5, "ratio": "1280:720"}}),
        json!({"duration": 5, "size": "1280x720", "num_retries": 3, "drop_params": true}),
        json!({"extra_body": {"seconds": 5, "size": "1280x720"}, "litellm_metadata": {"a": 1}}),
    ] {
        let mut whole = json!({"model": "gen4.5", "prompt": "a lake"});
        whole
            .as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        let video = made(&app, &whole).await;
        assert_eq!(video["seconds"], "5", "{body}");
        assert_eq!(video["size"], "1280x720", "{body}");
    }
}

#[tokio::test]
async fn an_image_is_named_described_or_held_in_the_body() {
    let app = TestApp::start().await;
    let held = base64_of(&png(1000));
    for image in [
        json!(IMAGE),
        json!({"image_url": IMAGE}),
        json!({"type": "image_url", "image_url": {"url": IMAGE}}),
        json!([{"url": IMAGE, "role": "first_frame"}]),
        json!(format!("data:image/png;base64,{held}")),
        json!(format!("data:;base64,{}", held.trim_end_matches('='))),
    ] {
        let body = json!({"model": "gen4_turbo", "prompt": "a lake", "input_reference": image});
        made(&app, &body).await;
    }
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[tokio::test]
async fn labels_come_from_metadata_labels_and_user() {
    let app = TestApp::start().await;
    let body = json!({"model": "gen4.5", "prompt": "a", "metadata": {"team": "x", "n": 5},
                      "labels": {"stage": "test"}, "user": "u1", "priority": 7, "timeout": "90"});
    let video = made(&app, &body).await;
    let id = video["id"].as_str().unwrap().replace("video_", "task_");
    let task = app.status(&id).await;
    for (name, value) in [("team", "x"), ("n", "5"), ("stage", "test"), ("user", "u1")] {
        assert_eq!(task.labels[name], value);
    }
}

#[tokio::test]
async fn a_body_needs_no_type_and_may_name_a_charset() {
    let app = TestApp::start().await;
    let body = br#"{"model": "gen4.5", "prompt": "a lake"}"#;
    for kind in [
        &[][..],
        &["Content-Type: application/json; charset=utf-8"],
        &["content-type: Application/JSON"],
    ] {
        let answer = super::wire::post(app.address, "/v1/videos", kind, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn a_key_of_idempotency_makes_one_task_and_serves_one_request() {
    let app = TestApp::start().await;
    let body = json!({"model": "gen4.5", "prompt": "a lake", "seconds": 5});
    let key = ("Idempotency-Key", "order-1");
    let first = post_with(&app, key, &body).await.json();
    let again = post_with(&app, key, &body).await.json();
    assert_eq!(first["id"], again["id"]);
    let other = json!({"model": "gen4.5", "prompt": "a sea", "seconds": 5});
    let refused = post_with(&app, key, &other).await;
    let (status, kind, code, param) = refused.problem();
    let seen = (status, &*kind, &*code, &*param);
    assert_eq!(
        seen,
        (
            409,
            "idempotency_error",
            "idempotency_key_reused",
            "Idempotency-Key"
        )
    );
    assert_eq!(refused.header("x-should-retry"), "false");
    let list = http::get(app.address, "/v1/videos").await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_left_out_has_defaults_of_the_operators() {
    let settings = [
        ("defaults.video_model", "veo3.1_fast"),
        ("defaults.video_size", "1080x1920"),
    ];
    let app = TestApp::with(quick(), &settings).await;
    let video = made(&app, &json!({"prompt": "a lake"})).await;
    assert_eq!(video["model"], "veo3.1_fast");
    assert_eq!(video["size"], "1080x1920");
    let own = made(&app, &json!({"prompt": "a lake", "size": "1280x720"})).await;
    assert_eq!(own["size"], "1280x720");
    // The nearest that the model has, where it lacks the default.
    let body = json!({"model": "gen4_turbo", "prompt": "a", "input_reference": IMAGE});
    let near = made(&app, &body).await;
    assert_eq!(near["size"], "720x1280");
    assert_eq!(near["seconds"], "5");
    let task = app.create(crate::harness::video("a lake")).await;
    assert_ne!(task.id, "");
}

#[tokio::test]
async fn credentials_and_addresses_in_a_body_never_reach_the_provider() {
    let app = TestApp::start().await;
    for name in [
        "api_key",
        "api_base",
        "extra_headers",
        "base_url",
        "custom_llm_provider",
    ] {
        let body = json!({"model": "gen4.5", "prompt": "a lake", name: "x"});
        let refused = http::post(app.address, "/v1/videos", &body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem().3),
            (400, name.to_owned())
        );
        // Nor for a model that the catalogue lacks, whose options it cannot judge.
        let body = json!({"model": "runwayml/new", "prompt": "a", "provider_options": {name: "x"}});
        let refused = http::post(app.address, "/v1/videos", &body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem().3),
            (400, name.to_owned())
        );
    }
    assert_eq!(app.upstream.sandbox.ledger().len(), 0);
}
