//! Videos are made from forms, as OpenAI's and LiteLLM's libraries send them.

use serde_json::json;

use super::wire::{self, Form};
use crate::harness::http;
use crate::harness::media::png;
use crate::harness::{TestApp, eventually, quick};

/// Names of what the archive holds of a kind.
fn folders(app: &TestApp, kind: &str) -> Vec<String> {
    let entries = std::fs::read_dir(app.archive("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(kind)).collect()
}

async fn no_upload_stays(app: &TestApp) {
    let look = || async {
        let kept = folders(app, "upload_");
        if kept.is_empty() { Ok(()) } else { Err(kept) }
    };
    eventually("no upload is left", look).await;
}

#[tokio::test]
async fn a_form_of_texts_is_a_video() {
    let app = TestApp::start().await;
    let form = Form::new()
        .text("prompt", "a lake")
        .text("model", "gen4.5")
        .text("seconds", "5")
        .text("size", "1280x720")
        .text("seed", "7")
        .text("audio", "")
        .text("n", "")
        .text("metadata[team]", "x")
        .text("contentModeration[publicFigureThreshold]", "low")
        .end();
    let answer = wire::post(app.address, "/v1/videos", &[Form::TYPE], &form).await;
    let video = answer.json();
    assert_eq!(
        (answer.status.as_u16(), &video["seconds"]),
        (200, &json!("5")),
        "{video}"
    );
    let task = app.status(answer.header("x-litellm-call-id")).await;
    assert_eq!(task.labels["team"], "x");
    let ended = app.finish(&task.id).await;
    assert_eq!(ended.status, 4, "{ended:?}");
}

#[tokio::test]
async fn a_file_of_a_form_becomes_the_tasks_own_and_nothing_else_stays() {
    let app = TestApp::with(quick(), &[("server.max_create_bytes", "64KiB")]).await;
    // Larger than what a body in JSON may be.
    let form = Form::new()
        .text("prompt", "a lake")
        .text("model", "gen4_turbo")
        .file("input_reference", "C:\\pictures\\a.jpg", &png(3 << 20))
        .end();
    let answer = wire::post(app.address, "/v1/videos", &[Form::TYPE], &form).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let id = answer.header("x-litellm-call-id").to_owned();
    let ended = app.finish(&id).await;
    assert_eq!(ended.status, 4, "{ended:?}");
    no_upload_stays(&app).await;
}

#[tokio::test]
async fn the_same_form_under_one_key_is_one_task() {
    let app = TestApp::start().await;
    let form = Form::new()
        .text("prompt", "a lake")
        .text("model", "gen4_turbo")
        .file("input_reference", "a.png", &png(1000))
        .end();
    let headers = [Form::TYPE, "Idempotency-Key: form-1"];
    let first = wire::post(app.address, "/v1/videos", &headers, &form)
        .await
        .json();
    let again = wire::post(app.address, "/v1/videos", &headers, &form)
        .await
        .json();
    assert_eq!(first["id"], again["id"]);
    no_upload_stays(&app).await;
}

#[tokio::test]
async fn an_address_may_come_as_text_as_member_or_as_file() {
    let app = TestApp::start().await;
    let address = "https://example.com/a.png";
    let base = || Form::new().text("prompt", "a").text("model", "gen4_turbo");
    for form in [
        base().text("input_reference", address),
        base().text("input_reference[]", address),
        base().text("input_reference[image_url]", address),
        base().text(
            "input_reference",
            &format!("{{\"image_url\": \"{address}\"}}"),
        ),
        // So LiteLLM's client sends what it calls a file.
        base().file("input_reference", "input_reference.png", address.as_bytes()),
        base().file(
            "input_reference",
            "x.png",
            b"data:image/png;base64,iVBORw0KGgo=",
        ),
    ] {
        let answer = wire::post(app.address, "/v1/videos", &[Form::TYPE], &form.end()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(folders(&app, "upload_"), [""; 0]);
}

#[tokio::test]
async fn two_files_for_one_place_are_refused_and_leave_nothing() {
    let app = TestApp::start().await;
    let form = Form::new()
        .text("prompt", "a")
        .text("model", "gen4_turbo")
        .file("input_reference", "a.png", &png(1000))
        .file("input_reference", "b.png", &png(1001))
        .end();
    let refused = wire::post(app.address, "/v1/videos", &[Form::TYPE], &form).await;
    let (status, _, _, param) = refused.problem();
    assert_eq!(
        (status, &*param),
        (400, "input_reference[1].role"),
        "{refused:?}"
    );
    no_upload_stays(&app).await;
    let list = http::get(app.address, "/v1/videos").await.json();
    assert_eq!(list["data"], json!([]));
}

#[tokio::test]
async fn a_caller_who_leaves_in_the_middle_of_a_file_leaves_nothing() {
    let app = TestApp::start().await;
    let mut form = Form::new()
        .file("input_reference", "a.png", &png(2 << 20))
        .open();
    form.truncate(1 << 20);
    let head = format!(
        "POST /v1/videos HTTP/1.1\r\nHost: x\r\n{}\r\nContent-Length: 3000000\r\n\r\n",
        Form::TYPE
    );
    let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let bytes = [head.as_bytes(), &form].concat();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes)
        .await
        .unwrap();
    let begun = || async {
        if folders(&app, "upload_").is_empty() {
            Err("nothing yet")
        } else {
            Ok(())
        }
    };
    eventually("the file is being written", begun).await;
    drop(stream);
    no_upload_stays(&app).await;
}
