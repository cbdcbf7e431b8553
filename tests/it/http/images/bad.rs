//! Calls for images that are wrong, and what of OpenAI's own is let pass.

use serde_json::{Value, json};

use super::{ask, data, tasks};
use crate::harness::http::{self, Answer};
use crate::harness::{TestApp, within};

/// Two words for an image, with these members.
fn with(members: &Value) -> Value {
    let mut body = json!({ "model": "gen4_image", "prompt": "a lake" });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn every_bad_member_is_refused_by_its_name_and_nothing_is_made() {
    let app = TestApp::start().await;
    for (members, status, param) in [
        (json!({ "response_format": "png" }), 400, "response_format"),
        (json!({ "response_format": 5 }), 400, "response_format"),
        (json!({ "n": 0 }), 400, "n"),
        (json!({ "n": 11 }), 400, "n"),
        (json!({ "n": -1 }), 400, "n"),
        (json!({ "n": 1.5 }), 400, "n"),
        (json!({ "n": "2" }), 400, "n"),
        (json!({ "n": [] }), 400, "n"),
        (json!({ "prompt": "" }), 400, "prompt"),
        (json!({ "prompt": 5 }), 400, "prompt"),
        (json!({ "prompt": "x".repeat(5000) }), 400, "prompt"),
        (json!({ "size": 5 }), 400, "size"),
        (json!({ "size": "huge" }), 400, "size"),
        (json!({ "size": "1x100000" }), 400, "size"),
        (json!({ "ratio": "huge" }), 400, "ratio"),
        (json!({ "seed": -1 }), 400, "seed"),
        (json!({ "seconds": 5 }), 400, "seconds"),
        (json!({ "stream": true }), 400, "stream"),
        (json!({ "partial_images": 2 }), 400, "partial_images"),
        (json!({ "quality": "hd" }), 400, "quality"),
        (json!({ "style": "vivid" }), 400, "style"),
        (json!({ "background": "transparent" }), 400, "background"),
        (json!({ "output_format": "webp" }), 400, "output_format"),
        (
            json!({ "model": "gpt_image_2", "no_such_field": 1 }),
            400,
            "no_such_field",
        ),
        (json!({ "metadata": "x" }), 400, "metadata"),
        (json!({ "model": 5 }), 400, "model"),
        (json!({ "model": "dall-e-3" }), 400, "model"),
        (json!({ "model": "gen4_turbo" }), 400, "model"),
        (json!({ "model": "eleven_text_to_sound_v2" }), 400, "model"),
        (json!({ "image": 5 }), 400, "image"),
        (json!({ "image": "http://127.0.0.1/a.png" }), 400, "image"),
        (
            json!({ "input_reference": "data:image/png;base64,*" }),
            400,
            "input_reference",
        ),
    ] {
        let answer = ask(app.address, &with(&members), &[]).await;
        assert_eq!(answer.status, status, "{members}: {}", said(&answer));
        let (found, kind, _, named) = answer.problem();
        let expected = (status, "invalid_request_error", param);
        assert_eq!(
            (found, &*kind, &*named),
            expected,
            "{members}: {}",
            said(&answer)
        );
    }
    assert!(tasks(&app).await.is_empty());
}

fn said(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let app = TestApp::start().await;
    let url = format!("http://{}/v1/images/generations", app.address);
    for (kind, body, status) in [
        ("application/json", "", 400),
        ("application/json", "{", 400),
        ("application/json", "[]", 400),
        ("application/json", "\"x\"", 400),
        (
            "application/json",
            "{\"prompt\":\"a\",\"prompt\":\"b\"}",
            400,
        ),
        ("application/json", "\u{0}", 400),
        ("text/plain", "{}", 415),
        ("multipart/form-data; boundary=x", "--x--", 415),
    ] {
        let call = http::client().post(&url).header("content-type", kind);
        let answer = within("the answer", call.body(body).send()).await.unwrap();
        let answer = Answer::of(answer).await;
        assert_eq!(answer.problem().0, status, "{kind} {body}");
    }
    let got = http::get(app.address, "/v1/images/generations").await;
    assert_eq!(got.problem().0, 405);
    assert!(got.header("allow").contains("POST"), "{got:?}");
    assert!(tasks(&app).await.is_empty());
}

#[tokio::test]
async fn a_reference_is_missed_by_its_model() {
    let app = TestApp::start().await;
    let body = json!({ "model": "gen4_image_turbo", "prompt": "a lake" });
    let answer = ask(app.address, &body, &[]).await;
    assert_eq!(
        (answer.problem().0, &*answer.problem().3),
        (400, "input_reference"),
        "{answer:?}"
    );
    for name in ["input_reference", "image", "images", "input_references"] {
        let mut body = body.clone();
        body[name] = json!("https://example.com/a.png");
        let answer = ask(app.address, &body, &[]).await;
        assert_eq!(data(&answer).len(), 1, "{name}");
    }
}

#[tokio::test]
async fn what_openais_clients_send_and_means_nothing_here_is_let_pass() {
    let app = TestApp::start().await;
    for members in [
        json!({ "quality": "auto" }),
        json!({ "quality": "standard" }),
        json!({ "background": "auto", "moderation": "auto" }),
        json!({ "stream": false, "partial_images": 0 }),
        json!({ "user": "u", "n": 1, "size": "auto", "response_format": "url" }),
        json!({ "style": null, "size": null, "n": null, "quality": null }),
        json!({ "size": "1024x1024" }),
        json!({ "size": "1792x1024" }),
        json!({ "size": "1024x1792" }),
        json!({ "size": "1920x1080" }),
        json!({ "ratio": "1080:1920" }),
        json!({ "model": "runwayml/gen4_image" }),
        json!({ "model": null }),
        json!({ "model": "" }),
        json!({ "model": "gpt_image_2", "quality": "auto" }),
        json!({ "model": "gpt_image_2", "quality": "low", "background": "auto" }),
    ] {
        let answer = ask(app.address, &with(&members), &[]).await;
        assert_eq!(answer.status, 200, "{members}: {}", said(&answer));
    }
    let made = tasks(&app).await;
    assert!(
        made.iter()
            .any(|task| task.labels.get("user").is_some_and(|user| user == "u"))
    );
}

#[tokio::test]
async fn without_a_model_it_is_the_configured_one() {
    let app = TestApp::start().await;
    let answer = ask(app.address, &json!({ "prompt": "a lake" }), &[]).await;
    assert_eq!(data(&answer).len(), 1);
    assert_eq!(answer.header("x-litellm-model-group"), "gen4_image");
}
