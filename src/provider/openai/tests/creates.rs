//! What a create is taken for: the table of the protocol, row by row.

use tokio::time::Instant;

use super::*;

#[tokio::test]
async fn an_accepted_video_has_its_id_and_the_price_that_is_named() {
    let bench = Bench::new().await;
    let proxied = format!("video_{}==", "bGl0ZWxsbTpj".repeat(20));
    for (body, id, estimated) in [
        (
            r#"{"id":"video_1","object":"video","status":"queued"}"#,
            "video_1",
            None,
        ),
        (
            r#"{"id":"v","usage":{"cost_usd":0.4,"cost_is_estimate":true}}"#,
            "v",
            Some(40_000),
        ),
        (
            r#"{"id":"v","usage":{"provider_reported_cost_usd":0.25,"cost_usd":9}}"#,
            "v",
            Some(25_000),
        ),
        (r#"{"id":"v","usage":{"cost_usd":1e-12}}"#, "v", Some(1)),
        (r#"{"id":"v","usage":{"cost_usd":-1}}"#, "v", None),
        (
            r#"{"id":"v","usage":{"cost_usd":1e999,"x":1e999}}"#,
            "v",
            None,
        ),
        (r#"{"id":"v","usage":{"cost_usd":"much"}}"#, "v", None),
        (r#"{"id":"v","usage":7}"#, "v", None),
        (r#"{"id":"v","usage":null}"#, "v", None),
        (&format!(r#"{{"id":"{proxied}"}}"#), &proxied, None),
    ] {
        let accepted = SubmitOutcome::Accepted {
            upstream_id: id.to_owned(),
            estimated: estimated.map(Millicredits),
            finished: None,
        };
        assert_eq!(bench.video(json("200 OK", body)).await, accepted, "{body}");
    }
    let request = bench.server.requests()[0].to_ascii_lowercase();
    assert!(
        request.starts_with("post /v1/videos http/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("authorization: bearer sk-0123456789\r\n"));
    assert!(request.ends_with("{\"model\":\"sora-2\",\"prompt\":\"a lake\"}"));
}

#[tokio::test]
async fn every_status_is_classified_as_the_table_says() {
    let bench = Bench::new().await;
    let error =
        r#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"bad"}}"#;
    for (status, with_error, without) in [
        ("400 Bad Request", "caller", "unknown"),
        ("413 Too Large", "caller", "unknown"),
        ("415 Type", "caller", "unknown"),
        ("422 Entity", "caller", "unknown"),
        ("401 Unauthorized", "account", "unknown"),
        ("402 Pay", "account", "unknown"),
        ("403 Forbidden", "account", "unknown"),
        ("404 Not Found", "account", "unknown"),
        ("405 Method", "account", "unknown"),
        ("301 Moved", "account", "account"),
        ("302 Found", "account", "account"),
        ("307 Temporary", "account", "account"),
        ("308 Permanent", "account", "account"),
        ("429 Slow", "quota", "quota"),
        ("300 Choices", "unknown", "unknown"),
        ("303 See Other", "unknown", "unknown"),
        ("304 Same", "unknown", "unknown"),
        ("406 Accept", "unknown", "unknown"),
        ("408 Timeout", "unknown", "unknown"),
        ("409 Conflict", "unknown", "unknown"),
        ("410 Gone", "unknown", "unknown"),
        ("425 Early", "unknown", "unknown"),
        ("499 Closed", "unknown", "unknown"),
        ("500 Error", "unknown", "unknown"),
        ("501 No", "unknown", "unknown"),
        ("502 Gateway", "unknown", "unknown"),
        ("503 Unavailable", "unknown", "unknown"),
        ("504 Timeout", "unknown", "unknown"),
        ("529 Odd", "unknown", "unknown"),
        ("600 Odd", "unknown", "unknown"),
    ] {
        for endpoint in [translate::VIDEOS, translate::IMAGES] {
            let said = bench.outcome(endpoint, Act::Say(json(status, error))).await;
            assert_eq!(kind(&said), with_error, "{status}");
            let page = http(status, "content-type: text/html\r\n", "<html>no</html>");
            let said = bench.outcome(endpoint, Act::Say(page)).await;
            assert_eq!(kind(&said), without, "{status} without an error in JSON");
        }
    }
}

#[tokio::test]
async fn the_code_says_whose_fault_a_refusal_is() {
    let bench = Bench::new().await;
    let body = |code: &str, kind: &str| {
        format!(
            r#"{{"error":{{"message":"words","type":"{kind}","param":"size","code":"{code}"}}}}"#
        )
    };
    for (status, code, of_type, expected) in [
        (
            "400 Bad",
            "moderation_blocked",
            "image_generation_user_error",
            "moderated",
        ),
        ("400 Bad", "content_policy_violation", "", "moderated"),
        ("403 No", "content_policy_violation", "", "moderated"),
        ("400 Bad", "billing_hard_limit_reached", "", "account"),
        (
            "429 Slow",
            "insufficient_quota",
            "insufficient_quota",
            "account",
        ),
        ("429 Slow", "", "insufficient_quota", "account"),
        ("429 Slow", "billing_hard_limit_reached", "", "account"),
        ("400 Bad", "budget_exceeded", "", "account"),
        ("429 Slow", "rate_limit_exceeded", "requests", "quota"),
        (
            "404 None",
            "model_not_found",
            "invalid_request_error",
            "account",
        ),
        (
            "400 Bad",
            "invalid_value",
            "invalid_request_error",
            "caller",
        ),
    ] {
        let said = bench.video(json(status, &body(code, of_type))).await;
        assert_eq!(kind(&said), expected, "{status} {code} {of_type}");
        let SubmitOutcome::Rejected(refused) = said else {
            panic!()
        };
        assert_eq!(refused.message, "size: words");
        let number = status.split(' ').next().unwrap();
        let code = if code.is_empty() { number } else { code };
        assert_eq!(refused.code, code);
    }
    let slow = http(
        "429 Slow",
        "content-type: application/json\r\nretry-after: 7\r\n",
        "{}",
    );
    let SubmitOutcome::Rejected(refused) = bench.video(slow).await else {
        panic!()
    };
    assert_eq!(refused.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn errors_of_other_frameworks_are_errors_and_other_json_is_none() {
    let bench = Bench::new().await;
    let deep = format!(r#"{{"error":{}1{}}}"#, "[".repeat(9_000), "]".repeat(9_000));
    for (body, expected) in [
        (r#"{"detail":"Not Found"}"#, "caller"),
        (
            r#"{"detail":[{"loc":["body","size"],"msg":"no"}]}"#,
            "caller",
        ),
        (r#"{"error":"words"}"#, "caller"),
        (r#"{"error":{"message":"x","code":400}}"#, "caller"),
        (r#"{"error":{"code":"x"}}"#, "caller"),
        ("", "unknown"),
        ("{}", "unknown"),
        ("[]", "unknown"),
        ("null", "unknown"),
        ("7", "unknown"),
        (r#"{"error":null}"#, "unknown"),
        (r#"{"error":{}}"#, "unknown"),
        (r#"{"error":""}"#, "unknown"),
        (r#"{"error":true}"#, "unknown"),
        (r#"{"error":{"message":"x"}"#, "unknown"),
        (
            r#"{"error":{"message":"x"},"error":{"message":"y"}}"#,
            "unknown",
        ),
        (&deep, "unknown"),
    ] {
        let said = bench.video(json("400 Bad Request", body)).await;
        assert_eq!(kind(&said), expected, "{body:.60}");
    }
}

#[tokio::test]
async fn a_success_that_is_no_whole_document_with_a_good_id_is_unknown() {
    let bench = Bench::new().await;
    let long = format!(r#"{{"id":"{}"}}"#, "a".repeat(513));
    let huge = format!(r#"{{"id":"{}"}}"#, "a".repeat(500_000));
    let deep = format!(
        r#"{{"id":"a","x":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let minted = format!(r#"{{"id":"mediagen-images-1-{}"}}"#, "a".repeat(32));
    for body in [
        "",
        "{}",
        "null",
        "[]",
        "x",
        "[{\"id\":\"a\"}]",
        r#"{"id":null}"#,
        r#"{"id":7}"#,
        r#"{"id":true}"#,
        r#"{"id":["a"]}"#,
        r#"{"id":{"id":"a"}}"#,
        r#"{"id":""}"#,
        r#"{"id":"."}"#,
        r#"{"id":".."}"#,
        r#"{"id":"../x"}"#,
        r#"{"id":"a b"}"#,
        r#"{"id":"a/b"}"#,
        r#"{"id":"a?b"}"#,
        r#"{"id":"a#b"}"#,
        r#"{"id":"a%2fb"}"#,
        r#"{"id":"a\nb"}"#,
        r#"{"id":"ä"}"#,
        r#"{"id":"a","id":"b"}"#,
        r#"{"ID":"a"}"#,
        r#"{"data":[{"id":"a"}]}"#,
        r#"{"id":"a"}}"#,
        r#"{"id":"a"} {"id":"b"}"#,
        r#"{"error":{"message":"no"}}"#,
        &long,
        &huge,
        &deep,
        &minted,
    ] {
        assert_eq!(
            kind(&bench.video(json("200 OK", body)).await),
            "unknown",
            "{body:.80}"
        );
    }
    for headers in [
        "content-type: text/html\r\n",
        "content-type: text/event-stream\r\n",
    ] {
        let said = bench.video(http("200 OK", headers, r#"{"id":"a"}"#)).await;
        assert_eq!(kind(&said), "unknown");
    }
    let garbled = http("200 OK", "content-encoding: gzip\r\n", "\u{1f}nonsense");
    assert_eq!(kind(&bench.video(garbled).await), "unknown");
}

#[tokio::test]
async fn an_answer_cut_at_any_byte_is_unknown_or_exact() {
    let bench = Bench::new().await;
    for (endpoint, body) in [
        (
            translate::VIDEOS,
            "{\"id\":\"abc\",\"status\":\"queued\"}\n",
        ),
        (
            translate::IMAGES,
            "{\"created\":1,\"data\":[{\"b64_json\":\"YWJj\"}]}\n",
        ),
    ] {
        let answer = json("200 OK", body);
        let mut whole = 0;
        for act in [Act::Say as fn(Vec<u8>) -> Act, Act::Reset] {
            for cut in 0..=answer.len() {
                let said = bench.outcome(endpoint, act(answer[..cut].to_vec())).await;
                match kind(&said) {
                    "accepted" => whole += 1,
                    kind => assert_eq!(kind, "unknown", "{cut}"),
                }
                assert!(kind(&said) == "unknown" || cut >= answer.len() - 1, "{cut}");
            }
        }
        assert!(whole >= 2);
    }
}

#[tokio::test]
async fn silence_ends_with_the_timeout_and_is_unknown() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"id\":\"a\"";
    for said in ["", "HTTP/1.1 200", head] {
        let server = Server::new(move |_| Act::Hang(said.into())).await;
        for endpoint in [translate::VIDEOS, translate::IMAGES] {
            let account = account(&server.base(), |settings| {
                settings.create_timeout = Duration::from_millis(200);
                settings.image_timeout = Duration::from_millis(300);
            });
            let start = Instant::now();
            let SubmitOutcome::Unknown { evidence } = account.submit(prepared(endpoint)).await
            else {
                panic!("{said}")
            };
            assert!(start.elapsed() < Duration::from_secs(5) && evidence.contains("timed out"));
        }
    }
}

#[tokio::test]
async fn images_are_waited_for_longer_than_anything_else() {
    let server = Server::new(|_| Act::Hang(Vec::new())).await;
    let account = account(&server.base(), |settings| {
        settings.create_timeout = Duration::from_millis(50);
        settings.image_timeout = Duration::from_millis(600);
    });
    let took = async |endpoint| {
        let start = Instant::now();
        account.submit(prepared(endpoint)).await;
        start.elapsed()
    };
    let (video, image) = (took(translate::VIDEOS).await, took(translate::IMAGES).await);
    assert!(
        image >= Duration::from_millis(600) && video < image,
        "{video:?} {image:?}"
    );
}

#[tokio::test]
async fn an_endless_answer_is_read_to_its_limit_only() {
    for status in ["200 OK", "500 Oops"] {
        let head = format!("HTTP/1.1 {status}\r\n\r\n{{\"id\":\"a\",\"data\":[{{\"b64_json\":\"");
        let flood = [head.into_bytes(), vec![b'A'; 1_000_000]].concat();
        let server = Server::new(move |_| Act::Flood(flood.clone())).await;
        for endpoint in [translate::VIDEOS, translate::IMAGES] {
            let account = account(&server.base(), |_| {});
            let SubmitOutcome::Unknown { evidence } = account.submit(prepared(endpoint)).await
            else {
                panic!("{status}")
            };
            assert!(evidence.len() < 2_000);
        }
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
        let location = format!("location: {}videos\r\n", other.base());
        let said = bench.video(http(status, &location, "")).await;
        assert_ne!(kind(&said), "accepted");
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn only_a_failed_connect_proves_that_nothing_was_sent() {
    let port = {
        let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        unused.local_addr().unwrap().port()
    };
    let account = account(&format!("http://127.0.0.1:{port}"), |_| {});
    assert_eq!(
        kind(&account.submit(prepared(translate::VIDEOS)).await),
        "not sent"
    );
    let bench = Bench::new().await;
    for act in [Act::Reset(Vec::new()), Act::Say(Vec::new())] {
        assert_eq!(
            kind(&bench.outcome(translate::VIDEOS, act).await),
            "unknown"
        );
    }
}
