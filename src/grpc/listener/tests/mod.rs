//! The listener against real sockets on loopback, with tonic's health service behind it.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic::service::Routes;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use super::*;
use crate::grpc::limits::LimitLayer;

mod secure;

/// A server on a port of its own.
pub(super) struct Server {
    pub(super) addr: SocketAddr,
    pub(super) shutdown: Shutdown,
    /// Told when a slow call has begun.
    begun: Arc<Notify>,
}

impl Server {
    pub(super) async fn start(limits: Limits, tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let begun = Arc::new(Notify::new());
        let begins = begun.clone();
        let (_, health) = tonic_health::server::health_reporter();
        let health = health.max_decoding_message_size(1024);
        let router = Routes::new(health)
            .into_axum_router()
            .route("/healthz", axum::routing::get(|| async { "ok" }))
            .route("/slow", axum::routing::get(move || slow(begins.clone())))
            .route("/peer", axum::routing::get(peer))
            .layer(LimitLayer::default());
        shutdown.spawn(serve(listener, router, limits, tls, shutdown.clone()));
        Self {
            addr,
            shutdown,
            begun,
        }
    }

    pub(super) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.addr))
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    /// Whether the server has closed everything within a generous time.
    pub(super) async fn finished(&self) -> bool {
        timeout(Duration::from_secs(10), self.shutdown.finished())
            .await
            .is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

/// What a call can know of its peer.
async fn peer(request: axum::extract::Request) -> String {
    let tcp = request.extensions().get::<TcpConnectInfo>();
    let ip = tcp
        .and_then(TcpConnectInfo::remote_addr)
        .map(|addr| addr.ip());
    let tls = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    let certificates = tls
        .and_then(TlsConnectInfo::peer_certs)
        .map_or(0, |certs| certs.len());
    format!("{ip:?} {certificates}")
}

/// A call that outlasts the beginning of a drain.
async fn slow(begins: Arc<Notify>) -> Response<String> {
    begins.notify_one();
    tokio::time::sleep(Duration::from_millis(300)).await;
    Response::new("slow but done".to_owned())
}

/// Short clocks, so that tests are short.
fn brief() -> Limits {
    Limits {
        handshake_timeout: Duration::from_millis(200),
        preface_timeout: Duration::from_millis(200),
        ..Limits::default()
    }
}

pub(super) async fn check(channel: &Channel) -> Result<(), tonic::Status> {
    let request = HealthCheckRequest {
        service: String::new(),
    };
    HealthClient::new(channel.clone())
        .check(request)
        .await
        .map(|_| ())
}

/// How long the server keeps a connection that sends these bytes and then nothing.
pub(super) async fn kept(addr: SocketAddr, bytes: &[u8]) -> Duration {
    let start = Instant::now();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end like any other.
    let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    start.elapsed()
}

#[tokio::test]
async fn half_open_connections_are_closed_while_others_live() {
    let server = Server::start(brief(), None).await;
    let channel = server.channel().await;
    let half_preface: &[u8] = b"PRI * HTTP/2.0\r\n";
    let preface_only: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let half_head: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n";
    let half_open = [&[][..], half_preface, preface_only, half_head, b"G"];
    let ends = half_open.iter().map(|bytes| kept(server.addr, bytes));
    for (end, bytes) in join_all(ends).await.into_iter().zip(half_open) {
        assert!(
            end >= Duration::from_millis(190),
            "{bytes:?} closed after {end:?}"
        );
        assert!(
            end < Duration::from_secs(3),
            "{bytes:?} closed after {end:?}"
        );
    }
    check(&channel).await.unwrap();
}

#[tokio::test]
async fn an_h2_client_that_has_opened_may_be_silent() {
    let server = Server::start(brief(), None).await;
    let channel = server.channel().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    check(&channel).await.unwrap();
}

/// The preface and an empty SETTINGS frame.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn a_header_block_that_never_ends_is_closed() {
    let server = Server::start(brief(), None).await;
    let unended = [OPENING, b"\0\0\x01\x01\x01\0\0\0\x01\x82"].concat();
    let half_frame = [OPENING, b"\0\0\x09\x01\x05\0\0\0\x01\x82"].concat();
    let half_header = [OPENING, b"\0\0"].concat();
    let ends = [&unended, &half_frame, &half_header].map(|bytes| kept(server.addr, bytes));
    for end in join_all(ends).await {
        assert!(end < Duration::from_secs(3), "{end:?}");
    }
}

#[tokio::test]
async fn a_flood_of_pings_is_closed_and_others_live() {
    let server = Server::start(Limits::default(), None).await;
    let channel = server.channel().await;
    let mut flood = OPENING.to_vec();
    flood.extend(b"\0\0\x08\x06\0\0\0\0\0pingpong".repeat(200_000));
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut pongs = Vec::new();
    let closed = timeout(Duration::from_secs(10), read.read_to_end(&mut pongs));
    let (closed, _) = tokio::join!(closed, write.write_all(&flood));
    assert!(
        closed.is_ok(),
        "still open after {} bytes of pongs",
        pongs.len()
    );
    check(&channel).await.unwrap();
}

#[tokio::test]
async fn connections_beyond_the_cap_are_closed_at_once() {
    let limits = Limits {
        max_connections: 2,
        ..Limits::default()
    };
    let server = Server::start(limits, None).await;
    let held = server.channel().await;
    let also_held = server.channel().await;
    assert!(kept(server.addr, b"").await < Duration::from_secs(2));
    check(&held).await.unwrap();
    check(&also_held).await.unwrap();
    drop(also_held);
    let place_is_free = async {
        let url = format!("http://{}/healthz", server.addr);
        while reqwest::get(&url).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), place_is_free)
        .await
        .expect("the place is never given back");
}

#[tokio::test]
async fn ten_thousand_calls_opened_at_once_on_one_connection_all_succeed() {
    let server = Server::start(Limits::default(), None).await;
    let channel = server.channel().await;
    let calls = (0..10_000).map(|_| check(&channel));
    let failed: Vec<_> = join_all(calls)
        .await
        .into_iter()
        .filter_map(Result::err)
        .collect();
    assert!(
        failed.is_empty(),
        "{} failed, first: {:?}",
        failed.len(),
        failed.first()
    );
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_in_the_contracts_words() {
    let server = Server::start(Limits::default(), None).await;
    let request = HealthCheckRequest {
        service: "x".repeat(2000),
    };
    let mut client = HealthClient::new(server.channel().await);
    let status = client.check(request).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(
        status.get_details_error_info().unwrap().reason,
        "MESSAGE_TOO_LARGE"
    );
}

#[tokio::test]
async fn both_protocols_share_the_port() {
    let server = Server::start(Limits::default(), None).await;
    check(&server.channel().await).await.unwrap();
    let url = format!("http://{}/healthz", server.addr);
    assert_eq!(reqwest::get(url).await.unwrap().text().await.unwrap(), "ok");
    let url = format!("http://{}/peer", server.addr);
    assert_eq!(
        reqwest::get(url).await.unwrap().text().await.unwrap(),
        "Some(127.0.0.1) 0"
    );
}

#[tokio::test]
async fn a_drain_lets_running_calls_finish_and_then_closes() {
    let server = Server::start(Limits::default(), None).await;
    let channel = server.channel().await;
    check(&channel).await.unwrap();
    let url = format!("http://{}/slow", server.addr);
    let running = server.shutdown.spawn(reqwest::get(url));
    server.begun.notified().await;
    server.shutdown.drain();
    let answer = running.await.unwrap().unwrap();
    assert_eq!(answer.text().await.unwrap(), "slow but done");
    assert!(server.finished().await);
    assert!(TcpStream::connect(server.addr).await.is_err());
}

#[tokio::test]
async fn a_drain_tells_an_h2_client_to_go_but_not_a_running_stream() {
    let server = Server::start(Limits::default(), None).await;
    let channel = server.channel().await;
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let mut client = HealthClient::new(channel.clone());
    let mut stream = client.watch(request).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    server.shutdown.drain();
    let next = timeout(Duration::from_millis(300), stream.message()).await;
    assert!(next.is_err(), "the stream ended in the drain: {next:?}");
    check(&channel)
        .await
        .expect_err("a new call was taken in the drain");
    server.shutdown.stop();
    assert!(stream.message().await.is_err());
    assert!(server.finished().await);
}

#[tokio::test]
async fn an_old_or_idle_connection_is_told_to_go() {
    let old = Limits {
        max_age: Duration::from_millis(300),
        ..brief()
    };
    let idle = Limits {
        idle: Duration::from_millis(300),
        ..brief()
    };
    for limits in [old, idle] {
        let server = Server::start(limits, None).await;
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        stream.write_all(OPENING).await.unwrap();
        let told = async {
            let mut sent = Vec::new();
            while !sent.windows(5).any(|bytes| bytes == [0, 0, 8, 7, 0]) {
                assert_ne!(
                    stream.read_buf(&mut sent).await.unwrap(),
                    0,
                    "no GOAWAY in {sent:?}"
                );
            }
        };
        timeout(Duration::from_secs(10), told)
            .await
            .expect("no GOAWAY comes");
    }
}
