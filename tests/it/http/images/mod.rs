//! Images over HTTP: what comes back, who waits, and what is paid for.

mod bad;
mod ends;
mod repeats;
mod waits;

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mediagen::pb::v1::{ListRequest, Task};
use serde_json::{Value, json};

use crate::harness::http::{self, Answer};
use crate::harness::{TestApp, eventually, within};

/// A call for images with these headers.
async fn ask(address: SocketAddr, body: &Value, headers: &[(&str, &str)]) -> Answer {
    let url = format!("http://{address}/v1/images/generations");
    let mut call = http::client().post(url).json(body);
    for (name, value) in headers {
        call = call.header(*name, *value);
    }
    let answered = within("the answer", call.send()).await.unwrap();
    Answer::of(answered).await
}

/// The fewest words for one image.
fn image(prompt: &str) -> Value {
    json!({ "model": "gen4_image", "prompt": prompt })
}

/// A good answer's images.
fn data(answer: &Answer) -> Vec<Value> {
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    answer.json()["data"].as_array().unwrap().clone()
}

/// Every task of the server, newest first.
async fn tasks(app: &TestApp) -> Vec<Task> {
    let listed = app.client.clone().list(ListRequest::default()).await;
    listed.unwrap().into_inner().tasks
}

/// Waits until there are so many tasks.
async fn until_made(app: &TestApp, count: usize) -> Vec<Task> {
    eventually("the tasks are made", || async {
        let tasks = tasks(app).await;
        if tasks.len() == count {
            Ok(tasks)
        } else {
            Err(tasks.len())
        }
    })
    .await
}

/// An output as it is archived.
fn archived(app: &TestApp, id: &str, index: u32) -> Vec<u8> {
    std::fs::read(app.archive(id).join(index.to_string())).unwrap()
}

#[tokio::test]
async fn an_address_in_the_answer_has_the_archived_bytes_and_needs_no_key() {
    let app = TestApp::start().await;
    let answer = ask(app.address, &image("a lake"), &[]).await;
    let images = data(&answer);
    let id = answer.header("x-litellm-call-id");
    assert_eq!(images.len(), 1);
    assert!(images[0]["b64_json"].is_null() && images[0]["revised_prompt"].is_null());
    let url = images[0]["url"].as_str().unwrap();
    let ours = format!("http://{}/v1/files/", app.address);
    assert!(url.starts_with(&ours), "{url}");
    let file = http::get(
        app.address,
        url.strip_prefix(&format!("http://{}", app.address))
            .unwrap(),
    );
    let file = file.await;
    assert_eq!(file.status, 200);
    assert_eq!(file.header("content-type"), "image/png");
    assert_eq!(file.body, archived(&app, id, 0));
    let body = answer.json();
    assert!(body["created"].as_i64().unwrap() > 1_700_000_000);
    assert!(body["usage"]["cost_usd"].as_f64().unwrap() > 0.0, "{body}");
    assert_eq!(
        answer.header("x-litellm-response-cost"),
        body["usage"]["cost_usd"].to_string()
    );
    assert_eq!(answer.header("x-litellm-model-group"), "gen4_image");
}

#[tokio::test]
async fn the_bytes_in_the_answer_are_the_archived_ones() {
    let app = TestApp::start().await;
    let mut body = image("a lake");
    body["response_format"] = json!("b64_json");
    let answer = ask(app.address, &body, &[]).await;
    let images = data(&answer);
    assert!(images[0]["url"].is_null() && images[0]["revised_prompt"].is_null());
    let letters = images[0]["b64_json"].as_str().unwrap();
    let id = answer.header("x-litellm-call-id");
    assert_eq!(
        BASE64_STANDARD.decode(letters).unwrap(),
        archived(&app, id, 0)
    );
    assert_eq!(
        answer.header("content-length"),
        answer.body.len().to_string()
    );
    assert!(answer.json()["usage"]["cost_usd"].is_number());
}

#[tokio::test]
async fn several_images_are_one_task_where_the_model_makes_so_many() {
    let app = TestApp::start().await;
    let body = json!({
        "model": "gpt_image_2", "prompt": "three lakes", "n": 3, "response_format": "b64_json",
    });
    let answer = ask(app.address, &body, &[]).await;
    let images = data(&answer);
    let id = answer.header("x-litellm-call-id");
    assert_eq!(images.len(), 3);
    for (index, image) in (0..).zip(&images) {
        let letters = image["b64_json"].as_str().unwrap();
        assert_eq!(
            BASE64_STANDARD.decode(letters).unwrap(),
            archived(&app, id, index)
        );
    }
    assert_eq!(app.upstream.charged("three lakes").len(), 1);
}

#[tokio::test]
async fn several_images_are_several_tasks_elsewhere_and_cost_their_sum() {
    let app = TestApp::start().await;
    let key = [("idempotency-key", "lakes-1")];
    let one = ask(app.address, &image("one lake"), &[]).await;
    let mut body = image("three lakes");
    body["n"] = json!(3);
    let answer = ask(app.address, &body, &key).await;
    let images = data(&answer);
    let mut urls: Vec<&str> = images
        .iter()
        .map(|image| image["url"].as_str().unwrap())
        .collect();
    urls.dedup();
    assert_eq!(urls.len(), 3);
    assert_eq!(app.upstream.charged("three lakes").len(), 3);
    let cost = |answer: &Answer| answer.json()["usage"]["cost_usd"].as_f64().unwrap();
    assert!((cost(&answer) - 3.0 * cost(&one)).abs() < 1e-9);
    assert_eq!(
        answer.header("x-litellm-response-cost"),
        cost(&answer).to_string()
    );

    let again = ask(app.address, &body, &key).await;
    assert_eq!(data(&again).len(), 3);
    assert_eq!(
        again.header("x-litellm-call-id"),
        answer.header("x-litellm-call-id")
    );
    for other in [1, 2, 4] {
        body["n"] = json!(other);
        let refused = ask(app.address, &body, &key).await;
        let (status, kind, code, _) = refused.problem();
        let expected = (409, "idempotency_error", "idempotency_key_reused");
        assert_eq!((status, &*kind, &*code), expected, "{other}");
        assert_eq!(refused.header("x-should-retry"), "false");
    }
    assert_eq!(app.upstream.charged("three lakes").len(), 3);
}

#[tokio::test]
async fn a_number_that_a_model_does_not_make_at_once_is_several_tasks() {
    let app = TestApp::start().await;
    // It makes one or four.
    let model = "gemini_image3.1_flash_lite";
    for (n, charged) in [(2, 2), (4, 1)] {
        let prompt = format!("{n} lakes");
        let body = json!({ "model": model, "prompt": prompt, "n": n });
        assert_eq!(data(&ask(app.address, &body, &[]).await).len(), n);
        assert_eq!(app.upstream.charged(&prompt).len(), charged);
    }
}
