//! What is seen of calls over HTTP: ids, counts, times.

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::child::free_address;
use crate::harness::scrape::Scraped;
use crate::harness::{Server, TestApp, Upstream, eventually, http, sound};

#[tokio::test]
async fn every_answer_has_an_id_the_callers_own_if_it_is_fit() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    for path in [
        format!("/v1/videos/{}", done.id),
        format!("/v1/videos/{}/events", done.id),
        "/v1/videos/video_1".to_owned(),
        "/nothing".to_owned(),
        "/healthz".to_owned(),
    ] {
        let url = format!("http://{}{path}", app.address);
        for (given, kept) in [("call-7", true), ("a b", false), ("", false)] {
            let asked = http::client().get(&url).header("x-request-id", given);
            let answer = http::Answer::of(asked.send().await.unwrap()).await;
            let id = answer.header("x-request-id");
            assert_eq!(id == given, kept, "{path}");
            assert!(kept || id.starts_with("req_"), "{path}: {id}");
            let took = answer.header("openai-processing-ms");
            assert!(took.parse::<u64>().is_ok(), "{path}: {took}");
        }
    }
}

/// By its caller's id a call is found in the log, and so is the task that it made.
#[tokio::test]
async fn a_call_and_the_task_that_it_made_are_in_the_log_under_its_id() {
    let (upstream, data) = (Upstream::quick().await, TempDir::new().unwrap());
    let settings = [
        ("log.filter", "info,mediagen::openai=debug"),
        ("log.format", "json"),
    ];
    let mut server = Server::spawn(&upstream, data.path(), free_address(), &settings);
    let address = server.listening().await;
    let body = serde_json::json!({"model": "gen4.5", "prompt": "a lake", "seconds": 2,
        "size": "1280x720"});
    let made = http::client().post(format!("http://{address}/v1/videos"));
    let made = made.header("x-request-id", "call-7").json(&body);
    let made = http::Answer::of(made.send().await.unwrap()).await;
    assert_eq!(made.status, 200, "{made:?}");
    let log = server.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_call: Vec<Value> = lines.filter(|line| line["request"] == "call-7").collect();
    let [created, answered] = of_call.as_slice() else {
        panic!("{log}");
    };
    assert_eq!(created["message"], "created");
    assert_eq!(created["task"], made.header("x-litellm-call-id"));
    assert_eq!(answered["message"], "answered a call");
    assert_eq!(
        (&answered["method"], &answered["route"], &answered["status"]),
        (&"POST".into(), &"/videos".into(), &200.into())
    );
    assert!(answered["ms"].is_u64(), "{answered}");
}

#[tokio::test]
async fn metrics_are_for_operators_and_others_are_told_why_in_the_one_shape() {
    let app = TestApp::of_file(
        |upstream| {
            format!(
                "runway: {{base_url: '{upstream}', api_key: '{}'}}\n\
                 keys:\n\
                 - {{id: caller, key: sk-caller-of-the-tests}}\n\
                 - {{id: operator, key: sk-operator-of-the-tests, scopes: [operate]}}\n",
                mediagen::sandbox::DEFAULT_API_KEY,
            )
        },
        &[],
    )
    .await;
    for (key, status, code) in [
        ("", 401, "api_key_missing"),
        ("sk-nobody", 401, "api_key_invalid"),
        ("sk-caller-of-the-tests", 403, "scope_missing"),
        ("sk-operator-of-the-tests", 200, ""),
    ] {
        let asked = http::client().get(format!("http://{}/metrics", app.address));
        let asked = if key.is_empty() {
            asked
        } else {
            asked.header("x-api-key", key)
        };
        let answer = http::Answer::of(asked.send().await.unwrap()).await;
        assert_eq!(answer.status, status, "{key}: {answer:?}");
        if status != 200 {
            assert_eq!(answer.json()["error"]["code"], code, "{answer:?}");
        }
        let asks = answer.header("www-authenticate");
        assert_eq!(asks == "Bearer", status == 401, "{key}");
    }
}

#[tokio::test]
async fn the_probes_of_litellm_are_answered() {
    let app = TestApp::start().await;
    for (path, like) in [
        ("/health/liveliness", "/healthz"),
        ("/health/liveness", "/healthz"),
        ("/health/readiness", "/readyz"),
    ] {
        let (answer, like) = (
            http::get(app.address, path).await,
            http::get(app.address, like).await,
        );
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body, like.body, "{path}");
        let counted = Scraped::of(app.address).await;
        let labels = [("route", path), ("status", "200")];
        assert!(
            counted.count("mediagen_http_requests_total", &labels) > 0,
            "{path}"
        );
    }
}

#[tokio::test]
async fn calls_are_counted_by_route_and_status_and_timed() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    let counted = async |labels: [(&str, &str); 3]| {
        let scraped = Scraped::of(app.address).await;
        scraped.count("mediagen_http_requests_total", &labels)
    };
    let shown = [
        ("route", "/videos/{id}"),
        ("method", "GET"),
        ("status", "200"),
    ];
    let missing = [
        ("route", "/videos/{id}"),
        ("method", "GET"),
        ("status", "404"),
    ];
    let other = [("route", "other"), ("method", "other"), ("status", "404")];
    let before = [
        counted(shown).await,
        counted(missing).await,
        counted(other).await,
    ];
    http::get(app.address, &format!("/v1/videos/{}", done.id)).await;
    http::get(app.address, &format!("/videos/{}", done.id)).await;
    http::get(app.address, "/v1/videos/video_1").await;
    let brew = ::http::Method::from_bytes(b"BREW").unwrap();
    let url = format!("http://{}/coffee/{}", app.address, done.id);
    http::client().request(brew, url).send().await.unwrap();
    http::get(app.address, "/v1/models/openai/nothing").await;
    eventually("they are counted", || async {
        let now = [
            counted(shown).await,
            counted(missing).await,
            counted(other).await,
        ];
        // Tests beside this one count too.
        let more = now.iter().zip(before).zip([2, 1, 1]);
        let all = more
            .clone()
            .all(|((now, before), more)| *now >= before + more);
        if all { Ok(()) } else { Err(now) }
    })
    .await;
    let scraped = Scraped::of(app.address).await;
    let model = [("route", "/models/{id}"), ("status", "404")];
    assert!(scraped.count("mediagen_http_requests_total", &model) >= 1);
    let timed = [("route", "/videos/{id}")];
    assert!(scraped.count("mediagen_http_request_duration_seconds_count", &timed) >= 3);
    assert!(
        !scraped.text.contains("coffee"),
        "no label holds what callers write"
    );
}
