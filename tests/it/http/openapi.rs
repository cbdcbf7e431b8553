//! The `OpenAPI` document against what is taken and answered.

use std::net::SocketAddr;

use ::http::Method;
use mediagen::config::Config;
use mediagen::config::callers::digest;
use mediagen::domain::caller::{AllowedModels, KeyId, KeyLimits, Scope};
use mediagen::domain::id::TenantId;
use mediagen::domain::webhook::KeyWebhook;
use serde_json::{Value, json};

use super::described::{Document, Operation};
use super::sse;
use crate::harness::http::{self, Answer};
use crate::harness::{TestApp, within};

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

/// Calls, each held against the document.
struct Caller {
    address: SocketAddr,
    document: Document,
}

impl Caller {
    async fn of(app: &TestApp) -> Self {
        let address = app.address;
        let document = Document::of(address).await;
        Self { address, document }
    }

    async fn ask(
        &self,
        key: &str,
        (method, path): (&str, &str),
        change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let mut asked = http::client().request(Method::from_bytes(method.as_bytes()).unwrap(), url);
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
            self.document.check_event(&event.data);
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

#[tokio::test]
async fn every_call_takes_and_answers_what_is_described() {
    let app = TestApp::tuned(keyed).await;
    let caller = Caller::of(&app).await;
    videos(&caller).await;
    files(&caller).await;
    images(&caller).await;
    let models = caller.get("/v1/models").await.json();
    let first = models["data"][0]["id"].as_str().unwrap();
    caller.get(&format!("/v1/models/{first}")).await;
    caller.get("/v1/webhooks/secret").await;
    caller
        .ask("", ("GET", "/openapi.json"), |asked| asked)
        .await;
    let unseen = caller.document.unseen(|status| status < 300);
    assert!(unseen.is_empty(), "never done: {unseen:?}");
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
    let form = reqwest::multipart::Form::new()
        .text("model", "gen4.5")
        .text("prompt", LAKE)
        .text("seconds", "2")
        .text("size", "1280x720");
    let made = caller
        .ask("all", ("POST", "/v1/videos"), |asked| asked.multipart(form))
        .await;
    assert_eq!(made.status, 200, "{made:?}");
    for path in [
        format!("/v1/videos/{id}"),
        format!("/v1/videos/{failed}"),
        format!("/v1/videos/{id}/deliveries"),
        "/v1/videos".to_owned(),
        "/v1/videos?limit=1&order=asc".to_owned(),
        format!("/v1/videos?after={failed}"),
    ] {
        let shown = caller.get(&path).await;
        assert_eq!(shown.status, 200, "{path}: {shown:?}");
    }
    // An event stream ends with the task, so that it can be read like any answer.
    caller.get(&format!("/v1/videos/{id}/events")).await;
    let last = |asked: reqwest::RequestBuilder| asked.header("last-event-id", "9999");
    let path = format!("/v1/videos/{id}/events");
    assert_eq!(caller.ask("all", ("GET", &path), last).await.status, 400);
    let running = json!({"model": "gen4.5", "prompt": "a lake [sandbox:seconds=600]",
        "seconds": 2, "size": "1280x720"});
    let running = caller.post("/v1/videos", &running).await.json();
    let running = running["id"].as_str().unwrap();
    let not_yet = caller.get(&format!("/v1/videos/{running}/content")).await;
    assert_eq!(not_yet.problem().2, "video_not_ready");
    for id in [&*failed, running] {
        let path = format!("/v1/videos/{id}");
        let deleted = caller.ask("all", ("DELETE", &path), |asked| asked).await;
        assert_eq!(deleted.status, 200, "{deleted:?}");
    }
    contents(caller, &format!("/v1/videos/{id}/content"), "all").await;
}

/// A file in every way that it can be asked for.
async fn contents(caller: &Caller, path: &str, key: &str) {
    let whole = caller.ask(key, ("GET", path), |asked| asked).await;
    assert_eq!(whole.status, 200, "{whole:?}");
    let tag = whole.header("etag").to_owned();
    for (name, value, status) in [
        ("range", "bytes=0-9", 206),
        ("range", "bytes=99999999-", 416),
        ("if-none-match", &tag, 304),
        ("if-match", "\"other\"", 412),
        ("accept", "*/*", 200),
    ] {
        for method in ["GET", "HEAD"] {
            let with = |asked: reqwest::RequestBuilder| asked.header(name, value);
            let answer = caller.ask(key, (method, path), with).await;
            assert_eq!(answer.status, status, "{method} {name}: {value}");
        }
    }
}

async fn files(caller: &Caller) {
    let body = json!({"model": "gen4_image", "prompt": LAKE, "size": "1920x1080"});
    assert!(
        caller
            .document
            .takes("POST", "/v1/images/generations", &body)
    );
    let made = caller.post("/v1/images/generations", &body).await;
    assert_eq!(made.status, 200, "{made:?}");
    let url = made.json()["data"][0]["url"].as_str().unwrap().to_owned();
    let path = url.split_once("/v1/").unwrap().1;
    contents(caller, &format!("/v1/{path}"), "").await;
}

async fn images(caller: &Caller) {
    let body = json!({"model": "gen4_image", "prompt": LAKE, "size": "1920x1080", "n": 2,
        "response_format": "b64_json"});
    assert!(
        caller
            .document
            .takes("POST", "/v1/images/generations", &body)
    );
    let made = caller.post("/v1/images/generations", &body).await;
    assert_eq!(made.json()["data"].as_array().unwrap().len(), 2);
    let failed = json!({"model": "gen4_image", "prompt": "x [sandbox:fail=SAFETY.INPUT.TEXT]"});
    let failed = caller.post("/v1/images/generations", &failed).await;
    assert_eq!(failed.problem().0, 400);
}

#[tokio::test]
async fn every_error_has_the_shape_that_is_described() {
    let app = TestApp::tuned(keyed).await;
    let caller = Caller::of(&app).await;
    for operation in caller.document.operations() {
        let path = filled(&operation, NOBODYS);
        let call = (operation.method.as_str(), path.as_str());
        let is_open = operation.said["security"] == json!([{}]);
        let needs = |status: &str| operation.said["responses"][status].is_object();
        if !is_open {
            for key in ["", "wrong"] {
                let refused = caller.ask(key, call, |asked| asked).await;
                assert_eq!(refused.status, 401, "{call:?}");
            }
            caller.ask("fast", call, |asked| asked).await;
            let refused = caller.ask("fast", call, |asked| asked).await;
            assert_eq!(refused.status, 429, "{call:?}");
            let lacking = if ["POST", "DELETE"].contains(&call.0) || path.ends_with("/secret") {
                "reads"
            } else {
                "makes"
            };
            let refused = caller.ask(lacking, call, |asked| asked).await;
            assert_eq!(refused.status, 403, "{call:?}");
        }
        if needs("404") && call.0 != "POST" {
            let missing = caller.ask("all", call, |asked| asked).await;
            assert_eq!(missing.status, 404, "{call:?}");
        }
    }
    let unseen = caller
        .document
        .unseen(|status| (400..500).contains(&status));
    assert!(unseen.is_empty(), "never refused: {unseen:?}");
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
