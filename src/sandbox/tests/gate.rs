//! Keys, versions, paths and methods.

use super::{DEFAULT_API_KEY, Site, film, read};
use crate::sandbox::Config;

#[tokio::test]
async fn a_request_needs_a_well_shaped_key_and_the_version() {
    let site = Site::quick().await;
    let short = "key_00";
    let upper = DEFAULT_API_KEY.replace('0', "A");
    let cases = [
        (None, Some("2024-11-06"), 401),
        (Some(short), Some("2024-11-06"), 401),
        (Some(upper.as_str()), Some("2024-11-06"), 401),
        (Some(DEFAULT_API_KEY), None, 400),
        (Some(DEFAULT_API_KEY), Some("2023-01-01"), 400),
        (Some(DEFAULT_API_KEY), Some("2024-11-06"), 200),
    ];
    for (key, version, status) in cases {
        let mut request = site.client.get(site.url("/v1/organization"));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(version) = version {
            request = request.header("x-runway-version", version);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{key:?} {version:?}");
        assert_eq!(answer.headers()["x-mediagen-sandbox"], "true");
        let body = read(answer).await;
        assert_eq!(body["error"].is_string(), status != 200, "{body}");
    }
}

#[tokio::test]
async fn only_the_configured_keys_pass_when_there_are_any() {
    let other = DEFAULT_API_KEY.replace('0', "1");
    let site = Site::with(Config {
        api_keys: vec![other.clone()],
        ..Config::default()
    })
    .await;
    assert_eq!(site.get("/v1/organization").await.status(), 401);
    let request = site
        .client
        .get(site.url("/v1/organization"))
        .bearer_auth(other);
    let answer = request
        .header("x-runway-version", "2024-11-06")
        .send()
        .await;
    assert_eq!(answer.expect("an answer").status(), 200);
}

#[tokio::test]
async fn wrong_paths_methods_and_sizes_are_answered_in_json() {
    let site = Site::with(Config {
        max_body_bytes: 1_000,
        ..Config::default()
    })
    .await;
    assert_eq!(
        read(site.get("/v1/nothing").await).await["error"],
        "Not found"
    );
    let wrong_method = site.get("/v1/text_to_video").await;
    assert_eq!(wrong_method.status(), 405);
    assert!(read(wrong_method).await["error"].is_string());
    let large = site
        .post("/v1/text_to_video", &film(&"x".repeat(1_000)))
        .await;
    assert_eq!(large.status(), 413);
    assert!(read(large).await["error"].is_string());
    let unknown = site.get("/v1/tasks/not-an-id").await;
    assert_eq!(unknown.status(), 404);
    assert_eq!(read(unknown).await["error"], "Could not find Task");
}

#[tokio::test]
async fn an_empty_account_is_a_400_told_by_its_text() {
    let site = Site::with(Config {
        credits: 200,
        ..Config::default()
    })
    .await;
    assert_eq!(
        site.post("/v1/text_to_video", &film("one")).await.status(),
        200
    );
    let refused = site.post("/v1/text_to_video", &film("two")).await;
    assert_eq!(refused.status(), 400);
    let body = read(refused).await;
    assert_eq!(
        body["error"],
        "You do not have enough credits to run this task."
    );
    assert_eq!(
        read(site.get("/v1/organization").await).await["creditBalance"],
        200 - 144
    );
    assert_eq!(site.sandbox.ledger().len(), 1);
}

#[tokio::test]
async fn a_model_beyond_its_daily_cap_is_a_429_and_its_use_is_told() {
    let site = Site::with(Config {
        daily_cap_per_model: Some(2),
        concurrency_per_model: Some(3),
        ..Config::default()
    })
    .await;
    for expected in [200, 200, 429] {
        let answer = site.post("/v1/text_to_video", &film("one")).await;
        assert_eq!(answer.status(), expected);
    }
    let told = read(site.get("/v1/organization").await).await;
    let limits = &told["tier"]["models"]["seedance2"];
    assert_eq!(limits["maxDailyGenerations"], 2);
    assert_eq!(limits["maxConcurrentGenerations"], 3);
    assert_eq!(told["usage"]["models"]["seedance2"]["dailyGenerations"], 2);
    assert_eq!(told["usage"]["models"]["gen4.5"]["dailyGenerations"], 0);
    assert_eq!(site.sandbox.counts().organization_reads, 1);
}

#[tokio::test]
async fn models_can_be_added_while_it_runs() {
    let site = Site::quick().await;
    let body = serde_json::json!({ "model": "gen9", "promptText": "a lake" });
    assert_eq!(site.post("/v1/text_to_video", &body).await.status(), 400);
    let added = ("/v1/text_to_video".to_owned(), "gen9".to_owned());
    site.sandbox.add_models(&[added]);
    assert_eq!(site.post("/v1/text_to_video", &body).await.status(), 200);
}
