//! Polls and cancels.

use super::*;

#[tokio::test]
async fn polls_and_cancels_are_told_apart() {
    let script = |request: &str| {
        Act::Say(match request.lines().next().unwrap() {
            "GET /v1/tasks/t1 HTTP/1.1" => {
                json("200 OK", r#"{"id":"t1","status":"RUNNING","progress":0.5}"#)
            }
            "GET /v1/tasks/t2 HTTP/1.1" => http("429 Slow", "retry-after: 9\r\n", "{}"),
            "DELETE /v1/tasks/t1 HTTP/1.1" => http("204 No Content", "", ""),
            "DELETE /v1/tasks/t2 HTTP/1.1" => json("500 Oops", "{}"),
            _ => json("404 Not Found", r#"{"error":"Could not find Task"}"#),
        })
    };
    let server = Server::new(script).await;
    let runway = server.runway();
    assert_eq!(
        runway.observe("t1").await.unwrap().status,
        UpstreamStatus::Running
    );
    let limited = runway.observe("t2").await.unwrap_err();
    assert_eq!(limited.kind, ProviderErrorKind::RateLimited);
    assert_eq!(limited.retry_after, Some(Duration::from_secs(9)));
    assert_eq!(
        runway.observe("t3").await.unwrap_err().kind,
        ProviderErrorKind::NotFound
    );
    assert_eq!(runway.cancel("t1").await, Ok(CancelAnswer::Done));
    assert_eq!(runway.cancel("t3").await, Ok(CancelAnswer::NotFound));
    assert_eq!(
        runway.cancel("t2").await.unwrap_err().kind,
        ProviderErrorKind::Unavailable
    );
    let sent = server.requests().len();
    for bad in ["", "../organization", "a/b", "a?b", "ä"] {
        assert_eq!(
            runway.observe(bad).await.unwrap_err().kind,
            ProviderErrorKind::NotFound
        );
        assert_eq!(
            runway.cancel(bad).await.unwrap_err().kind,
            ProviderErrorKind::NotFound
        );
    }
    assert_eq!(server.requests().len(), sent);
}

#[tokio::test]
async fn an_account_tells_its_limits_or_why_not() {
    let script = |request: &str| {
        assert!(
            request.starts_with("GET /v1/organization HTTP/1.1"),
            "{request}"
        );
        let body = r#"{"creditBalance":7,"tier":{"models":{}},"usage":{"models":{}}}"#;
        Act::Say(json("200 OK", body))
    };
    let limits = Server::new(script).await.runway().limits().await;
    assert_eq!(limits.unwrap().unwrap().credits, Some(7));
    for (status, kind) in [
        ("401 No", ProviderErrorKind::Unauthorized),
        ("403 No", ProviderErrorKind::Unauthorized),
        ("429 Slow", ProviderErrorKind::RateLimited),
        ("500 Oops", ProviderErrorKind::Unavailable),
        ("200 OK", ProviderErrorKind::Unintelligible),
    ] {
        let server = Server::saying(json(status, r#"{"error":"no"}"#)).await;
        assert_eq!(server.runway().limits().await.unwrap_err().kind, kind);
    }
    let flood = Act::Flood(b"HTTP/1.1 200 OK\r\n\r\n ".repeat(1024));
    let endless = Server::new(move |_| flood.clone()).await;
    let error = endless.runway().limits().await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unintelligible);
}
