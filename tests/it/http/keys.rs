//! Who may call what over HTTP, and that what one tenant has is nothing to another.

use http::Method;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::harness::http::{Answer, client};
use crate::keys::{every_kind, text};

async fn call(
    app: &TestApp,
    key: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let mut call = client()
        .request(method, format!("http://{}{path}", app.address))
        .bearer_auth(text(key));
    if let Some(body) = body {
        call = call.json(body);
    }
    Answer::of(call.send().await.unwrap()).await
}

/// Every call with an id in its path.
fn calls(id: &str) -> Vec<(Method, String)> {
    let one = format!("/v1/videos/{id}");
    vec![
        (Method::GET, one.clone()),
        (Method::GET, format!("{one}/content")),
        (Method::GET, format!("{one}/events")),
        (Method::DELETE, one),
    ]
}

fn film() -> Value {
    json!({"model": "gen4.5", "prompt": "a lake of ours", "seconds": 5})
}

#[tokio::test]
async fn a_foreign_id_is_answered_like_one_that_does_not_exist() {
    let app = TestApp::tuned(every_kind).await;
    let made = call(&app, "ours", Method::POST, "/v1/videos", Some(&film())).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let nobodys = "video_0192f3a4b5c67d8e9fa0b1c2d3e4f506";
    for state in ["live", "ended"] {
        if state == "ended" {
            let path = format!("/v1/videos/{id}");
            crate::harness::eventually("it has ended", || async {
                let shown = call(&app, "ours", Method::GET, &path, None).await.json();
                if shown["status"] == "completed" {
                    Ok(())
                } else {
                    Err(shown)
                }
            })
            .await;
        }
        for (foreign, missing) in calls(&id).into_iter().zip(calls(nobodys)) {
            let foreign = call(&app, "theirs", foreign.0, &foreign.1, None).await;
            let missing = call(&app, "theirs", missing.0, &missing.1, None).await;
            assert_eq!(foreign.status, 404, "{state}: {foreign:?}");
            assert_eq!(foreign.body, missing.body, "{state}");
            let names = |answer: &Answer| {
                let told =
                    |name: &&str| !["x-request-id", "x-litellm-call-id", "date"].contains(name);
                let names = answer.headers.keys().map(http::HeaderName::as_str);
                names.filter(told).map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(names(&foreign), names(&missing), "{state}");
        }
    }
    let list = call(&app, "theirs", Method::GET, "/v1/videos", None)
        .await
        .json();
    assert_eq!(list["data"], json!([]));
    let after = format!("/v1/videos?after={id}");
    let after = call(&app, "theirs", Method::GET, &after, None).await;
    let missing = format!("/v1/videos?after={nobodys}");
    let missing = call(&app, "theirs", Method::GET, &missing, None).await;
    assert_eq!((after.status, &after.body), (missing.status, &missing.body));
    // Nor is a key of idempotency shared.
    let mut ids = Vec::new();
    for key in ["ours", "theirs"] {
        let url = format!("http://{}/v1/videos", app.address);
        let made = client().post(url).bearer_auth(text(key)).json(&film());
        let made = made
            .header("idempotency-key", "order-1")
            .send()
            .await
            .unwrap();
        ids.push(Answer::of(made).await.json()["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn every_bad_key_is_refused_by_every_call_before_anything_is_read() {
    let app = TestApp::tuned(every_kind).await;
    let id = "video_0192f3a4b5c67d8e9fa0b1c2d3e4f506";
    let mut all = calls(id);
    for path in ["/v1/videos", "/v1/images/generations", "/v1/videos/edits"] {
        all.push((Method::POST, path.to_owned()));
    }
    for path in ["/v1/videos", "/v1/models", "/v1/models/gen4.5"] {
        all.push((Method::GET, path.to_owned()));
    }
    for (key, status, kind) in [
        ("nobodys", 401, "authentication_error"),
        ("expired", 401, "authentication_error"),
        ("revoked", 401, "authentication_error"),
        ("suspended", 403, "permission_error"),
    ] {
        for (method, path) in &all {
            let refused = call(&app, key, method.clone(), path, None).await;
            let problem = refused.problem();
            let seen = (problem.0, &*problem.1);
            assert_eq!(seen, (status, kind), "{key} {method} {path}");
            assert_eq!(refused.header("x-should-retry"), "false");
        }
    }
    // Of the scopes one may look and one may make.
    for (method, path) in &all {
        let making = *method != Method::GET;
        let (good, bad) = if making {
            ("create", "read")
        } else {
            ("read", "create")
        };
        let refused = call(&app, bad, method.clone(), path, None).await;
        let seen = (refused.problem().0, refused.problem().2);
        assert_eq!(seen, (403, "scope_missing".to_owned()), "{method} {path}");
        let taken = call(&app, good, method.clone(), path, None).await;
        assert!(
            ![401, 403, 500].contains(&taken.status.as_u16()),
            "{method} {path}: {taken:?}"
        );
    }
    assert!(app.upstream.sandbox.ledger().is_empty());
}
