//! Bad requests over plain sockets: each gets the status, the type, the code and the field that it
//! should, nothing is kept of any, and the provider never hears of one.

use serde_json::json;

use super::wire::{self, Form};
use crate::harness::http::{self, Answer};
use crate::harness::media::png;
use crate::harness::{TestApp, eventually, quick};

const JSON: &str = "Content-Type: application/json";
const BAD: &str = "invalid_request_error";

/// Status, type, code and param.
type Problem = (u16, &'static str, &'static str, &'static str);

async fn app() -> TestApp {
    let settings = [
        ("server.max_create_bytes", "64KiB"),
        ("upload.max_bytes", "1MiB"),
        ("upload.idle_timeout", "1s"),
    ];
    TestApp::with(quick(), &settings).await
}

fn check(answer: &Answer, expected: Problem, what: &str) {
    assert_ne!(answer.status, 200, "{what}");
    let (status, kind, code, param) = answer.problem();
    assert_eq!(
        (status, &*kind, &*code, &*param),
        expected,
        "{what}: {answer:?}"
    );
}

/// Nothing is kept, and the provider was asked for nothing.
async fn nothing_stays(app: &TestApp) {
    let list = http::get(app.address, "/v1/videos").await.json();
    assert_eq!(list["data"], json!([]), "tasks were made");
    assert_eq!(app.upstream.sandbox.ledger().len(), 0);
    let look = || async {
        let entries = std::fs::read_dir(app.archive("")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let kept: Vec<String> = names
            .filter(|name| name.starts_with("upload_") || name.starts_with("task_"))
            .collect();
        if kept.is_empty() { Ok(()) } else { Err(kept) }
    };
    eventually("nothing is left in the archive", look).await;
}

/// Bodies in JSON: what is added to a good one, and what is said.
#[expect(clippy::too_many_lines, reason = "one table")]
fn fields() -> Vec<(&'static str, Problem)> {
    let bad = |param| (400, BAD, "invalid_value", param);
    vec![
        (r#""seconds": "abc""#, bad("seconds")),
        (r#""seconds": 0"#, bad("seconds")),
        (r#""seconds": "0""#, bad("seconds")),
        (r#""seconds": 5.5"#, bad("seconds")),
        (r#""seconds": -5"#, bad("seconds")),
        (r#""seconds": 99999999999999999999"#, bad("seconds")),
        (r#""seconds": 3601"#, bad("seconds")),
        (r#""seconds": [5]"#, bad("seconds")),
        (r#""seconds": 11"#, bad("seconds")),
        (r#""size": "9x9""#, bad("size")),
        (r#""size": 5"#, bad("size")),
        (r#""size": "1280x720\u0000""#, bad("size")),
        (r#""ratio": "9:9""#, bad("ratio")),
        (r#""size": "1280x720", "ratio": "720:1280""#, bad("ratio")),
        (r#""n": 0"#, bad("n")),
        (r#""n": 2"#, bad("n")),
        (r#""n": "x""#, bad("n")),
        (r#""seed": -1"#, bad("seed")),
        (r#""seed": 4294967296"#, bad("seed")),
        (r#""audio": "yes""#, bad("audio")),
        (r#""negative_prompt": "fog""#, bad("negative_prompt")),
        (r#""operation": "dance""#, bad("operation")),
        (
            r#""operation": "text_to_image""#,
            (400, BAD, "output_unsupported", "operation"),
        ),
        (r#""timeout": 0.1"#, bad("timeout")),
        (r#""timeout": "x""#, bad("timeout")),
        (r#""priority": 101"#, bad("priority")),
        (r#""metadata": 5"#, bad("metadata")),
        (r#""labels": 5"#, bad("labels")),
        (
            r#""metadata": {"a": [1]}, "labels": {"b": "x"}"#,
            bad("metadata[a]"),
        ),
        (r#""metadata": {"a": {"b": 1}}"#, bad("metadata[a]")),
        (r#""metadata": {"": "x"}"#, bad("metadata[]")),
        (r#""labels": {"a": null, "b": []}"#, bad("labels[b]")),
        (r#""user": {}"#, bad("user")),
        (r#""webhook_url": 5"#, bad("webhook_url")),
        (
            r#""model": "veo3.1", "seconds": 8, "colour": "red""#,
            (400, BAD, "option_unsupported", "colour"),
        ),
        (r#""promptText": "x""#, bad("promptText")),
        (r#""sceonds": 5"#, bad("sceonds")),
        (r#""image": "https://e.org/a.png""#, bad("image")),
        (r#""webhook": "https://e.org/""#, bad("webhook")),
        (
            r#""model": "veo3.1", "provider_options": {"colour": 1}"#,
            (400, BAD, "option_unsupported", "colour"),
        ),
        (r#""provider_options": []"#, bad("provider_options")),
        (
            r#""model": "veo3.1", "extra_body": {"colour": 1}"#,
            (400, BAD, "option_unsupported", "colour"),
        ),
        (
            r#""extra_headers": {"Authorization": "Bearer x"}"#,
            bad("extra_headers"),
        ),
        (r#""api_key": "sk-x""#, bad("api_key")),
        (r#""api_base": "http://127.0.0.1:1""#, bad("api_base")),
        (
            r#""provider_options": {"base_url": "http://127.0.0.1:1"}"#,
            bad("base_url"),
        ),
        (r#""mock_response": "x""#, bad("mock_response")),
        (r#""input_reference": 5"#, bad("input_reference")),
        (r#""input_reference": {}"#, bad("input_reference")),
        (
            r#""input_reference": "http://127.0.0.1/x.png""#,
            (400, BAD, "input_url_forbidden", "input_reference"),
        ),
        (
            r#""input_reference": "https://169.254.169.254/x""#,
            (400, BAD, "input_url_forbidden", "input_reference"),
        ),
        (
            r#""input_reference": {"image_url": {"url": "file:///etc/passwd"}}"#,
            (400, BAD, "input_url_forbidden", "input_reference"),
        ),
        (
            r#""input_reference": "data:image/png;base64,*""#,
            bad("input_reference"),
        ),
        (
            r#""input_reference": "data:image/png;base64,aGVsbG8gd29ybGQ=""#,
            (400, BAD, "input_type_unsupported", "input_reference"),
        ),
        (r#""input_reference": "upload_x""#, bad("input_reference")),
        (
            r#""input_reference": {"file_id": "file-abc"}"#,
            bad("input_reference"),
        ),
        (
            r#""input_reference": ["https://e.org/a.png", {"url": "https://e.org/b.png", "role": "x"}]"#,
            bad("input_reference[1].role"),
        ),
        (r#""prompt": "twice""#, (400, BAD, "invalid_body", "prompt")),
    ]
}

/// Whole bodies with their headers.
#[expect(clippy::too_many_lines, reason = "one table")]
fn bodies() -> Vec<(&'static str, Vec<u8>, Problem)> {
    let broken = (400, BAD, "invalid_body", "");
    let other = (415, BAD, "unsupported_media_type", "Content-Type");
    let bytes = |text: &str| text.as_bytes().to_vec();
    vec![
        (JSON, bytes(""), broken),
        (JSON, bytes("  \n"), broken),
        (JSON, bytes("{"), broken),
        (JSON, bytes("{\"model\": \"gen4.5\",}"), broken),
        (JSON, bytes("{\"prompt\": \"a\"} {}"), broken),
        (JSON, bytes("[]"), broken),
        (JSON, bytes("\"a lake\""), broken),
        (JSON, bytes("null"), broken),
        (JSON, bytes("5"), broken),
        (JSON, b"{\"prompt\": \"\xff\xfe\"}".to_vec(), broken),
        (JSON, bytes("{\"prompt\": \"\\ud800\"}"), broken),
        (JSON, bytes(&"[".repeat(60_000)), broken),
        (
            JSON,
            bytes(&format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40))),
            broken,
        ),
        (
            JSON,
            bytes(&format!("{{\"prompt\": \"{}\"}}", "x".repeat(70_000))),
            (413, BAD, "body_too_large", ""),
        ),
        (
            JSON,
            bytes(&format!("{{\"a\": [{}0]}}", "{},".repeat(5_000))),
            broken,
        ),
        (
            "Content-Type: application/json\r\nContent-Encoding: gzip",
            b"\x1f\x8b\x08\x00\x00".to_vec(),
            (415, BAD, "unsupported_content_encoding", "Content-Encoding"),
        ),
        (
            "Content-Type: multipart/form-data; boundary=XyZ\r\nContent-Encoding: br",
            Form::new().text("prompt", "a").end(),
            (415, BAD, "unsupported_content_encoding", "Content-Encoding"),
        ),
        (JSON, bytes("{}"), (400, BAD, "invalid_value", "prompt")),
        (
            JSON,
            bytes("{\"prompt\": null}"),
            (400, BAD, "invalid_value", "prompt"),
        ),
        (
            JSON,
            bytes("{\"prompt\": \" \"}"),
            (400, BAD, "invalid_value", "prompt"),
        ),
        (
            JSON,
            bytes("{\"prompt\": 5}"),
            (400, BAD, "invalid_value", "prompt"),
        ),
        (
            JSON,
            bytes("{\"prompt\": \"a\\u0000\"}"),
            (400, BAD, "invalid_value", "prompt"),
        ),
        (
            JSON,
            bytes("{\"model\": 5, \"prompt\": \"a\"}"),
            (400, BAD, "invalid_value", "model"),
        ),
        (
            JSON,
            bytes("{\"model\": \"gen9\", \"prompt\": \"a\"}"),
            (400, BAD, "model_not_found", "model"),
        ),
        (
            JSON,
            bytes("{\"model\": \"runwayml/\", \"prompt\": \"a\"}"),
            (400, BAD, "model_not_found", "model"),
        ),
        (
            JSON,
            bytes("{\"model\": \"../../x\", \"prompt\": \"a\"}"),
            (400, BAD, "model_not_found", "model"),
        ),
        (
            JSON,
            bytes("{\"model\": \"openai/gpt-image-1\", \"prompt\": \"a\"}"),
            (400, BAD, "model_not_found", "model"),
        ),
        (
            JSON,
            bytes("{\"model\": \"gen4_image\", \"prompt\": \"a\"}"),
            (400, BAD, "output_unsupported", "model"),
        ),
        (
            JSON,
            bytes("{\"model\": \"runwayml/eleven_v3\", \"prompt\": \"a\"}"),
            (400, BAD, "output_unsupported", "model"),
        ),
        (
            JSON,
            bytes("{\"model\": \"gen4_turbo\", \"prompt\": \"a\"}"),
            (400, BAD, "invalid_value", "input_reference"),
        ),
        (
            "Content-Type: application/x-www-form-urlencoded",
            bytes("{\"prompt\": \"a\"}"),
            other,
        ),
        (
            "Content-Type: text/plain",
            bytes("{\"prompt\": \"a\"}"),
            other,
        ),
        ("Content-Type: application/xml", bytes("<a/>"), other),
        ("Content-Type: multipart/form-data", bytes("--x--"), broken),
        (
            "Content-Type: multipart/form-data; boundary=",
            bytes("--x--"),
            broken,
        ),
        (Form::TYPE, bytes(""), broken),
        (Form::TYPE, bytes("no form at all"), broken),
        (
            Form::TYPE,
            bytes("--XyZ--\r\n"),
            (400, BAD, "invalid_value", "prompt"),
        ),
        (Form::TYPE, Form::new().text("prompt", "a").open(), broken),
        (
            Form::TYPE,
            Form::new().part("name=\"\"", b"x").end(),
            broken,
        ),
        (
            Form::TYPE,
            Form::new()
                .part(&format!("name=\"a\"; x=\"{}\"", "y".repeat(9000)), b"x")
                .end(),
            broken,
        ),
        (
            Form::TYPE,
            Form::new().part("name=\"prompt\"", b"\xff\xfe").end(),
            (400, BAD, "invalid_body", "prompt"),
        ),
        (
            Form::TYPE,
            Form::new().text("prompt", &"x".repeat(70_000)).end(),
            (413, BAD, "body_too_large", "prompt"),
        ),
        (
            Form::TYPE,
            Form::new().text("prompt", "a").text("prompt", "b").end(),
            (400, BAD, "invalid_value", "prompt"),
        ),
        (
            Form::TYPE,
            Form::new().text("prompt", "a").text("prompt[x]", "b").end(),
            (400, BAD, "invalid_value", "prompt[x]"),
        ),
        (
            Form::TYPE,
            Form::new().text("prompt", "a").text("seconds", "abc").end(),
            (400, BAD, "invalid_value", "seconds"),
        ),
        (
            Form::TYPE,
            Form::new()
                .text("prompt", "a")
                .text("model", "veo3.1")
                .text("colour", "red")
                .end(),
            (400, BAD, "option_unsupported", "colour"),
        ),
        (
            Form::TYPE,
            Form::new()
                .text("prompt", "a")
                .text("model", "gen4.5")
                .text("metadata", &format!("{{\"a\": [{}0]}}", "0,".repeat(5_000)))
                .end(),
            (400, BAD, "invalid_value", "metadata"),
        ),
        (
            Form::TYPE,
            (0..62)
                .fold(Form::new().text("prompt", "a"), |form, n| {
                    form.text(&format!("option{n}"), &"[0]".repeat(350))
                })
                .end(),
            (400, BAD, "invalid_value", "provider_options"),
        ),
        (
            Form::TYPE,
            Form::new()
                .text("prompt", "a")
                .file("picture", "a.png", &png(100))
                .end(),
            (400, BAD, "invalid_value", "picture"),
        ),
        (
            Form::TYPE,
            Form::new()
                .file("input_reference", "a.png", b"")
                .text("prompt", "a")
                .end(),
            (400, BAD, "invalid_value", "input_reference"),
        ),
        (
            Form::TYPE,
            Form::new()
                .file("input_reference", "a.png", b"%PDF-1.7 ....................")
                .end(),
            (400, BAD, "input_type_unsupported", "input_reference"),
        ),
        (
            Form::TYPE,
            Form::new()
                .file("input_reference", "a.png", &png(2 << 20))
                .end(),
            (413, BAD, "input_too_large", "input_reference"),
        ),
        (
            Form::TYPE,
            Form::new()
                .file("input_reference", "a.png", &png(40_000)[..20_000])
                .open(),
            broken,
        ),
        (
            Form::TYPE,
            Form::new()
                .text("model", "gen4_turbo")
                .text("prompt", "a")
                .text("seconds", "x")
                .file("input_reference", "a", &png(100))
                .end(),
            (400, BAD, "invalid_value", "seconds"),
        ),
        (
            Form::TYPE,
            Form::new()
                .text("model", "gen4_image")
                .text("prompt", "a")
                .file("input_reference", "a", &png(100))
                .end(),
            (400, BAD, "output_unsupported", "model"),
        ),
        (
            Form::TYPE,
            Form::new()
                .file("input_reference", "a", b"http://127.0.0.1/x.png")
                .text("prompt", "a")
                .end(),
            (400, BAD, "input_url_forbidden", "input_reference"),
        ),
        (
            Form::TYPE,
            (0..300)
                .fold(Form::new(), |form, n| form.text(&n.to_string(), "x"))
                .end(),
            broken,
        ),
    ]
}

#[tokio::test]
async fn every_bad_field_is_refused_by_its_own_name() {
    let app = app().await;
    for (field, expected) in fields() {
        let model = if field.contains("\"model\"") {
            ""
        } else {
            "\"model\": \"gen4.5\", "
        };
        let body = format!("{{{model}\"prompt\": \"a lake\", {field}}}");
        let answer = wire::post(app.address, "/v1/videos", &[JSON], body.as_bytes()).await;
        check(&answer, expected, field);
        assert_eq!(answer.header("x-should-retry"), "false");
    }
    nothing_stays(&app).await;
}

#[tokio::test]
async fn every_bad_body_is_refused_and_leaves_nothing() {
    let app = app().await;
    for (kind, body, expected) in bodies() {
        let answer = wire::post(app.address, "/videos", &[kind], &body).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        check(&answer, expected, &shown);
    }
    nothing_stays(&app).await;
}

#[tokio::test]
async fn bad_calls_around_a_body_are_refused_too() {
    let app = app().await;
    let nobody = "video_0192f3a4b5c67d8e9fa0b1c2d3e4f506";
    let good = br#"{"prompt": "a lake"}"#;
    let get = |path: &str| format!("GET {path}");
    let after = format!("GET /v1/videos?after={nobody}");
    let missing = (404, BAD, "not_found", "");
    let absent = (501, "not_supported", "not_supported", "");
    for (line, expected) in [
        (
            get("/v1/videos?limit=0"),
            (400, BAD, "invalid_value", "limit"),
        ),
        (
            get("/v1/videos?limit=101"),
            (400, BAD, "invalid_value", "limit"),
        ),
        (
            get("/videos?limit=abc"),
            (400, BAD, "invalid_value", "limit"),
        ),
        (
            get("/v1/videos?order=up"),
            (400, BAD, "invalid_value", "order"),
        ),
        (
            get("/v1/videos?after=x"),
            (400, BAD, "invalid_value", "after"),
        ),
        (after, (400, BAD, "invalid_value", "after")),
        (get("/v1/videos/x"), missing),
        (get("/v1/videos/video_%00"), missing),
        (get("/v1/videos/%ff"), missing),
        (format!("DELETE /v1/videos/{nobody}"), missing),
        ("DELETE /v1/videos/..".to_owned(), missing),
        (
            "PUT /v1/videos".to_owned(),
            (405, BAD, "method_not_allowed", ""),
        ),
        (
            "DELETE /v1/videos".to_owned(),
            (405, BAD, "method_not_allowed", ""),
        ),
        (
            get("/v1/models/gen9"),
            (404, BAD, "model_not_found", "model"),
        ),
        (
            get("/v1/models/a/b/c"),
            (404, BAD, "model_not_found", "model"),
        ),
        ("POST /v1/videos/x/remix".to_owned(), absent),
        ("POST /v1/videos/edits".to_owned(), absent),
        ("POST /videos/extensions".to_owned(), absent),
        ("POST /v1/videos/characters".to_owned(), absent),
        (get("/v1/videos/characters/x"), absent),
        ("POST /v1/images/edits".to_owned(), absent),
        ("POST /images/variations".to_owned(), absent),
    ] {
        let answer = wire::send(app.address, &line, &["Content-Length: 0"], b"").await;
        check(&answer, expected, &line);
    }
    let long = format!("Idempotency-Key: {}", "k".repeat(129));
    for key in [
        "Idempotency-Key:",
        "Idempotency-Key: a b",
        "Idempotency-Key: \u{e4}",
        &long,
    ] {
        let bad = (400, BAD, "invalid_value", "Idempotency-Key");
        let answer = wire::post(app.address, "/v1/videos", &[JSON, key], good).await;
        check(&answer, bad, key);
        let repeat = [JSON, key, "x-stainless-retry-count: 1"];
        let answer = wire::post(app.address, "/v1/videos", &repeat, good).await;
        check(&answer, bad, key);
    }
    nothing_stays(&app).await;
}

#[tokio::test]
async fn every_bad_field_is_in_the_message_and_the_first_in_param() {
    let app = app().await;
    let body = json!({"model": "veo3.1", "prompt": "a", "seconds": "x", "size": 5,
                      "input_reference": "ftp://x", "colour": 1});
    let refused = http::post(app.address, "/v1/videos", &body).await;
    assert_eq!(refused.problem().3, "seconds");
    let message = refused.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    for field in ["seconds", "size", "input_reference", "colour"] {
        assert!(message.contains(&format!("{field}: ")), "{message}");
    }
    for foreign in [
        "input_references",
        "provider_options",
        "UploadInput",
        "upload_id",
    ] {
        assert!(!message.contains(foreign), "{message}");
    }
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_unread() {
    let app = app().await;
    let headers = [JSON, "Content-Length: 1000000000", "Expect: 100-continue"];
    let answer = wire::send(app.address, "POST /v1/videos", &headers, b"").await;
    check(&answer, (413, BAD, "body_too_large", ""), "announced");
    nothing_stays(&app).await;
}

#[tokio::test]
async fn a_body_that_stalls_or_breaks_off_is_let_go() {
    let app = app().await;
    let late = (408, BAD, "body_timeout", "");
    let json = [JSON, "Content-Length: 100"];
    let answer = wire::send(app.address, "POST /v1/videos", &json, b"{\"prompt\": ").await;
    check(&answer, late, "JSON");
    let form = [Form::TYPE, "Content-Length: 100000"];
    let text = Form::new().text("prompt", "a").open();
    let answer = wire::send(app.address, "POST /v1/videos", &form, &text).await;
    check(&answer, late, "a form");
    let file = Form::new()
        .file("input_reference", "a.png", &png(20_000))
        .open();
    let answer = wire::send(app.address, "POST /v1/videos", &form, &file).await;
    let (status, kind, _, _) = answer.problem();
    assert_eq!((status, &*kind), (408, BAD), "a file");
    nothing_stays(&app).await;
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_still_sends() {
    let app = app().await;
    let file = png(30 << 20);
    let large = Form::new()
        .file("input_reference", "a.png", &file)
        .text("prompt", "a")
        .end();
    for _ in 0..3 {
        let answer = wire::post(app.address, "/v1/videos", &[Form::TYPE], &large).await;
        check(
            &answer,
            (413, BAD, "input_too_large", "input_reference"),
            "30 MiB",
        );
    }
    nothing_stays(&app).await;
}
