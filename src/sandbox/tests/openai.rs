//! The face with `OpenAI`'s API.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::multipart::{Form, Part};

use super::*;

fn lake() -> Value {
    json!({ "model": "sora-2", "prompt": "a lake", "seconds": "4", "size": "1280x720" })
}

impl Site {
    /// Creates a video and gives its path.
    async fn video(&self, body: &Value) -> String {
        let answer = self.post("/openai/v1/videos", body).await;
        assert_eq!(answer.status(), 200);
        format!("/openai/v1/videos/{}", text(&read(answer).await["id"]))
    }

    /// Status and error of a refused create.
    async fn refused(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.post(path, body).await;
        let status = answer.status().as_u16();
        (status, read(answer).await["error"].clone())
    }
}

#[tokio::test]
async fn a_video_goes_its_way_and_its_content_has_ranges() {
    let site = Site::quick().await;
    let path = site.video(&lake()).await;
    let video = read(site.get(&path).await).await;
    assert_eq!(
        (&video["status"], &video["progress"]),
        (&json!("completed"), &json!(100))
    );
    assert_eq!(
        (&video["seconds"], &video["size"]),
        (&json!("4"), &json!("1280x720"))
    );
    assert_eq!(video["usage"]["provider_reported_cost_usd"], 0.4);
    let whole = site.get(&format!("{path}/content")).await;
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(whole.headers()["content-type"], "video/mp4");
    assert!(
        whole.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .ends_with(".mp4\"")
    );
    let whole = whole.bytes().await.unwrap();
    let request = site.client.get(site.url(&format!("{path}/content")));
    let request = signed(request)
        .header("range", "bytes=100-")
        .header("if-range", tag);
    let rest = request.send().await.unwrap();
    assert_eq!(rest.status(), 206);
    assert_eq!(rest.bytes().await.unwrap(), whole[100..]);
    let list = read(site.get("/openai/v1/videos").await).await;
    assert_eq!(
        (&list["data"][0]["id"], &list["has_more"]),
        (&video["id"], &json!(false))
    );
    assert_eq!(site.delete(&path).await, 200);
    assert_eq!(site.delete(&path).await, 404);
    assert_eq!(site.get(&path).await.status(), 404);
    let entry = &site.sandbox.ledger()[0];
    assert_eq!(
        (&*entry.status, &*entry.endpoint, entry.credits),
        ("DELETED", "/openai/v1/videos", 40)
    );
}

#[tokio::test]
async fn content_is_not_ready_before_the_end() {
    let site = Site::slow().await;
    let path = site.video(&lake()).await;
    assert_eq!(read(site.get(&path).await).await["status"], "in_progress");
    let answer = site.get(&format!("{path}/content")).await;
    assert_eq!(answer.status(), 404);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(read(answer).await["error"]["code"], "video_not_ready");
    assert_eq!(site.delete(&path).await, 200);
    assert_eq!(site.sandbox.counts().cancelled, 1);
}

#[tokio::test]
async fn a_form_may_hold_an_image() {
    let site = Site::quick().await;
    let form = |file: Option<Part>| {
        let form = Form::new()
            .text("model", "sora-2")
            .text("prompt", "a lake")
            .text("seconds", "8");
        file.into_iter()
            .fold(form, |form, file| form.part("input_reference", file))
    };
    let file = |kind: &str| {
        Part::bytes(vec![1; 900])
            .file_name("i.png")
            .mime_str(kind)
            .unwrap()
    };
    for (form, status) in [
        (form(None), 200),
        (form(Some(file("image/png"))), 200),
        (form(Some(file("text/plain"))), 400),
    ] {
        let request = site
            .client
            .post(site.url("/openai/v1/videos"))
            .multipart(form);
        assert_eq!(signed(request).send().await.unwrap().status(), status);
    }
    assert_eq!(site.sandbox.ledger().len(), 2);
}

#[tokio::test]
async fn what_no_model_takes_is_refused_by_name() {
    let site = Site::quick().await;
    let with = |name: &str, value: Value| {
        let mut body = lake();
        body[name] = value;
        body
    };
    for (body, status, param) in [
        (with("seconds", json!(4)), 400, json!("seconds")),
        (with("seconds", json!("5")), 400, json!("seconds")),
        (with("size", json!("1280:720")), 400, json!("size")),
        (with("size", json!("1792x1024")), 400, json!("size")),
        (with("prompt", json!("")), 400, json!("prompt")),
        (with("model", json!("sora-9")), 404, Value::Null),
        (
            with("input_reference", json!("x")),
            400,
            json!("input_reference"),
        ),
        (json!([]), 400, Value::Null),
    ] {
        let (said, error) = site.refused("/openai/v1/videos", &body).await;
        assert_eq!((said, &error["param"]), (status, &param), "{body} {error}");
    }
    let images = "/openai/v1/images/generations";
    for (body, param) in [
        (
            json!({"model": "gpt-image-1", "prompt": "x", "response_format": "url"}),
            "response_format",
        ),
        (json!({"model": "gpt-image-1", "prompt": "x", "n": 11}), "n"),
        (
            json!({"model": "gpt-image-1", "prompt": "x", "size": "10x10"}),
            "size",
        ),
    ] {
        assert_eq!(
            site.refused(images, &body).await.1["param"],
            param,
            "{body}"
        );
    }
    assert_eq!(site.sandbox.counts().creates_accepted, 0);
}

#[tokio::test]
async fn images_come_as_bytes_or_addresses() {
    let site = Site::quick().await;
    let images = "/openai/v1/images/generations";
    let body = json!({"model": "gpt-image-1", "prompt": "a lake", "n": 2});
    let answer = read(site.post(images, &body).await).await;
    let data = answer["data"].as_array().unwrap();
    assert_eq!(data.len(), 2);
    let file = BASE64_STANDARD.decode(text(&data[1]["b64_json"])).unwrap();
    assert!(file.starts_with(b"\x89PNG"));
    let body = json!({"model": "dall-e-3", "prompt": "a lake"});
    let answer = read(site.post(images, &body).await).await;
    let url = text(&answer["data"][0]["url"]);
    let file = site.client.get(url).send().await.unwrap();
    assert_eq!(file.headers()["content-type"], "image/png");
    assert_eq!(site.sandbox.ledger().len(), 2);
}

#[tokio::test]
async fn markers_faults_and_keys_hold_here_too() {
    let site = Site::quick().await;
    let asked = |marker: &str| {
        let mut body = lake();
        body["prompt"] = json!(format!("a lake [sandbox:{marker}]"));
        body
    };
    let videos = "/openai/v1/videos";
    let (status, error) = site.refused(videos, &asked("no-credits")).await;
    assert_eq!(
        (status, &error["code"]),
        (429, &json!("insufficient_quota"))
    );
    assert_eq!(
        site.refused(videos, &asked("status=429")).await.1["code"],
        "rate_limit_exceeded"
    );
    assert_eq!(site.refused(videos, &asked("accept-then-500")).await.0, 500);
    assert_eq!(site.sandbox.ledger().len(), 1);
    let path = site.video(&asked("fail=moderation_blocked")).await;
    let video = read(site.get(&path).await).await;
    assert_eq!(video["error"]["code"], "moderation_blocked");
    let path = site.video(&asked("poll-404=1")).await;
    assert_eq!(site.get(&path).await.status(), 404);
    assert_eq!(site.get(&path).await.status(), 200);
    for key in [
        None,
        Some(""),
        Some("Basic x"),
        Some("Bearer ab"),
        Some("Bearer a b c"),
    ] {
        let request = site.client.get(site.url(videos));
        let request = key
            .into_iter()
            .fold(request, |request, key| request.header("authorization", key));
        assert_eq!(request.send().await.unwrap().status(), 401, "{key:?}");
    }
    let request = site.client.get(site.url(videos)).bearer_auth("sk-1234");
    assert_eq!(request.send().await.unwrap().status(), 200);
}
