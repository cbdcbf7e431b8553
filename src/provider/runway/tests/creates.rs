//! What a create is taken for: the table of the protocol, row by row.

use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;

#[tokio::test]
async fn an_accepted_create_has_its_id_and_price() {
    let server = Server::saying(json(
        "200 OK",
        r#"{"id":"a-B_9","estimatedCost":{"credits":12.5},"new":[1]}"#,
    ))
    .await;
    let accepted = SubmitOutcome::Accepted {
        upstream_id: "a-B_9".to_owned(),
        estimated: Some(Millicredits(12_500)),
        finished: None,
    };
    assert_eq!(server.runway().submit(prepared()).await, accepted);
    let request = server.requests()[0].to_ascii_lowercase();
    assert!(
        request.starts_with("post /v1/text_to_video http/1.1\r\n"),
        "{request}"
    );
    for header in [
        "authorization: bearer key_abab",
        "x-runway-version: 2024-11-06",
        "content-type: application/json",
    ] {
        assert!(request.contains(header), "{header}");
    }
    assert!(request.ends_with("\r\n\r\n{\"model\":\"gen4.5\",\"prompttext\":\"a lake\"}"));
}

#[tokio::test]
async fn every_status_is_classified_as_the_table_says() {
    let bench = Bench::new().await;
    let error = r#"{"error":"Validation of body failed","issues":[{"path":["ratio",0],"message":"Invalid"}]}"#;
    for (status, expected) in [
        ("400 Bad Request", "caller"),
        ("413 Too Large", "caller"),
        ("415 Type", "caller"),
        ("422 Entity", "caller"),
        ("401 Unauthorized", "account"),
        ("402 Pay", "account"),
        ("403 Forbidden", "account"),
        ("404 Not Found", "account"),
        ("405 Method", "account"),
        ("301 Moved", "account"),
        ("302 Found", "account"),
        ("304 Same", "account"),
        ("307 Temporary", "account"),
        ("308 Permanent", "account"),
        ("429 Slow", "quota"),
        ("503 Unavailable", "unavailable"),
        ("408 Timeout", "unknown"),
        ("409 Conflict", "unknown"),
        ("406 Accept", "unknown"),
        ("410 Gone", "unknown"),
        ("425 Early", "unknown"),
        ("499 Closed", "unknown"),
        ("500 Error", "unknown"),
        ("501 No", "unknown"),
        ("502 Gateway", "unknown"),
        ("504 Timeout", "unknown"),
        ("520 Odd", "unknown"),
        ("529 Odd", "unknown"),
        ("599 Odd", "unknown"),
        ("418 Tea", "unknown"),
        ("600 Odd", "unknown"),
    ] {
        assert_eq!(bench.kind(json(status, error)).await, expected, "{status}");
    }
    let SubmitOutcome::Rejected(refused) = outcome(json("400 Bad Request", error)).await else {
        panic!()
    };
    assert_eq!(
        refused.message,
        "Validation of body failed; ratio.0: Invalid"
    );
    assert_eq!(refused.code, "400");
}

#[tokio::test]
async fn a_refusal_without_an_error_in_json_proves_nothing() {
    let bench = Bench::new().await;
    for body in [
        "",
        "<html>Bad Request</html>",
        "{}",
        "[]",
        "null",
        r#"{"error":null}"#,
        r#"{"error":""}"#,
        r#"{"error":"x""#,
    ] {
        for status in ["400 Bad Request", "413 Too Large", "422 Entity"] {
            assert_eq!(
                bench.kind(json(status, body)).await,
                "unknown",
                "{status} {body}"
            );
        }
    }
}

#[tokio::test]
async fn an_empty_account_is_told_from_a_bad_request_by_its_words() {
    let bench = Bench::new().await;
    for (body, expected) in [
        (
            r#"{"error":"You do not have enough credits to run this task."}"#,
            "account",
        ),
        (r#"{"error":"Insufficient credits"}"#, "account"),
        (r#"{"message":"insufficient credit balance"}"#, "account"),
        (r#"{"error":"Validation of body failed"}"#, "caller"),
        (r#"{"error":"the prompt credits nobody"}"#, "caller"),
        (
            r#"{"error":"not enough credits","issues":[{"path":["promptText"],"message":"x"}]}"#,
            "caller",
        ),
    ] {
        assert_eq!(
            bench.kind(json("400 Bad Request", body)).await,
            expected,
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_success_that_is_no_whole_document_with_a_good_id_is_unknown() {
    let bench = Bench::new().await;
    let long = format!(r#"{{"id":"{}"}}"#, "a".repeat(201));
    let deep = format!(
        r#"{{"id":"a","x":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    for body in [
        "",
        "{}",
        "null",
        "[]",
        "x",
        r#"{"id":null}"#,
        r#"{"id":7}"#,
        r#"{"id":""}"#,
        r#"{"id":"../x"}"#,
        r#"{"id":"a b"}"#,
        r#"{"id":"a/b"}"#,
        r#"{"id":"ä"}"#,
        r#"{"id":"a","id":"b"}"#,
        r#"{"id":["a"]}"#,
        r#"{"ID":"a"}"#,
        r#"{"id":"a"}}"#,
        r#"{"id":"a"} {"id":"b"}"#,
        &long,
        &deep,
    ] {
        assert_eq!(
            bench.kind(json("200 OK", body)).await,
            "unknown",
            "{body:.80}"
        );
    }
    let html = http("200 OK", "content-type: text/html\r\n", r#"{"id":"a"}"#);
    assert_eq!(bench.kind(html).await, "unknown");
    let garbled = http("200 OK", "content-encoding: gzip\r\n", "\u{1f}nonsense");
    assert_eq!(bench.kind(garbled).await, "unknown");
    for odd in [
        r#"{"id":"a","estimatedCost":"much"}"#,
        r#"{"id":"a","estimatedCost":{"credits":-1}}"#,
        r#"{"id":"a","estimatedCost":{"credits":1e999}}"#,
        r#"{"id":"a","estimatedCost":null}"#,
    ] {
        let accepted = SubmitOutcome::Accepted {
            upstream_id: "a".to_owned(),
            estimated: None,
            finished: None,
        };
        assert_eq!(
            bench.outcome(Act::Say(json("201 Created", odd))).await,
            accepted
        );
    }
}

#[tokio::test]
async fn an_answer_cut_at_any_byte_is_unknown_or_exact() {
    let answer = json(
        "200 OK",
        "{\"id\":\"abc\",\"estimatedCost\":{\"credits\":5}}\n",
    );
    let bench = Bench::new().await;
    let mut whole = 0;
    for act in [Act::Say as fn(Vec<u8>) -> Act, Act::Reset] {
        for cut in 0..=answer.len() {
            let part = answer[..cut].to_vec();
            match bench.outcome(act(part)).await {
                SubmitOutcome::Accepted { upstream_id, .. } => {
                    assert!(upstream_id == "abc" && cut >= answer.len() - 1, "{cut}");
                    whole += 1;
                }
                SubmitOutcome::Unknown { .. } => {}
                SubmitOutcome::Rejected(rejection) => panic!("{cut}: {rejection:?}"),
            }
        }
    }
    assert!(whole >= 2);
}

#[tokio::test]
async fn silence_ends_with_the_timeout_and_is_unknown() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"id\":\"a\"";
    for said in ["", "HTTP/1.1 200", head] {
        let server = Server::new(move |_| Act::Hang(said.into())).await;
        let base = format!("http://127.0.0.1:{}", server.port);
        let runway = runway(&base, |settings| {
            settings.create_timeout = Duration::from_millis(300);
        });
        let start = Instant::now();
        let SubmitOutcome::Unknown { evidence } = runway.submit(prepared()).await else {
            panic!("{said}")
        };
        assert!(
            start.elapsed() < Duration::from_secs(5) && evidence.contains("timed out"),
            "{evidence}"
        );
    }
}

#[tokio::test]
async fn an_endless_answer_is_read_to_its_limit_only() {
    for status in ["200 OK", "500 Oops"] {
        let head = format!("HTTP/1.1 {status}\r\n\r\n{{\"id\":\"a\",\"x\":\"");
        let flood = [head.into_bytes(), vec![b'x'; 100_000]].concat();
        let server = Server::new(move |_| Act::Flood(flood.clone())).await;
        assert_eq!(kind(&server.runway().submit(prepared()).await), "unknown");
    }
}

#[tokio::test]
async fn a_redirect_reaches_no_second_server() {
    let bench = Bench::new().await;
    let other = Server::saying(json("200 OK", r#"{"id":"a"}"#)).await;
    for status in [
        "301 Moved",
        "302 Found",
        "303 See",
        "307 Temporary",
        "308 Permanent",
    ] {
        let location = format!(
            "location: http://127.0.0.1:{}/v1/text_to_video\r\n",
            other.port
        );
        assert_eq!(
            bench.kind(http(status, &location, "")).await,
            "account",
            "{status}"
        );
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn only_a_failed_connect_proves_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let closed = runway(&format!("http://127.0.0.1:{port}"), |_| {});
    assert_eq!(kind(&closed.submit(prepared()).await), "not sent");
    // It waits for the end of a request, which the TLS greeting never has.
    let mute = Server::saying("").await;
    let tls = runway(&format!("https://127.0.0.1:{}", mute.port), |settings| {
        settings.connect_timeout = Duration::from_millis(300);
    });
    assert_eq!(kind(&tls.submit(prepared()).await), "not sent");
    let nowhere = runway(&format!("https://{}.example", "x".repeat(64)), |_| {});
    assert_eq!(kind(&nowhere.submit(prepared()).await), "not sent");
}

#[tokio::test]
async fn distrusting_503_makes_it_unknown() {
    let server = Server::saying(json("503 Unavailable", "{}")).await;
    let base = format!("http://127.0.0.1:{}", server.port);
    let runway = runway(&base, |settings| settings.trust_503 = false);
    assert_eq!(kind(&runway.submit(prepared()).await), "unknown");
}

#[tokio::test]
async fn a_quota_carries_its_wait() {
    let answer = http(
        "429 Slow",
        "retry-after: 99999\r\n",
        r#"{"error":"Your daily task limit has been reached."}"#,
    );
    let SubmitOutcome::Rejected(rejection) = outcome(answer).await else {
        panic!()
    };
    assert_eq!(rejection.retry_after, Some(Duration::from_hours(1)));
    assert_eq!(rejection.message, "Your daily task limit has been reached.");
}

#[tokio::test]
async fn evidence_and_debug_hold_no_secret() {
    let key = format!("key_{}", "ab".repeat(64));
    let body = format!(
        "<p>Bearer {key} https://h.example/x?_jwt=abcdef</p>{}",
        "x".repeat(5000)
    );
    let server = Server::saying(http("500 Oops", "content-type: text/html\r\n", &body)).await;
    let runway = server.runway();
    let SubmitOutcome::Unknown { evidence } = runway.submit(prepared()).await else {
        panic!()
    };
    assert!(evidence.starts_with("status 500 (text/html)") && evidence.chars().count() <= 1000);
    for text in [evidence, format!("{runway:?} {:?}", prepared())] {
        assert!(
            !text.contains("abab") && !text.contains("abcdef") && !text.contains("lake"),
            "{text}"
        );
    }
}
