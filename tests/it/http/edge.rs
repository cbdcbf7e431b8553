//! What strange and hostile clients send: the right status, in one shape, and never a 500.

use std::net::SocketAddr;
use std::time::Duration;

use ::http::{HeaderMap, Request};
use mediagen::shutdown::Shutdown;
use tokio::net::TcpStream;

use super::socket::{Said, Socket};
use crate::harness::{TestApp, http, sound, within};

/// The head of a GET with further lines.
fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: here\r\n{lines}\r\n")
}

async fn said(app: &TestApp, request: &str) -> Said {
    let mut socket = Socket::open(app.address).await;
    socket.send(request).await;
    socket.answer().await
}

#[tokio::test]
async fn a_task_is_found_by_any_spelling_of_its_address_that_means_it() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    let escaped = done.id.replace('_', "%5F");
    for target in [
        format!("/v1/videos/{}", done.id),
        format!("/v1/videos/{}?", done.id),
        format!("/v1/videos/{}?x=1&y=%zz", done.id),
        format!("/v1/videos/{escaped}"),
        format!("http://here/v1/videos/{}", done.id),
        format!("http://elsewhere:99/videos/{}", done.id),
    ] {
        let found = said(&app, &get(&target, "")).await;
        assert_eq!(found.status, 200, "{target}: {found:?}");
    }
}

#[tokio::test]
async fn what_only_resembles_an_address_is_404_in_the_one_shape() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    let id = &done.id;
    for target in [
        "/v1/videos/".to_owned(),
        format!("/v1/videos/{id}/"),
        format!("//v1/videos/{id}"),
        format!("/v1//videos/{id}"),
        format!("/v1/../v1/videos/{id}"),
        format!("/V1/videos/{id}"),
        format!("/v1/v1/videos/{id}"),
        format!("/v1%2Fvideos/{id}"),
        format!("/v1/videos/%2e%2e/{id}"),
        format!("/v1/videos/{id}%00"),
        format!("/v1/videos/ {}", id.len()),
        "/v1/videos/%".to_owned(),
        format!("/v1/videos/{}", "x".repeat(8000)),
        "/v1/videos/*".to_owned(),
        "/v1/videos/%ff%fe".to_owned(),
        "/v1/videos/%ff/content".to_owned(),
        "/v1/videos/%ff/events".to_owned(),
        "/videos/%c3%28/deliveries".to_owned(),
        "/v1/files/%ff".to_owned(),
        "*".to_owned(),
    ] {
        let answer = said(&app, &get(&target, "")).await;
        if target.contains(' ') {
            assert_eq!(answer.status, 400, "{answer:?}");
            continue;
        }
        assert_eq!(answer.status, 404, "{target}: {answer:?}");
        let code = answer.code();
        assert!(
            ["unknown_url", "not_found"].contains(&&*code),
            "{target}: {code}"
        );
    }
}

#[tokio::test]
async fn another_method_is_405_with_those_that_are_taken() {
    let app = TestApp::start().await;
    for (line, allowed) in [
        ("PUT /v1/videos/video_1", "GET"),
        ("PATCH /videos/video_1", "GET"),
        ("OPTIONS /v1/videos/video_1", "GET"),
        ("TRACE /v1/videos/video_1", "GET"),
        ("POST /v1/videos/video_1/events", "GET"),
        ("POST /healthz", "GET"),
        ("BREW /readyz", "GET"),
    ] {
        let mut socket = Socket::open(app.address).await;
        let answer = socket.ask(line).await;
        assert_eq!(
            (answer.status, &*answer.code()),
            (405, "method_not_allowed"),
            "{line}"
        );
        assert!(
            answer.header("allow").contains(allowed),
            "{line}: {answer:?}"
        );
    }
    for line in ["OPTIONS *", "CONNECT here:443", "PUT /nothing"] {
        let mut socket = Socket::open(app.address).await;
        let answer = socket.ask(line).await;
        assert_eq!(
            (answer.status, &*answer.code()),
            (404, "unknown_url"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    let mut socket = Socket::open(app.address).await;
    for path in [format!("/v1/videos/{}", done.id), "/healthz".to_owned()] {
        let whole = socket.ask(&format!("GET {path}")).await;
        let head = socket.ask(&format!("HEAD {path}")).await;
        assert_eq!(head.status, whole.status);
        for name in ["content-type", "content-length", "x-litellm-call-id"] {
            assert_eq!(head.header(name), whole.header(name), "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn requests_in_one_piece_are_answered_in_their_order() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    let mut socket = Socket::open(app.address).await;
    let first = get(&format!("/v1/videos/{}", done.id), "");
    let all = [first, get("/v1/videos/video_1", ""), get("/healthz", "")].concat();
    socket.send(&all).await;
    for status in [200, 404, 200] {
        assert_eq!(socket.answer().await.status, status);
    }
}

/// A GET over h2 that nothing negotiated: its status, its headers, its body.
async fn over_h2(address: SocketAddr, path: &str, long: &str) -> (u16, HeaderMap, Vec<u8>) {
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut h2, connection) = ::h2::client::handshake(socket).await.unwrap();
    let life = Shutdown::new();
    life.spawn(connection);
    let asked = Request::get(format!("http://{address}{path}"));
    let asked = asked.header("x-long", long).body(()).unwrap();
    within("an answer over h2", async {
        let (answer, _) = h2.send_request(asked, true).unwrap();
        let (head, mut body) = answer.await.unwrap().into_parts();
        let mut bytes = Vec::new();
        while let Some(more) = body.data().await {
            bytes.extend_from_slice(&more.unwrap());
        }
        (head.status.as_u16(), head.headers, bytes)
    })
    .await
}

#[tokio::test]
async fn the_face_speaks_h2_without_an_upgrade() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    for (path, status) in [
        (format!("/v1/videos/{}", done.id), 200),
        (format!("/v1/videos/{}/events", done.id), 200),
        ("/v1/videos/video_1".to_owned(), 404),
    ] {
        let (seen, headers, body) = over_h2(app.address, &path, "").await;
        assert_eq!(seen, status, "{path}");
        assert!(headers.contains_key("x-request-id"));
        assert!(!body.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn heads_that_are_too_long_are_refused_before_they_are_held() {
    let app = TestApp::start().await;
    let long = "x".repeat(100_000);
    let many = "a: b\r\n".repeat(200);
    for (request, status) in [
        (get("/healthz", &format!("x-long: {long}\r\n")), 431),
        (get("/healthz", &many), 431),
        (get(&format!("/{long}"), ""), 414),
    ] {
        let answer = said(&app, &request).await;
        assert!([status, 431].contains(&answer.status), "{}", answer.status);
    }
    let (status, ..) = over_h2(app.address, "/healthz", &long[..20_000]).await;
    assert_eq!(status, 431);
    let line = format!("x-long: {}\r\n", &long[..20_000]);
    let answer = said(&app, &get("/v1/models", &line)).await;
    assert_eq!(answer.status, 431);
    assert_eq!(answer.code(), "headers_too_large");
}

#[tokio::test]
async fn a_request_names_one_host() {
    let app = TestApp::start().await;
    for hosts in [
        "",
        "host: a\r\nhost: a\r\n",
        "host: a b\r\n",
        "host: u@a\r\n",
    ] {
        let answer = said(&app, &format!("GET /v1/models HTTP/1.1\r\n{hosts}\r\n")).await;
        assert_eq!(answer.status, 400, "{hosts}");
        assert_eq!(answer.problem()["param"], "Host", "{hosts}");
    }
    for request in [
        "GET /v1/models HTTP/1.0\r\n\r\n",
        "GET /v1/models HTTP/1.1\r\nhost:\r\n\r\n",
        "GET http://a/v1/models HTTP/1.1\r\nhost: b:1\r\n\r\n",
    ] {
        assert_eq!(said(&app, request).await.status, 200, "{request}");
    }
}

#[tokio::test]
async fn a_request_of_two_lengths_is_never_two_requests() {
    let app = TestApp::start().await;
    let hidden = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    for lines in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: +5\r\n",
        "content-length: -1\r\n",
        "content-length: 0x5\r\n",
        "content-length: 5 5\r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding : chunked\r\n",
        "content-length: 5\r\n x: folded\r\n",
        "host: other\r\nbad header\r\n",
    ] {
        let mut socket = Socket::open(app.address).await;
        let head = format!("POST /nothing HTTP/1.1\r\nhost: here\r\n{lines}\r\n");
        socket.send(&format!("{head}{hidden}{hidden}")).await;
        let all = socket.rest().await;
        let answers = all.matches("HTTP/1.1 ").count();
        assert!(all.starts_with("HTTP/1.1 400"), "{lines:?}: {all}");
        assert_eq!(answers, 1, "{lines:?}: {all}");
    }
}

#[tokio::test]
async fn where_chunks_and_a_length_are_told_the_chunks_count_and_nothing_is_smuggled() {
    let app = TestApp::start().await;
    let mut socket = Socket::open(app.address).await;
    // A front that believed the length would take what follows for a part of the body.
    let head = "POST /nothing HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\n\
                transfer-encoding: chunked\r\n\r\n";
    socket.send(&format!("{head}0\r\n\r\n")).await;
    let first = socket.answer().await;
    assert!([400, 404].contains(&first.status), "{first:?}");
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_it_is_wanted() {
    let app = TestApp::start().await;
    let mut socket = Socket::open(app.address).await;
    socket
        .send(
            "POST /nothing HTTP/1.1\r\nhost: here\r\nexpect: 100-continue\r\n\
             content-length: 2000000\r\n\r\n",
        )
        .await;
    // No 100 before it: the client sends nothing.
    assert_eq!(socket.answer().await.status, 404);
}

#[tokio::test]
async fn a_client_that_is_slow_to_say_what_it_wants_is_let_go() {
    let app = TestApp::tuned(|config| {
        config.server.limits.preface_timeout = Duration::from_millis(300);
    })
    .await;
    for begun in [
        "",
        "GET ",
        "GET /healthz HTTP/1.1\r\nhost: x\r\n",
        "PRI * HTTP/2.0\r\n",
    ] {
        let mut socket = Socket::open(app.address).await;
        socket.send(begun).await;
        assert_eq!(socket.rest().await, "", "{begun:?}");
    }
}

#[tokio::test]
async fn noise_on_the_port_harms_nobody() {
    let app = TestApp::start().await;
    for noise in [
        "\0\0\0\0\0\0\0\0",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
        "HELO here\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\u{0}b\r\n\r\n",
    ] {
        let mut socket = Socket::open(app.address).await;
        socket.send(noise).await;
        let all = within("the end", socket.rest()).await;
        assert!(
            all.is_empty() || all.starts_with("HTTP/1.1 400"),
            "{noise:?}: {all}"
        );
    }
    assert_eq!(http::get(app.address, "/healthz").await.status, 200);
}
