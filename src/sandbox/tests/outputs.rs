//! Signed URLs, ranges, and files that are wrong on demand.

use std::time::Duration;

use reqwest::Response;

use super::{Config, Site};

async fn fetch(site: &Site, url: &str, range: &str) -> Response {
    site.client
        .get(url)
        .header("range", range)
        .send()
        .await
        .expect("an answer")
}

#[tokio::test]
async fn ranges_put_together_are_the_whole_file() {
    let site = Site::quick().await;
    let id = site.film("a quiet lake").await;
    let url = site.output(&id).await;
    let answer = site.client.get(&url).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "video/mp4");
    assert_eq!(answer.headers()["accept-ranges"], "bytes");
    let etag = answer.headers()["etag"].clone();
    let whole = answer.bytes().await.expect("a body");
    let first = fetch(&site, &url, "bytes=0-999").await;
    assert_eq!(first.status(), 206);
    assert_eq!(
        first.headers()["content-range"],
        format!("bytes 0-999/{}", whole.len())
    );
    assert_eq!(first.headers()["etag"], etag);
    // A fresh URL of the same task continues the same file.
    let rest = fetch(&site, &site.output(&id).await, "bytes=1000-").await;
    let parts = [
        first.bytes().await.expect("a body"),
        rest.bytes().await.expect("a body"),
    ]
    .concat();
    assert_eq!(parts, whole);
    let beyond = fetch(&site, &url, &format!("bytes={}-", whole.len())).await;
    assert_eq!(beyond.status(), 416);
    assert_eq!(
        beyond.headers()["content-range"],
        format!("bytes */{}", whole.len())
    );
}

#[tokio::test]
async fn a_file_rendered_again_is_the_same_file() {
    let config = Config {
        render_cache_bytes: 0,
        ..Config::default()
    };
    let site = Site::with(config.with_task_duration(Duration::ZERO)).await;
    let url = site.output(&site.film("a quiet lake").await).await;
    let first = fetch(&site, &url, "bytes=0-")
        .await
        .bytes()
        .await
        .expect("a body");
    let second = fetch(&site, &url, "bytes=0-")
        .await
        .bytes()
        .await
        .expect("a body");
    assert!(first == second, "two renders differ");
}

#[tokio::test]
async fn head_tells_the_length_without_a_body() {
    let site = Site::quick().await;
    let url = site.output(&site.film("a quiet lake").await).await;
    let head = site.client.head(&url).send().await.expect("an answer");
    assert_eq!(head.status(), 200);
    let announced = head.headers()["content-length"].clone();
    assert!(head.bytes().await.expect("no body").is_empty());
    let body = site
        .client
        .get(&url)
        .send()
        .await
        .expect("an answer")
        .bytes()
        .await
        .expect("a body");
    assert_eq!(announced, body.len().to_string());
}

#[tokio::test]
async fn an_expired_or_altered_url_is_refused_and_a_fresh_one_works() {
    let config = Config {
        output_url_lifetime: Duration::ZERO,
        ..Config::default()
    };
    let expired = Site::with(config.with_task_duration(Duration::ZERO)).await;
    let url = expired.output(&expired.film("a lake").await).await;
    assert_eq!(
        expired
            .client
            .get(url)
            .send()
            .await
            .expect("an answer")
            .status(),
        403
    );
    let site = Site::quick().await;
    let id = site.film("a lake").await;
    let other = site.film("another lake").await;
    let url = site.output(&id).await;
    let bare = url.split('?').next().expect("a path").to_owned();
    for altered in [url.replace(&id, &other), format!("{url}x"), bare] {
        let answer = site.client.get(altered).send().await.expect("an answer");
        assert_eq!(answer.status(), 403);
    }
    assert_eq!(
        site.client
            .head(url)
            .send()
            .await
            .expect("an answer")
            .status(),
        200
    );
}

#[tokio::test]
async fn files_are_wrong_in_the_way_the_prompt_asks() {
    let site = Site::quick().await;
    let get = async |fault: &str| {
        let id = site.film(&format!("a lake [sandbox:output={fault}]")).await;
        site.client
            .get(site.output(&id).await)
            .send()
            .await
            .expect("an answer")
    };
    let html = get("html").await;
    assert_eq!(html.headers()["content-type"], "text/html");
    assert_eq!(html.status(), 200);
    let empty = get("empty").await;
    assert_eq!(
        (empty.status().as_u16(), empty.content_length()),
        (200, Some(0))
    );
    assert_eq!(get("gone").await.status(), 404);
    let truncated = get("truncated").await;
    assert_eq!(truncated.status(), 200);
    assert!(
        truncated.bytes().await.is_err(),
        "the connection broke before the announced end"
    );
}
