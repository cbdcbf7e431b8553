//! What LiteLLM's proxy gets wrong, as callers would see it here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use mediagen::domain::caller::KeyLimits;
use mediagen::pb::v1::TaskStatus;
use mediagen::sandbox::{Effect, Fault, Place};
use mediagen::shutdown::Shutdown;
use serde_json::json;

use super::repeats::{ONE, keys, send};
use crate::harness::http::{self, Answer, client};
use crate::harness::{TestApp, Upstream, config, eventually};

async fn image(app: &TestApp, prompt: &str) -> Answer {
    let body = json!({"model": "runwayml/gen4_image", "prompt": prompt, "size": "1920x1080",
                      "num_retries": 5, "max_retries": 5});
    http::post(app.address, "/v1/images/generations", &body).await
}

#[tokio::test]
async fn an_image_whose_polls_fail_is_paid_for_once() {
    let app = TestApp::start().await;
    for status in [500, 503, 404] {
        let prompt = format!("a lake of {status} [sandbox:poll-{status}=2]");
        let made = image(&app, &prompt).await;
        assert_eq!(made.status, 200, "{made:?}");
        assert_eq!(app.upstream.charged(&prompt).len(), 1);
    }
}

#[tokio::test]
async fn no_number_of_retries_pays_for_a_lost_answer_twice() {
    let app = TestApp::start().await;
    for lost in ["accept-then-500", "accept-then-reset"] {
        let prompt = format!("a lake [sandbox:{lost}]");
        let body = json!({"model": "gen4.5", "prompt": prompt, "seconds": 5, "num_retries": 5,
                          "max_retries": 5, "fallbacks": ["veo3.1"]});
        let made = http::post(app.address, "/v1/videos", &body).await;
        assert_eq!(made.status, 200, "{made:?}");
        let id = made.header("x-litellm-call-id").to_owned();
        let settled = |task: &mediagen::pb::v1::Task| {
            let status = task.status();
            status == TaskStatus::SubmissionUnknown || status == TaskStatus::Completed
        };
        app.until(&id, settled).await;
        assert_eq!(app.upstream.charged(&prompt).len(), 1, "{lost}");
    }
}

#[tokio::test]
async fn a_video_without_seconds_is_not_for_nothing() {
    let app = TestApp::start().await;
    let body = json!({"model": "runwayml/gen4_turbo", "prompt": "a lake", "ratio": "1280:720",
                      "input_reference": "https://example.com/a.png"});
    let made = http::post(app.address, "/v1/videos", &body).await;
    let estimate: f64 = made.header("x-litellm-response-cost").parse().unwrap();
    assert!(estimate > 0.0, "{made:?}");
    let id = made.header("x-litellm-call-id").to_owned();
    app.finish(&id).await;
    let done = http::get(app.address, &format!("/v1/videos/{id}")).await;
    let usage = &done.json()["usage"];
    assert_eq!(usage["cost_is_estimate"], false, "{usage}");
    let cost = usage["cost_usd"].as_f64().unwrap();
    assert!(cost > 0.0 && cost <= estimate, "{usage}");
    assert!(usage["duration_seconds"].as_f64().unwrap() > 0.0, "{usage}");
    let told: f64 = done.header("x-litellm-response-cost").parse().unwrap();
    assert!((told - cost).abs() < 1e-9);
}

#[tokio::test]
async fn a_size_or_a_length_that_nobody_makes_is_refused_and_never_replaced() {
    let app = TestApp::start().await;
    for (name, value) in [
        ("size", json!("1234x77")),
        ("ratio", json!("17:3")),
        ("size", json!("large")),
        ("seconds", json!("abc")),
        ("seconds", json!("")),
    ] {
        let mut body = json!({"model": "gen4.5", "prompt": "a lake"});
        body[name] = value.clone();
        let refused = http::post(app.address, "/v1/videos", &body).await;
        let (status, kind, _, param) = refused.problem();
        let seen = (status, &*kind, &*param);
        assert_eq!(seen, (400, "invalid_request_error", name), "{value}");
    }
    assert!(app.upstream.sandbox.ledger().is_empty());
}

#[tokio::test]
async fn who_calls_too_often_is_told_at_once_when_to_come_back() {
    let limits = KeyLimits {
        requests_per_minute: Some(1),
        ..KeyLimits::default()
    };
    let app = TestApp::tuned_on(Upstream::quick().await, keys(limits)).await;
    let body = json!({"model": "gen4.5", "prompt": "a lake", "seconds": 5});
    let begun = Instant::now();
    let refused = loop {
        let answer = send(&app, ONE, None, &body).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert!(begun.elapsed() < Duration::from_secs(10));
    let (status, kind, code, _) = refused.problem();
    let seen = (status, &*kind, &*code);
    assert_eq!(seen, (429, "rate_limit_error", "rate_limited"));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[tokio::test]
async fn an_image_that_was_refused_once_is_made_once() {
    let app = TestApp::start().await;
    let fault = Fault {
        on: Place::Create,
        times: 1,
        accept_first: false,
        effect: Effect::Answer {
            status: 503,
            headers: BTreeMap::new(),
            body: None,
        },
    };
    assert!(app.upstream.sandbox.inject(fault));
    let made = image(&app, "a lake after a 503").await;
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(app.upstream.charged("a lake after").len(), 1);
}

/// A provider whose task is done at once, and whose output is at this address.
async fn provider(output: String, creates: Arc<AtomicU32>, life: &Shutdown) -> String {
    let id = "17f20503-6c24-4c16-946b-35dbbce2af2f";
    let task = json!({"id": id, "status": "SUCCEEDED", "createdAt": "2026-01-01T00:00:00.000Z",
                      "output": [output], "cost": {"credits": 25}});
    let create = move || {
        creates.fetch_add(1, Ordering::Relaxed);
        async move { Json(json!({ "id": id })) }
    };
    let router = Router::new()
        .route("/v1/text_to_video", post(create))
        .route("/v1/tasks/{id}", get(async move || Json(task)));
    serve(router, life).await
}

async fn serve(router: Router, life: &Shutdown) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = life.clone();
    life.spawn(async move {
        tokio::select! {
            () = stop.stopping() => {}
            served = axum::serve(listener, router).into_future() => served.unwrap(),
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_output_at_an_address_of_ours_is_neither_fetched_nor_served() {
    let (asked, creates) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (seen, life) = (Arc::clone(&asked), Shutdown::new());
    let secret = get(async move || {
        seen.fetch_add(1, Ordering::Relaxed);
        "a secret of the operator's"
    });
    let inside = serve(Router::new().route("/secret", secret), &life).await;
    let base = provider(format!("{inside}/secret"), Arc::clone(&creates), &life).await;
    let variables = [
        ("RUNWAYML_BASE_URL", base),
        ("RUNWAYML_API_SECRET", "key".to_owned()),
    ];
    let app = TestApp::tuned(move |tuned| {
        let data = tuned.data_dir.clone();
        *tuned = config(&data, variables, &[]).unwrap();
    })
    .await;
    let body = json!({"model": "gen4.5", "prompt": "a lake", "seconds": 5});
    let made = http::post(app.address, "/v1/videos", &body).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/videos/{id}");
    let failed = eventually("the task has failed", || async {
        let shown = http::get(app.address, &path).await.json();
        if shown["status"] == "failed" {
            Ok(shown)
        } else {
            Err(shown)
        }
    })
    .await;
    assert!(failed["error"]["code"].is_string(), "{failed}");
    let content = http::get(app.address, &format!("{path}/content")).await;
    assert!(!content.status.is_success(), "{content:?}");
    let counts = (
        asked.load(Ordering::Relaxed),
        creates.load(Ordering::Relaxed),
    );
    assert_eq!(counts, (0, 1));
    life.stop();
}

#[tokio::test]
async fn every_way_to_show_a_key_is_taken_and_a_wrong_one_is_401() {
    let app = TestApp::tuned_on(Upstream::quick().await, keys(KeyLimits::default())).await;
    let url = format!("http://{}/v1/videos", app.address);
    let shown = |name: &str, key: &str| match name {
        "authorization" => format!("Bearer {key}"),
        _ => key.to_owned(),
    };
    for name in ["x-litellm-api-key", "authorization", "api-key", "x-api-key"] {
        for (key, expected) in [
            (ONE, StatusCode::OK),
            ("sk-wrong", StatusCode::UNAUTHORIZED),
        ] {
            let call = client().get(&url).header(name, shown(name, key));
            assert_eq!(call.send().await.unwrap().status(), expected, "{name}");
        }
    }
    let plain = client().get(&url);
    let plain = plain.header("x-litellm-api-key", format!("Bearer {ONE}"));
    assert_eq!(plain.send().await.unwrap().status(), 200);
    // LiteLLM's own header goes before the one that a library always sends.
    let both = client().get(&url).bearer_auth("sk-of-the-library");
    let both = both.header("x-litellm-api-key", ONE).send().await.unwrap();
    assert_eq!(both.status(), 200);
    let none = Answer::of(client().get(&url).send().await.unwrap()).await;
    let (status, kind, code, _) = none.problem();
    let seen = (status, &*kind, &*code);
    assert_eq!(seen, (401, "authentication_error", "api_key_missing"));
}

#[tokio::test]
async fn a_request_with_many_members_of_litellms_makes_one_task() {
    let app = TestApp::start().await;
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        let body = json!({"model": "gen4.5", "prompt": "a lake", "seconds": "5", "caching": true,
                          "litellm_call_id": "x", "litellm_params": {"api_base": "http://x"},
                          "request_timeout": 1, "cache": {"no-cache": true}});
        let made = http::post(app.address, "/v1/videos", &body).await;
        assert_eq!(made.status, 200, "{made:?}");
        ids.insert(made.header("x-litellm-call-id").to_owned());
    }
    // Its caches are none here either.
    assert_eq!(ids.len(), 2);
}
