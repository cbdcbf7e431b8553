//! SIGTERM and clients over HTTP: everyone is told, nothing is cut, and who watched can come back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mediagen::sandbox::{Effect, Fault, Place};
use tempfile::TempDir;

use super::socket::Socket;
use super::sse::open;
use crate::harness::child::free_address;
use crate::harness::client::{connect, create, finish};
use crate::harness::{Server, Upstream, eventually, http, quick, sound, within};

/// A server that, once it is told to drain, does so until its last create is answered.
struct Draining {
    server: Server,
    upstream: Upstream,
    data: TempDir,
    address: SocketAddr,
}

impl Draining {
    async fn prepare() -> Self {
        let upstream = Upstream::start(quick()).await;
        let (data, address) = (TempDir::new().unwrap(), free_address());
        let settings = [
            ("server.drain_timeout", "20s"),
            ("server.download_drain", "3s"),
        ];
        let mut server = Server::spawn(&upstream, data.path(), address, &settings);
        server.listening().await;
        Self {
            server,
            upstream,
            data,
            address,
        }
    }

    /// Leaves a create unanswered, and tells the server to drain.
    async fn begin(&mut self) {
        let made = self.upstream.sandbox.ledger().len();
        self.upstream.sandbox.inject(Fault {
            on: Place::Create,
            times: 1,
            accept_first: true,
            effect: Effect::Delay { ms: 4_000 },
        });
        create(&connect(self.address), sound("a slow bell"))
            .await
            .unwrap();
        eventually("the create is on its way", || async {
            let now = self.upstream.sandbox.ledger().len();
            if now > made { Ok(()) } else { Err(now) }
        })
        .await;
        self.server.terminate();
        eventually("it drains", || async {
            let ready = http::get(self.address, "/readyz").await;
            if ready.status == 503 {
                Ok(())
            } else {
                Err(ready)
            }
        })
        .await;
    }

    async fn ends_well(&mut self) {
        let ended = self.server.end().await;
        assert_eq!(ended.code(), Some(0), "{}", self.server.log());
    }
}

#[tokio::test]
async fn a_connection_that_would_be_kept_is_told_to_close() {
    let mut server = Draining::prepare().await;
    let mut socket = Socket::open(server.address).await;
    let before = socket.ask("GET /healthz").await;
    assert_eq!((before.status, before.header("connection")), (200, ""));
    server.begin().await;
    let told = socket.ask("GET /v1/videos/video_1").await;
    assert_eq!((told.status, told.header("connection")), (404, "close"));
    assert_eq!(socket.rest().await, "");
    server.ends_well().await;
}

#[tokio::test]
async fn a_stream_of_events_ends_at_once_and_is_resumed_at_the_next_server() {
    let mut server = Draining::prepare().await;
    let address = server.address;
    let client = connect(address);
    let task = create(&client, sound("a bell [sandbox:seconds=8]")).await;
    let path = format!("/v1/videos/{}/events", task.unwrap().id);
    let mut stream = open(address, &path, &[]).await.unwrap();
    let mut last = stream.next().await.unwrap();
    server.begin().await;
    let begun = Instant::now();
    while let Some(event) = stream.next().await {
        last = event;
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "it ended with the drain"
    );
    assert!(stream.comments.last().unwrap().contains("shutting down"));
    // An EventSource that comes back too early must not be told anything that stops it.
    let mut early = open(address, &path, &[("last-event-id", &last.id)])
        .await
        .unwrap();
    within("the end", early.all()).await;
    assert_eq!(early.retry, "2000");
    server.ends_well().await;
    let mut next = Server::spawn(&server.upstream, server.data.path(), address, &[]);
    next.listening().await;
    let mut again = open(address, &path, &[("last-event-id", &last.id)])
        .await
        .unwrap();
    let told = again.all().await;
    assert_eq!(told.last().unwrap().name, "audio.completed");
    let id = |text: &str| text.parse::<u64>().unwrap();
    assert!(told.iter().all(|event| id(&event.id) >= id(&last.id)));
}

#[tokio::test]
async fn a_half_sent_create_is_answered_whole_and_costs_nothing() {
    let mut server = Draining::prepare().await;
    let body = r#"{"model":"gen4.5","prompt":"a half-sent lake","seconds":"5","size":"1280x720"}"#;
    let mut socket = Socket::open(server.address).await;
    let head = format!(
        "POST /v1/videos HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    socket.send(&head).await;
    socket.send(&body[..20]).await;
    server.begin().await;
    socket.send(&body[20..]).await;
    let told = socket.answer().await;
    assert_eq!((told.status, &*told.code()), (503, "server_draining"));
    assert_ne!(told.header("retry-after"), "");
    assert_eq!(told.header("connection"), "close");
    let refused = http::post(
        server.address,
        "/v1/videos",
        &serde_json::from_str(body).unwrap(),
    )
    .await;
    assert_eq!(refused.problem().0, 503, "{refused:?}");
    server.ends_well().await;
    assert_eq!(server.upstream.charged("half-sent").len(), 0);
}

/// A call as OpenAI's libraries first send it, without its last byte.
async fn half_sent(address: SocketAddr, body: &str) -> Socket {
    let mut socket = Socket::open(address).await;
    let head = format!(
        "POST /v1/videos HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n\
         x-stainless-retry-count: 0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.send(&head).await;
    socket.send(&body[..body.len() - 1]).await;
    socket
}

#[tokio::test]
async fn a_library_is_told_not_to_repeat_what_would_be_given_the_task_of_an_equal_call() {
    let mut server = Draining::prepare().await;
    let film = |prompt: &str| {
        format!(r#"{{"model":"gen4.5","prompt":"{prompt}","seconds":"5","size":"1280x720"}}"#)
    };
    let (twice, once) = (film("a lake twice"), film("a lake once"));
    let mut first = half_sent(server.address, &twice).await;
    first.send("}").await;
    assert_eq!(first.answer().await.status, 200);
    let mut second = half_sent(server.address, &twice).await;
    let mut other = half_sent(server.address, &once).await;
    server.begin().await;
    for (socket, repeat) in [(&mut second, "false"), (&mut other, "true")] {
        socket.send("}").await;
        let told = socket.answer().await;
        assert_eq!((told.status, &*told.code()), (503, "server_draining"));
        assert_eq!(told.header("x-should-retry"), repeat);
    }
    server.ends_well().await;
}

#[tokio::test]
async fn a_create_whose_rest_never_comes_is_told_of_the_drain() {
    let mut server = Draining::prepare().await;
    let form = "--x\r\ncontent-disposition: form-data; name=\"prompt\"\r\n\r\na half-sent lake";
    let mut sockets = Vec::new();
    for (kind, begun) in [
        (
            "application/json",
            r#"{"model":"gen4.5","prompt":"a half-sent"#,
        ),
        ("multipart/form-data; boundary=x", form),
        ("multipart/form-data; boundary=x", "--"),
    ] {
        let mut socket = Socket::open(server.address).await;
        let head = format!(
            "POST /v1/videos HTTP/1.1\r\nhost: here\r\ncontent-type: {kind}\r\n\
             content-length: 1000\r\n\r\n{begun}"
        );
        socket.send(&head).await;
        sockets.push(socket);
    }
    server.begin().await;
    let begun = Instant::now();
    for socket in &mut sockets {
        let told = socket.answer().await;
        assert_eq!((told.status, &*told.code()), (503, "server_draining"));
        assert_ne!(told.header("retry-after"), "");
        assert_eq!(told.header("connection"), "close");
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
    server.ends_well().await;
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert_eq!(server.upstream.charged("half-sent").len(), 0);
}

#[tokio::test]
async fn what_was_begun_is_finished_and_what_never_comes_holds_nobody() {
    let mut server = Draining::prepare().await;
    let mut silent = Socket::open(server.address).await;
    silent.send("GET /healthz HTTP/1.1\r\nhost: x\r\n").await;
    let mut waits = Socket::open(server.address).await;
    waits
        .send("POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n")
        .await;
    let done = {
        let client = connect(server.address);
        let made = create(&client, sound("a bell")).await.unwrap();
        finish(&client, &made.id).await
    };
    server.begin().await;
    let path = format!("/v1/videos/{}", done.id);
    assert_eq!(http::get(server.address, &path).await.status, 200);
    let begun = Instant::now();
    server.ends_well().await;
    assert!(begun.elapsed() < Duration::from_secs(18));
    let first = waits.rest().await;
    assert!(first.starts_with("HTTP/1.1 404"), "{first}");
    silent.rest().await;
}
