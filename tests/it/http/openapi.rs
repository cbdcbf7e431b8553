//! The `OpenAPI` document against what is taken and answered.

use std::net::SocketAddr;
use std::time::Duration;

use ::http::Method;
use mediagen::config::Config;
use mediagen::config::callers::digest;
use mediagen::domain::caller::{AllowedModels, KeyId, KeyLimits, Scope};
use mediagen::domain::id::TenantId;
use mediagen::domain::webhook::KeyWebhook;
use mediagen::pb::v1::CreateRequest;
use serde_json::{Value, json};

use super::described::{Document, Operation, as_text};
use super::sse;
use crate::harness::http::{self, Answer};
use crate::harness::receiver::Receiver;
use crate::harness::{TestApp, quick, sound, video, within};

/// A server with keys: one for everything, one that only reads, one that is soon too fast.
fn keyed(config: &mut Config) {
    let key = |id: &str, scopes: &[Scope]| mediagen::config::Key {
        id: KeyId::new(id),
        sha256: digest(&text(id)),
        tenant: TenantId::named("ours"),
        models: AllowedModels::All,
        scopes: scopes.to_vec(),
        expires: None,
        revoked: None,
        limits: KeyLimits::default(),
        webhook: KeyWebhook::default(),
    };
    let mut fast = key("fast", &Scope::ALL);
    fast.limits.requests_per_minute = Some(1);
    config.callers.keys = vec![
        key("all", &Scope::ALL),
        key("reads", &[Scope::Read]),
        key("makes", &[Scope::Create]),
        fast,
    ];
}

fn text(id: &str) -> String {
    format!("sk-{id}-of-the-tests")
}

/// A server with the same keys that takes little, and waits briefly.
fn impatient(config: &mut Config) {
    keyed(config);
    config.server.max_create_bytes = 4096;
    config.http.image_wait = Duration::from_millis(200);
}

/// Calls, each held against the document.
struct Caller {
    address: SocketAddr,
    client: reqwest::Client,
    document: Document,
}

impl Caller {
    async fn of(app: &TestApp) -> Self {
        let address = app.address;
        let document = Document::of(address).await;
        Self {
            address,
            client: http::client(),
            document,
        }
    }

    async fn ask(
        &self,
        key: &str,
        (method, path): (&str, &str),
        change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let name = Method::from_bytes(method.as_bytes()).unwrap();
        let mut asked = self.client.request(name, url);
        if !key.is_empty() {
            asked = asked.header("x-api-key", text(key));
        }
        let answer = within("an answer", change(asked).send()).await.unwrap();
        let answer = Answer::of(answer).await;
        self.document.check(method, path, &answer);
        answer
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("all", ("GET", path), |asked| asked).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("all", ("POST", path), |asked| asked.json(body))
            .await
    }

    /// Makes a video and waits for its end; gives its id.
    async fn video(&self, body: &Value) -> String {
        assert!(self.document.takes("POST", "/v1/videos", body), "{body}");
        let made = self.post("/v1/videos", body).await;
        assert_eq!(made.status, 200, "{made:?}");
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/videos/{id}/events");
        let key = text("all");
        let mut events = sse::open(self.address, &path, &[("x-api-key", &key)])
            .await
            .unwrap();
        for event in events.all().await {
            self.document.check_event(&path, &event.data);
        }
        id
    }
}

/// An operation's path with an id in the place of each name.
fn filled(operation: &Operation, id: &str) -> String {
    operation.path.replace("{id}", id).replace("{signed}", "x")
}

const NOBODYS: &str = "video_0192f3a4b5c67d8e9fa0b1c2d3e4f506";
const LAKE: &str = "a lake";
const IMAGES: &str = "/v1/images/generations";
const HEALTH: [&str; 5] = [
    "/healthz",
    "/health/liveliness",
    "/health/liveness",
    "/readyz",
    "/health/readiness",
];

/// The statuses that keys, ids and calls that are not offered bring about.
const OF_KEYS: [u16; 5] = [401, 403, 404, 429, 501];
/// An error that is slow to bring about, or whose cause is not at hand: a silence, a drain, a bug.
fn is_rare(operation: &Operation, status: u16) -> bool {
    [408, 503].contains(&status) || status == 500 && operation.said["operationId"] != "createImages"
}

#[tokio::test]
async fn every_call_takes_and_answers_what_is_described() {
    let app = TestApp::tuned(keyed).await;
    let mut caller = Caller::of(&app).await;
    videos(&caller).await;
    files(&caller).await;
    images(&caller).await;
    conflicts(&caller).await;
    let models = caller.get("/v1/models").await.json();
    let first = models["data"][0]["id"].as_str().unwrap();
    caller.get(&format!("/v1/models/{first}")).await;
    caller.get("/v1/webhooks/secret").await;
    caller
        .ask("", ("GET", "/openapi.json"), |asked| asked)
        .await;
    for path in HEALTH {
        let well = caller.ask("", ("GET", path), |asked| asked).await;
        assert_eq!(well.status, 200, "{path}");
    }
    assert_eq!(caller.get("/metrics").await.status, 200);
    assert_eq!(caller.get("/v1/videos?limit=0").await.status, 400);
    let app = TestApp::tuned(impatient).await;
    caller.address = app.address;
    bodies(&caller).await;
    let is_wanted =
        |operation: &Operation, status| !OF_KEYS.contains(&status) && !is_rare(operation, status);
    let unseen = caller.document.unseen(is_wanted);
    assert!(unseen.is_empty(), "never seen: {unseen:#?}");
}

async fn videos(caller: &Caller) {
    let body = json!({"model": "gen4.5", "prompt": LAKE, "seconds": "2", "size": "1280x720"});
    let id = caller.video(&body).await;
    let fields = json!({"model": "gen4.5", "prompt": LAKE, "seconds": 2, "ratio": "1280:720",
        "seed": 7, "metadata": {"team": "a"}, "user": "somebody"});
    caller.video(&fields).await;
    let failed = json!({"model": "gen4.5", "prompt": "x [sandbox:fail=SAFETY.INPUT.TEXT]",
        "seconds": 2, "size": "1280x720"});
    let failed = caller.video(&failed).await;
    for path in [
        format!("/v1/videos/{id}"),
        format!("/v1/videos/{failed}"),
        format!("/v1/videos/{id}/deliveries"),
        "/v1/videos".to_owned(),
        format!("/v1/videos?limit=1&order=asc&after={failed}"),
    ] {
        let shown = caller.get(&path).await;
        assert_eq!(shown.status, 200, "{path}: {shown:?}");
    }
    // An event stream ends with the task, so that it can be read like any answer.
    let path = format!("/v1/videos/{id}/events");
    caller.get(&path).await;
    let after = |last: String| |asked: reqwest::RequestBuilder| asked.header("last-event-id", last);
    let ahead = after("9999".to_owned());
    assert_eq!(caller.ask("all", ("GET", &path), ahead).await.status, 400);
    let mut events = sse::open(caller.address, &path, &[("x-api-key", &text("all"))])
        .await
        .unwrap();
    let last = after(events.all().await.pop().unwrap().id);
    assert_eq!(caller.ask("all", ("GET", &path), last).await.status, 204);
    let running = json!({"model": "gen4.5", "prompt": "a lake [sandbox:seconds=600]",
        "seconds": 2, "size": "1280x720"});
    let running = caller.post("/v1/videos", &running).await.json();
    let running = running["id"].as_str().unwrap();
    let not_yet = caller.get(&format!("/v1/videos/{running}/content")).await;
    assert_eq!(not_yet.problem().2, "video_not_ready");
    contents(caller, &format!("/v1/videos/{id}/content"), "all").await;
    for id in [&*failed, running] {
        let path = format!("/v1/videos/{id}");
        let deleted = caller.ask("all", ("DELETE", &path), |asked| asked).await;
        assert_eq!(deleted.status, 200, "{deleted:?}");
    }
}

/// A file in every way that it can be asked for.
async fn contents(caller: &Caller, path: &str, key: &str) {
    let whole = caller.ask(key, ("GET", path), |asked| asked).await;
    assert_eq!(whole.status, 200, "{whole:?}");
    let tag = whole.header("etag").to_owned();
    // Only GET has ranges.
    for (name, value, status, of_head) in [
        ("range", "bytes=0-9", 206, 200),
        ("range", "bytes=99999999-", 416, 200),
        ("if-none-match", &tag, 304, 304),
        ("if-match", "\"other\"", 412, 412),
        ("accept", "*/*", 200, 200),
    ] {
        for (method, status) in [("GET", status), ("HEAD", of_head)] {
            let with = |asked: reqwest::RequestBuilder| asked.header(name, value);
            let answer = caller.ask(key, (method, path), with).await;
            assert_eq!(answer.status, status, "{method} {name}: {value}");
        }
    }
    if path.ends_with("/content") {
        let path = format!("{path}?index=x");
        for method in ["GET", "HEAD"] {
            let refused = caller.ask(key, (method, &path), |asked| asked).await;
            assert_eq!(refused.status, 400, "{method}");
        }
    }
}

impl Caller {
    /// Makes an image; gives the path of its file.
    async fn image(&self) -> String {
        let body = json!({"model": "gen4_image", "prompt": LAKE, "size": "1920x1080"});
        assert!(self.document.takes("POST", IMAGES, &body));
        let made = self.post(IMAGES, &body).await;
        assert_eq!(made.status, 200, "{made:?}");
        let url = made.json()["data"][0]["url"].as_str().unwrap().to_owned();
        format!("/v1/{}", url.split_once("/v1/").unwrap().1)
    }
}

async fn files(caller: &Caller) {
    let path = caller.image().await;
    contents(caller, &path, "").await;
}

async fn images(caller: &Caller) {
    let body = json!({"model": "gen4_image", "prompt": LAKE, "size": "1920x1080", "n": 2,
        "response_format": "b64_json"});
    assert!(caller.document.takes("POST", IMAGES, &body));
    let made = caller.post(IMAGES, &body).await;
    assert_eq!(made.json()["data"].as_array().unwrap().len(), 2);
    for (code, status) in [
        ("SAFETY.INPUT.TEXT", 400),
        ("INTERNAL.BAD_OUTPUT.CODE01", 500),
    ] {
        let failed = json!({"model": "gen4_image", "prompt": format!("x [sandbox:fail={code}]")});
        let failed = caller.post(IMAGES, &failed).await;
        assert_eq!(failed.problem().0, status);
    }
}

/// Two requests under one key.
async fn conflicts(caller: &Caller) {
    for (path, model) in [("/v1/videos", "gen4.5"), (IMAGES, "gen4_image")] {
        for (prompt, status) in [("a", 200), ("b", 409)] {
            let body = json!({"model": model, "prompt": prompt});
            let with = |asked: reqwest::RequestBuilder| asked.header("idempotency-key", path);
            let with = |asked| with(asked).json(&body);
            let answer = caller.ask("all", ("POST", path), with).await;
            assert_eq!(answer.status, status, "{answer:?}");
        }
    }
}

/// Bodies that are not what they should be, and an answer that takes too long.
async fn bodies(caller: &Caller) {
    let long = json!({"prompt": "x".repeat(8192)}).to_string();
    for path in ["/v1/videos", IMAGES] {
        for (kind, body, status) in [
            ("application/json", &*long, 413),
            ("application/json", "{", 400),
            ("text/plain", "{}", 415),
        ] {
            let with = |asked: reqwest::RequestBuilder| asked.header("content-type", kind);
            let with = |asked| with(asked).body(body.to_owned());
            let answer = caller.ask("all", ("POST", path), with).await;
            assert_eq!(answer.status, status, "{answer:?}");
        }
    }
    let slow = json!({"model": "gen4_image", "prompt": "a lake [sandbox:seconds=600]"});
    let late = caller.post(IMAGES, &slow).await;
    assert_eq!(late.problem().2, "wait_timeout");
}

#[tokio::test]
async fn every_error_has_the_shape_that_is_described() {
    let app = TestApp::tuned(keyed).await;
    let mut caller = Caller::of(&app).await;
    for operation in caller.document.operations() {
        if operation.said["tags"] == json!(["Operators"]) {
            continue;
        }
        let path = filled(&operation, NOBODYS);
        let call = (operation.method.as_str(), path.as_str());
        if operation.said["security"] != json!([{}]) {
            refused_keys(&caller, call).await;
        }
        let answer = caller.ask("all", call, |asked| asked).await;
        if operation.said["responses"]["404"].is_object() && call.0 != "POST" {
            assert_eq!(answer.status, 404, "{call:?}");
        }
        if call.0 == "GET" {
            let head = caller.ask("all", ("HEAD", &path), |asked| asked).await;
            assert_eq!(
                head.status, answer.status,
                "HEAD is answered as GET: {path}"
            );
        }
    }
    for (key, status) in [("", 401), ("reads", 403)] {
        let refused = caller.ask(key, ("GET", "/metrics"), |asked| asked).await;
        assert_eq!(refused.status, status, "{key}");
    }
    forgotten(&caller).await;
    unreadable(&mut caller).await;
    let is_wanted =
        |operation: &Operation, status| OF_KEYS.contains(&status) && !is_rare(operation, status);
    let unseen = caller.document.unseen(is_wanted);
    assert!(unseen.is_empty(), "never seen: {unseen:#?}");
}

/// A call with no key, a wrong one, a lesser one, and one that is used too fast.
async fn refused_keys(caller: &Caller, call: (&str, &str)) {
    let lacking = if ["POST", "DELETE"].contains(&call.0) || call.1.ends_with("/secret") {
        "reads"
    } else {
        "makes"
    };
    caller.ask("fast", call, |asked| asked).await;
    for (key, status) in [("", 401), ("wrong", 401), ("fast", 429), (lacking, 403)] {
        let refused = caller.ask(key, call, |asked| asked).await;
        assert_eq!(refused.status, status, "{call:?}");
    }
}

/// Images that are asked for again after they were deleted.
async fn forgotten(caller: &Caller) {
    let body = json!({"model": "gen4_image", "prompt": LAKE});
    let again = |asked: reqwest::RequestBuilder| asked.header("idempotency-key", "1").json(&body);
    let made = caller.ask("all", ("POST", IMAGES), again).await;
    let id = made.header("x-litellm-call-id");
    let path = format!("/v1/videos/{id}");
    caller.ask("all", ("DELETE", &path), |asked| asked).await;
    let gone = caller.ask("all", ("POST", IMAGES), again).await;
    assert_eq!(gone.status, 404, "{gone:?}");
}

/// Files whose address is over, and files that too many read.
async fn unreadable(caller: &mut Caller) {
    let over = TestApp::tuned(|config| {
        keyed(config);
        config.http.file_urls = Duration::ZERO;
    })
    .await;
    let full = TestApp::tuned(|config| {
        keyed(config);
        config.download.max_streams = 0;
    })
    .await;
    for (app, methods, status) in [(over, &["GET", "HEAD"][..], 403), (full, &["GET"], 429)] {
        caller.address = app.address;
        let path = caller.image().await;
        for method in methods {
            let refused = caller.ask("", (method, &path), |asked| asked).await;
            assert_eq!(refused.status, status, "{method}");
        }
    }
}

#[tokio::test]
async fn every_parameter_takes_what_is_described_and_nothing_beyond() {
    let app = TestApp::start().await;
    let caller = Caller::of(&app).await;
    let picture = CreateRequest {
        model: "gen4_image".to_owned(),
        prompt: LAKE.to_owned(),
        ..CreateRequest::default()
    };
    let mut made = Vec::new();
    for (media, request) in [
        ("video", video(LAKE)),
        ("image", picture),
        ("audio", sound("a bell")),
    ] {
        made.push((media, app.run(request).await.id));
    }
    let tries = caller.document.tries();
    assert!(tries.len() > 30, "{}", tries.len());
    for (operation, parameter, value, is_taken) in tries {
        let fitting = made.iter().find(|(media, _)| *media == value);
        let (_, id) = fitting.unwrap_or(&made[0]);
        let answer = caller.probed(&operation, &parameter, id, &value).await;
        let what = format!(
            "{} {}: {parameter}: {value}",
            operation.method, operation.path
        );
        if is_taken {
            // An Idempotency-Key that fits may stand for the call before.
            let taken = [200, 409].contains(&answer.status.as_u16());
            assert!(taken, "{what}: {answer:?}");
        } else {
            assert_eq!(answer.status, 400, "{what}");
            let is_told = operation.method == "HEAD" || answer.problem().3 == parameter["name"];
            assert!(is_told, "{what}: {answer:?}");
        }
    }
}

impl Caller {
    /// Asks with one parameter, on a task if the path names one.
    async fn probed(
        &self,
        operation: &Operation,
        parameter: &Value,
        id: &str,
        value: &str,
    ) -> Answer {
        let name = parameter["name"].as_str().unwrap();
        let (path, in_query) = (filled(operation, id), parameter["in"] == "query");
        let path = if in_query {
            format!("{path}?{name}={value}")
        } else {
            path
        };
        let model = if path == IMAGES {
            "gen4_image"
        } else {
            "gen4.5"
        };
        let body = json!({"model": model, "prompt": LAKE});
        let with = |asked: reqwest::RequestBuilder| {
            let asked = if in_query {
                asked
            } else {
                asked.header(name, value)
            };
            if operation.method == "POST" {
                asked.json(&body)
            } else {
                asked
            }
        };
        self.ask("", (&operation.method, &path), with).await
    }
}

#[tokio::test]
async fn every_member_that_is_described_is_taken_from_json_and_from_a_form() {
    let app = TestApp::start().await;
    let caller = Caller::of(&app).await;
    let image = "https://example.com/a.png";
    // It does not end, so that nobody is told.
    let all = json!({"model": "veo3.1", "prompt": "a lake [sandbox:seconds=600]",
        "size": "1280x720", "ratio": "1280:720", "input_reference": image, "input_references": image,
        "seconds": 8, "seed": 7, "audio": true, "negative_prompt": "rain",
        "operation": "image_to_video", "metadata": {"team": "a"}, "labels": {"team": "a"},
        "user": "somebody", "priority": 1, "timeout": 600, "webhook_url": "https://example.com/",
        "provider_options": {}, "extra_body": {"user": "somebody"}, "n": 1});
    let fields = all.as_object().unwrap();
    assert!(caller.document.takes("POST", "/v1/videos", &all));
    assert!(caller.document.takes_form("POST", "/v1/videos", fields));
    let made = caller.post("/v1/videos", &all).await;
    assert_eq!(made.status, 200, "{made:?}");
    let form = fields
        .iter()
        .fold(reqwest::multipart::Form::new(), |form, (name, value)| {
            form.text(name.clone(), as_text(value))
        });
    let with = |asked: reqwest::RequestBuilder| asked.multipart(form);
    let made = caller.ask("all", ("POST", "/v1/videos"), with).await;
    assert_eq!(made.status, 200, "{made:?}");
}

#[tokio::test]
async fn a_receiver_is_told_what_is_described() {
    let receiver = Receiver::willing().await;
    let app = TestApp::with(quick(), &[("webhooks.allow", &receiver.origin())]).await;
    let caller = Caller::of(&app).await;
    for prompt in [LAKE, "x [sandbox:fail=SAFETY.INPUT.TEXT]"] {
        let body = json!({"model": "gen4.5", "prompt": prompt, "webhook_url": receiver.url()});
        caller.video(&body).await;
    }
    for got in receiver.calls(2).await {
        caller.document.check_told(&got);
        let event = got.json();
        let path = format!(
            "/v1/videos/{}/deliveries",
            event["data"]["id"].as_str().unwrap()
        );
        assert_eq!(caller.get(&path).await.json()["data"][0]["id"], event["id"]);
    }
}

#[tokio::test]
async fn what_is_refused_is_not_described_as_taken() {
    let app = TestApp::tuned(keyed).await;
    let caller = Caller::of(&app).await;
    for (path, body) in [
        ("/v1/videos", json!({"model": "gen4.5", "prompt": 7})),
        ("/v1/videos", json!({"model": 7, "prompt": LAKE})),
        ("/v1/videos", json!({"prompt": LAKE, "seconds": "abc"})),
        ("/v1/videos", json!({"prompt": LAKE, "seconds": 1.5})),
        ("/v1/videos", json!({"prompt": LAKE, "seconds": -1})),
        ("/v1/videos", json!({"prompt": LAKE, "size": 7})),
        ("/v1/videos", json!({"prompt": LAKE, "metadata": "x"})),
        ("/v1/videos", json!({"prompt": LAKE, "input_reference": 7})),
        ("/v1/videos", json!([])),
        ("/v1/images/generations", json!({"prompt": LAKE, "n": 0})),
        ("/v1/images/generations", json!({"prompt": LAKE, "n": "x"})),
        (
            "/v1/images/generations",
            json!({"prompt": LAKE, "response_format": "png"}),
        ),
    ] {
        let refused = caller.post(path, &body).await;
        assert_eq!(refused.status, 400, "{body}: {refused:?}");
        assert!(!caller.document.takes("POST", path, &body), "{body}");
    }
}

#[tokio::test]
async fn the_document_is_open_and_names_the_server_as_it_is_reached() {
    let app = TestApp::tuned(keyed).await;
    for path in ["/openapi.json", "/v1/openapi.json"] {
        let shown = http::get(app.address, path).await;
        let url = format!("http://{}", app.address);
        assert_eq!(shown.json()["servers"], json!([{"url": url}]));
    }
    let public = |config: &mut Config| {
        config.http.public_url = Some("https://media.example.com/api".to_owned());
    };
    let app = TestApp::tuned(public).await;
    let shown = http::get(app.address, "/openapi.json").await.json();
    assert_eq!(shown["servers"][0]["url"], "https://media.example.com/api");
}
