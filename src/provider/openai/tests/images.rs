//! Images in the answer to their create.

use super::*;
use crate::domain::task::{Finished, UpstreamStatus};

async fn finished(bench: &Bench, headers: &str, body: &str) -> Option<(String, Finished)> {
    let headers = format!("content-type: application/json\r\n{headers}");
    match bench.image(http("200 OK", &headers, body)).await {
        SubmitOutcome::Accepted {
            upstream_id,
            finished,
            ..
        } => Some((upstream_id, *finished.unwrap())),
        SubmitOutcome::Unknown { .. } => None,
        SubmitOutcome::Rejected(rejection) => panic!("{rejection:?}"),
    }
}

#[tokio::test]
async fn images_come_as_bytes_or_as_addresses_in_every_spelling() {
    let bench = Bench::new().await;
    let abc = Bytes::from_static(b"abc");
    for (image, output, bytes) in [
        (r#"{"b64_json":"YWJj"}"#, "made:0", &abc),
        (
            r#"{"b64_json":"YWJj","url":null,"revised_prompt":"x"}"#,
            "made:0",
            &abc,
        ),
        (r#"{"url":null,"b64_json":"\u0059WJj"}"#, "made:0", &abc),
        (
            r#"{"b64_json":"data:image/png;base64,YWJj"}"#,
            "made:0",
            &abc,
        ),
        (r#"{"url":"data:image/png;base64,YWJj"}"#, "made:0", &abc),
        (
            r#"{"url":"https://a.example/1?sig=x"}"#,
            "https://a.example/1?sig=x",
            &Bytes::new(),
        ),
        (
            r#"{"b64_json":"","url":"https:\/\/a.example\/1"}"#,
            "https://a.example/1",
            &Bytes::new(),
        ),
    ] {
        let body = format!(r#"{{"created":1,"data":[{image}],"usage":{{"total_tokens":9}}}}"#);
        let (id, made) = finished(&bench, "", &body).await.expect(image);
        assert_eq!(made.seen.status, UpstreamStatus::Succeeded);
        assert_eq!(
            (&made.seen.outputs[..], &made.outputs[..]),
            (&[output.to_owned()][..], &[bytes.clone()][..])
        );
        assert_eq!(super::super::images::count(&id), Some(1), "{id}");
        let asked = bench.account.observe(&id).await.unwrap();
        assert_eq!(
            (asked.status, &*asked.outputs),
            (UpstreamStatus::Succeeded, &["made:0".to_owned()][..])
        );
    }
    let (one, _) = finished(&bench, "", r#"{"data":[{"b64_json":"YWJj"}]}"#)
        .await
        .unwrap();
    let (two, made) = finished(
        &bench,
        "",
        r#"{"data":[{"b64_json":"YQ=="},{"url":"https://b.example"}]}"#,
    )
    .await
    .unwrap();
    assert_ne!(one, two);
    assert_eq!(made.seen.outputs, ["made:0", "https://b.example"]);
    assert_eq!(made.outputs, [Bytes::from_static(b"a"), Bytes::new()]);
    assert!(!format!("{made:?}").contains("b.example"));
}

#[tokio::test]
async fn the_price_stands_in_the_usage_or_in_a_proxys_header() {
    let bench = Bench::new().await;
    for (headers, usage, cost) in [
        ("", r#"{"cost_usd":0.04}"#, Some(4_000)),
        ("x-litellm-response-cost: 0.042\r\n", "{}", Some(4_200)),
        (
            "x-litellm-response-cost: 0.042\r\n",
            r#"{"provider_reported_cost_usd":0.01}"#,
            Some(1_000),
        ),
        ("x-litellm-response-cost: NaN\r\n", "null", None),
        ("x-litellm-response-cost: -1\r\n", "[]", None),
        ("", "7", None),
    ] {
        let body = format!(r#"{{"data":[{{"b64_json":"YWJj"}}],"usage":{usage}}}"#);
        let (_, made) = finished(&bench, headers, &body).await.unwrap();
        assert_eq!(made.seen.cost, cost.map(Millicredits), "{headers} {usage}");
    }
}

#[tokio::test]
async fn an_answer_without_every_image_is_unknown() {
    let bench = Bench::new().await;
    let many = format!(
        r#"{{"data":[{}{{"b64_json":"YQ=="}}]}}"#,
        r#"{"b64_json":"YQ=="},"#.repeat(16)
    );
    let long = format!(r#"{{"data":[{{"url":"https://{}"}}]}}"#, "a".repeat(9_000));
    let deep = format!(r#"{{"data":[{{"b64_json":{}}}]}}"#, "[".repeat(9_000));
    for body in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"data":null}"#,
        r#"{"data":[]}"#,
        r#"{"data":{}}"#,
        r#"{"data":[null]}"#,
        r#"{"data":[7]}"#,
        r#"{"data":[{}]}"#,
        r#"{"data":["YWJj"]}"#,
        r#"{"data":[{"b64_json":null,"url":null}]}"#,
        r#"{"data":[{"b64_json":7}]}"#,
        r#"{"data":[{"b64_json":"not base64!"}]}"#,
        r#"{"data":[{"b64_json":["YWJj"]}]}"#,
        r#"{"data":[{"b64_json":"YWJj"},{}]}"#,
        r#"{"data":[{"url":""}]}"#,
        r#"{"data":[{"url":"ftp://a.example"}]}"#,
        r#"{"data":[{"url":"file:///etc/passwd"}]}"#,
        r#"{"data":[{"url":"content:video_1"}]}"#,
        r#"{"data":[{"url":"made:1"}]}"#,
        r#"{"data":[{"url":"data:image/png,abc"}]}"#,
        r#"{"data":[{"b64_json":"YWJj","b64_json":"YWJj"}]}"#,
        r#"{"id":"video_1","status":"queued"}"#,
        &many,
        &long,
        &deep,
    ] {
        assert!(finished(&bench, "", body).await.is_none(), "{body:.80}");
    }
}

#[tokio::test]
async fn an_id_that_was_made_here_is_never_sent() {
    let bench = Bench::new().await;
    let id = format!("mediagen-images-3-{}", "0af".repeat(11).get(..32).unwrap());
    bench.next(Act::Say(Vec::new()));
    assert_eq!(bench.account.observe(&id).await.unwrap().outputs.len(), 3);
    assert_eq!(bench.account.cancel(&id).await, Ok(CancelAnswer::NotFound));
    assert!(bench.server.requests().is_empty());
    let count = super::super::images::count;
    for other in [
        "video_1".to_owned(),
        "mediagen-images-3-0af".to_owned(),
        id.replace("-3-", "-0-"),
        id.replace("-3-", "-17-"),
        id.replace("-3-", "-x-"),
        id.to_uppercase(),
        format!("{id}0"),
    ] {
        assert_eq!(count(&other), None, "{other}");
    }
    assert!(bench.account.came_with_acceptance("made:0"));
    assert!(!bench.account.came_with_acceptance("https://made:0"));
}
