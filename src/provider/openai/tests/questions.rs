//! Polls, cancels and content.

use super::*;
use crate::domain::task::{FailureReason, Progress, UpstreamStatus};

impl Bench {
    async fn seen(&self, body: &str) -> Result<Observation, ProviderError> {
        self.next(Act::Say(json("200 OK", body)));
        self.account.observe("v").await
    }
}

#[tokio::test]
async fn every_status_is_read() {
    let bench = Bench::new().await;
    for (word, expected) in [
        ("queued", UpstreamStatus::Pending),
        ("in_progress", UpstreamStatus::Running),
        ("completed", UpstreamStatus::Succeeded),
        ("cancelled", UpstreamStatus::Cancelled),
        (
            "COMPLETED",
            UpstreamStatus::Unrecognised("COMPLETED".into()),
        ),
        ("expired", UpstreamStatus::Unrecognised("expired".into())),
    ] {
        let seen = bench
            .seen(&format!(r#"{{"id":"v","status":"{word}"}}"#))
            .await
            .unwrap();
        let done = expected == UpstreamStatus::Succeeded;
        assert_eq!(
            seen.outputs,
            if done {
                vec!["content:v".to_owned()]
            } else {
                vec![]
            }
        );
        assert_eq!(seen.status, expected);
    }
    assert!(bench.server.requests()[0].starts_with("GET /v1/videos/v HTTP/1.1\r\n"));
}

#[tokio::test]
async fn progress_is_in_percent_and_the_price_counts_once_it_is_certain() {
    let bench = Bench::new().await;
    for (rest, progress, cost) in [
        (r#""status":"in_progress","progress":25"#, Some(2_500), None),
        (
            r#""status":"in_progress","progress":250,"usage":{"cost_usd":1}"#,
            Some(10_000),
            None,
        ),
        (r#""status":"in_progress","progress":-3"#, Some(0), None),
        (r#""status":"in_progress","progress":"x""#, None, None),
        (
            r#""status":"completed","progress":1e999,"usage":{"cost_usd":0.4}"#,
            None,
            Some(40_000),
        ),
        (
            r#""status":"completed","usage":{"cost_usd":0.4,"cost_is_estimate":true}"#,
            None,
            None,
        ),
        (
            r#""status":"completed","usage":{"cost_usd":0.4,"cost_is_estimate":true,"provider_reported_cost_usd":0.3}"#,
            None,
            Some(30_000),
        ),
        (r#""status":"failed","usage":{"cost_usd":0}"#, None, Some(0)),
    ] {
        let seen = bench
            .seen(&format!(r#"{{"id":"v",{rest}}}"#))
            .await
            .unwrap();
        let shown = seen.progress.map(Progress::ten_thousandths);
        assert_eq!(
            (shown, seen.cost),
            (progress, cost.map(Millicredits)),
            "{rest}"
        );
    }
}

#[tokio::test]
async fn failures_are_told_apart_by_their_code() {
    let bench = Bench::new().await;
    for (error, reason, code) in [
        (
            r#"{"code":"moderation_blocked","message":"m"}"#,
            FailureReason::ModeratedInput,
            "moderation_blocked",
        ),
        (
            r#"{"code":"content_policy_violation"}"#,
            FailureReason::ModeratedInput,
            "content_policy_violation",
        ),
        (
            r#"{"code":"output_moderation"}"#,
            FailureReason::ModeratedOutput,
            "output_moderation",
        ),
        (
            r#"{"code":"invalid_input_reference"}"#,
            FailureReason::InvalidInput,
            "invalid_input_reference",
        ),
        (
            r#"{"code":"server_error"}"#,
            FailureReason::GenerationFailed,
            "server_error",
        ),
        (r#"{"code":7}"#, FailureReason::GenerationFailed, ""),
        ("null", FailureReason::GenerationFailed, ""),
        (r#""words""#, FailureReason::GenerationFailed, ""),
        ("[1e999]", FailureReason::GenerationFailed, ""),
    ] {
        let body = format!(r#"{{"id":"v","status":"failed","error":{error}}}"#);
        let UpstreamStatus::Failed(failure) = bench.seen(&body).await.unwrap().status else {
            panic!("{error}")
        };
        assert_eq!(
            (failure.reason, &*failure.provider_code),
            (reason, code),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_is_not_this_video_is_unintelligible() {
    let bench = Bench::new().await;
    for body in [
        "",
        "null",
        "{}",
        "<html>",
        r#"{"id":"v"}"#,
        r#"{"id":"w","status":"queued"}"#,
        r#"{"id":"v","status":3}"#,
        r#"{"id":"v","status":"queued""#,
    ] {
        let error = bench.seen(body).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Unintelligible, "{body}");
    }
    for id in ["", "..", "a/b", "a b", &"x".repeat(600)] {
        let error = bench.account.observe(id).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::NotFound, "{id}");
    }
}

#[tokio::test]
async fn a_cancel_deletes_and_believes_only_what_is_confirmed() {
    let bench = Bench::new().await;
    for (status, body, expected) in [
        (
            "200 OK",
            r#"{"id":"v","object":"video.deleted","deleted":true}"#,
            Ok(CancelAnswer::Done),
        ),
        ("204 None", "", Ok(CancelAnswer::Done)),
        ("404 None", "{}", Ok(CancelAnswer::NotFound)),
        (
            "200 OK",
            r#"{"id":"v","deleted":false}"#,
            Err(ProviderErrorKind::Unintelligible),
        ),
        ("409 No", "{}", Err(ProviderErrorKind::Unavailable)),
        ("400 No", "{}", Err(ProviderErrorKind::Unintelligible)),
    ] {
        bench.next(Act::Say(json(status, body)));
        let said = bench.account.cancel("v").await.map_err(|error| error.kind);
        assert_eq!(said, expected, "{status} {body}");
        assert!(bench.server.requests()[0].starts_with("DELETE /v1/videos/v "));
    }
}

#[tokio::test]
async fn content_is_asked_for_with_the_key_and_no_other_origin_hears_of_it() {
    let bench = Bench::new().await;
    bench.next(Act::Say(http(
        "206 Part",
        "content-range: bytes 3-5/6\r\netag: \"e\"\r\n",
        "def",
    )));
    let resume = Resume {
        from: 3,
        etag: "\"e\"",
    };
    let Opened::Body(mut fetched) = bench
        .account
        .open_output("content:v", Some(resume))
        .await
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(fetched.chunk().await.unwrap().unwrap(), "def");
    let request = bench.server.requests()[0].to_ascii_lowercase();
    assert!(
        request.starts_with("get /v1/videos/v/content http/1.1\r\n"),
        "{request}"
    );
    for header in [
        "authorization: bearer sk-0123456789",
        "range: bytes=3-",
        "if-range: \"e\"",
        "accept-encoding: identity",
    ] {
        assert!(request.contains(header), "{header}\n{request}");
    }
    bench.next(Act::Say(http(
        "302 Found",
        "location: https://cdn.example/f?sig=1\r\n",
        "",
    )));
    let Opened::At(url) = bench.account.open_output("content:v", None).await.unwrap() else {
        panic!()
    };
    assert_eq!(url, "https://cdn.example/f?sig=1");
    bench.next(Act::Say(Vec::new()));
    for other in ["https://cdn.example/content:v", "http://127.0.0.1/x"] {
        let Opened::At(url) = bench.account.open_output(other, None).await.unwrap() else {
            panic!()
        };
        assert_eq!(url, other);
    }
    for bad in ["content:", "content:../x", "content:a/b"] {
        assert!(bench.account.open_output(bad, None).await.is_err(), "{bad}");
    }
    assert!(bench.server.requests().is_empty());
}

#[tokio::test]
async fn content_that_is_not_there_or_encoded_is_an_error() {
    let bench = Bench::new().await;
    for (answer, expected) in [
        (json("404 None", "{}"), EgressError::Http(404)),
        (json("401 No", "{}"), EgressError::Http(401)),
        (
            http("200 OK", "content-encoding: gzip\r\n", "x"),
            EgressError::Refused("the body is encoded"),
        ),
        (
            http("302 Found", "", ""),
            EgressError::Refused("the server redirects"),
        ),
    ] {
        bench.next(Act::Say(answer));
        assert_eq!(
            bench
                .account
                .open_output("content:v", None)
                .await
                .unwrap_err(),
            expected
        );
    }
}
