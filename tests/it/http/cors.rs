//! Pages of other origins: which may call, what they may send, and what they may read.

use ::http::{HeaderMap, Method};
use serde_json::json;

use super::content::two_tenants;
use crate::harness::scrape::Scraped;
use crate::harness::{TestApp, http, quick, sound};

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
        assert!(answer.header("x-request-id").starts_with("req_"));
    }
    let counted = Scraped::of(app.address).await;
    for route in ["/videos", "other"] {
        let labels = [("route", route), ("method", "OPTIONS"), ("status", "204")];
        let count = counted.count("mediagen_http_requests_total", &labels);
        assert!(count >= 1, "{route}");
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
    for path in ["/metrics", "/healthz", "/readyz", "/health/readiness"] {
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

/// A create as a page of any site sends one without having to ask: a form, or a body without a type.
async fn from_page(app: &TestApp, is_form: bool, headers: &[(&str, &str)]) -> http::Answer {
    let url = format!("http://{}/v1/videos", app.address);
    let mut asked = http::client().post(url);
    for (name, value) in headers {
        asked = asked.header(*name, *value);
    }
    let asked = if is_form {
        let kind = "multipart/form-data; boundary=b";
        let form =
            "--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na lake\r\n--b--\r\n";
        asked.header("content-type", kind).body(form)
    } else {
        asked.body(json!({"prompt": "a lake"}).to_string())
    };
    http::Answer::of(asked.send().await.unwrap()).await
}

#[tokio::test]
async fn a_page_of_another_site_makes_nothing_where_no_key_is_needed() {
    let app = TestApp::with(quick(), &[("http.cors.origins", APP)]).await;
    let foreign = [
        &[("origin", "https://evil.example")][..],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "http://evil.example"), ("host", "evil.example")],
    ];
    for headers in foreign {
        for is_form in [true, false] {
            let refused = from_page(&app, is_form, headers).await;
            let (status, kind, code, _) = refused.problem();
            let found = (status, &*kind, &*code);
            assert_eq!(
                found,
                (403, "permission_error", "cross_origin"),
                "{headers:?}"
            );
        }
    }
    let images = format!("http://{}/v1/images/generations", app.address);
    let asked = http::client().post(images).header("origin", "null");
    let refused = http::Answer::of(asked.body("{}").send().await.unwrap()).await;
    assert_eq!(refused.problem().2, "cross_origin");
    let list = http::get(app.address, "/v1/videos").await.json();
    assert_eq!(list["data"], json!([]));
    let own = format!("http://{}", app.address);
    for headers in [
        &[][..],
        &[("origin", APP), ("sec-fetch-site", "cross-site")],
        &[("origin", &own), ("sec-fetch-site", "same-origin")],
    ] {
        assert_eq!(
            from_page(&app, true, headers).await.status,
            200,
            "{headers:?}"
        );
    }
}

#[tokio::test]
async fn where_a_key_is_needed_it_says_enough() {
    let app = TestApp::tuned(two_tenants).await;
    let refused = from_page(&app, true, &[("origin", "https://evil.example")]).await;
    assert_eq!(refused.problem().2, "api_key_missing");
    let headers = [("origin", "https://evil.example"), ("x-api-key", "sk-a")];
    assert_ne!(from_page(&app, true, &headers).await.status, 403);
}
