//! Pages of other origins: which may call, what they may send, and what they may read.

use ::http::{HeaderMap, Method};

use crate::harness::{TestApp, http, sound};

const APP: &str = "https://app.example.com";

async fn ask(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> http::Answer {
    let mut asked = http::client().request(method, format!("http://{}{path}", app.address));
    for (name, value) in headers {
        asked = asked.header(*name, *value);
    }
    http::Answer::of(asked.send().await.unwrap()).await
}

fn told(headers: &HeaderMap) -> Vec<&str> {
    let names = headers.keys().map(::http::HeaderName::as_str);
    names
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

#[tokio::test]
async fn a_listed_origin_may_call_every_route_of_both_faces() {
    let app = TestApp::with(crate::harness::quick(), &[("http.cors.origins", APP)]).await;
    for path in [
        "/v1/videos",
        "/videos/video_1",
        "/v1/videos/video_1/content",
        "/v1/videos/video_1/events",
        "/v1/images/generations",
        "/v1/models",
        "/mediagen.v1.MediaGeneration/Create",
        "/nothing",
    ] {
        let asked = [
            ("origin", APP),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,content-type,idempotency-key,x-stainless-os,x-grpc-web",
            ),
        ];
        let answer = ask(&app, Method::OPTIONS, path, &asked).await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), APP);
        let methods = answer.header("access-control-allow-methods");
        let headers = answer.header("access-control-allow-headers");
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            assert!(methods.contains(method), "{methods}");
        }
        for name in asked[2].1.split(',') {
            assert!(
                headers.split(", ").any(|known| known == name),
                "{name}: {headers}"
            );
        }
        assert!(answer.header("vary").contains("origin"));
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn what_a_page_may_read_is_said_with_errors_and_streams_too() {
    let app = TestApp::with(crate::harness::quick(), &[("http.cors.origins", APP)]).await;
    let done = app.run(sound("a bell")).await;
    for (path, status) in [
        (format!("/v1/videos/{}", done.id), 200),
        (format!("/v1/videos/{}/events", done.id), 200),
        ("/v1/videos/video_1".to_owned(), 404),
        ("/nothing".to_owned(), 404),
    ] {
        let answer = ask(&app, Method::GET, &path, &[("origin", APP)]).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), APP);
        let exposed = answer.header("access-control-expose-headers");
        for name in ["x-request-id", "grpc-status", "retry-after", "etag"] {
            assert!(exposed.contains(name), "{exposed}");
        }
        let other = ask(
            &app,
            Method::GET,
            &path,
            &[("origin", "https://evil.example")],
        )
        .await;
        assert_eq!(
            (other.status.as_u16(), told(&other.headers).len()),
            (status, 0)
        );
        assert!(
            other.header("vary").contains("origin"),
            "caches keep them apart"
        );
    }
    let other = [
        ("origin", "https://evil.example"),
        ("access-control-request-method", "POST"),
    ];
    let answer = ask(&app, Method::OPTIONS, "/v1/videos", &other).await;
    assert_eq!(told(&answer.headers).len(), 0, "{answer:?}");
    for path in ["/metrics", "/healthz", "/readyz"] {
        let answer = ask(&app, Method::GET, path, &[("origin", APP)]).await;
        assert_eq!(
            (answer.status.as_u16(), told(&answer.headers).len()),
            (200, 0)
        );
    }
}

#[tokio::test]
async fn by_default_no_page_may_call_and_options_is_a_method_like_any() {
    let app = TestApp::start().await;
    let asked = [("origin", APP), ("access-control-request-method", "POST")];
    let answer = ask(&app, Method::OPTIONS, "/v1/videos/video_1", &asked).await;
    assert_eq!(answer.problem().0, 405);
    assert!(answer.header("allow").contains("GET"), "{answer:?}");
    assert_eq!(told(&answer.headers).len(), 0, "{answer:?}");
}
