//! What is seen of calls over HTTP: ids, counts, times.

use crate::harness::scrape::Scraped;
use crate::harness::{TestApp, eventually, http, sound};

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
    let timed = [("route", "/videos/{id}")];
    assert!(scraped.count("mediagen_http_request_duration_seconds_count", &timed) >= 3);
    assert!(
        !scraped.text.contains("coffee"),
        "no label holds what callers write"
    );
}
