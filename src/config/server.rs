//! `server`: where the faces listen, and what they grant a connection.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;
use super::{HOUR, SECOND};

/// The server's settings.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address and port of every face; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificates; `None` is plain text.
    pub tls: Option<Tls>,
    /// Threads that run the server's work; `None`: as many as there are cores.
    pub worker_threads: Option<usize>,
    /// Largest Create message in bytes.
    pub max_create_bytes: usize,
    /// Largest message of every other call in bytes.
    pub max_message_bytes: usize,
    /// How long a drain may take in all.
    pub drain_timeout: Duration,
    /// How long running downloads may go on in a drain; at most `drain_timeout`.
    pub download_drain: Duration,
    /// What a connection may take.
    pub limits: Limits,
}

/// Files of the server's TLS, read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM file with the certificate chain.
    pub cert: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
    /// PEM file with the authorities whose clients are let in; `None` lets in any client.
    pub client_ca: Option<PathBuf>,
}

/// Bounds of connections and streams.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections.
    pub max_connections: usize,
    /// Open connections from one address.
    pub max_connections_per_ip: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a connection may stay silent before it speaks HTTP.
    pub preface_timeout: Duration,
    /// Calls open at once on one connection.
    pub max_streams_per_connection: u32,
    /// HTTP/2 receive window of a connection in bytes.
    pub connection_window: u32,
    /// HTTP/2 receive window of one call in bytes.
    pub stream_window: u32,
    /// Headers of one request in bytes.
    pub max_header_bytes: u32,
    /// Bytes buffered for one call before its reader must catch up.
    pub send_buffer: usize,
    /// How often a silent connection is asked whether it lives.
    pub keepalive_interval: Duration,
    /// How long the answer to that may take.
    pub keepalive_timeout: Duration,
}

impl Server {
    pub(super) fn read(section: &Section<'_>, has_keys: bool) -> Self {
        let server = Self {
            listen: section
                .required("listen", parse_listen)
                .unwrap_or(([127, 0, 0, 1], 0).into()),
            tls: section.within("tls", Tls::read),
            worker_threads: section.parsed("worker_threads", parse_threads),
            max_create_bytes: section.bytes("max_create_bytes", 64 * KIB..=64 * MIB),
            max_message_bytes: section.bytes("max_message_bytes", 16 * KIB..=16 * MIB),
            drain_timeout: section.duration("drain_timeout", SECOND..=HOUR),
            download_drain: section.duration("download_drain", Duration::ZERO..=HOUR),
            limits: section.within("limits", Limits::read),
        };
        let allow_insecure = section.flag("allow_insecure");
        if server.is_open_to_strangers() && !has_keys && !allow_insecure {
            section.wrong("listen", EXPOSED);
        }
        if server.download_drain > server.drain_timeout {
            section.wrong(
                "download_drain",
                "is longer than server.drain_timeout, which bounds it",
            );
        }
        server
    }

    /// Whether others can reach it and no certificate says who they are.
    pub fn is_open_to_strangers(&self) -> bool {
        let asks_who = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        !self.listen.ip().is_loopback() && !asks_who
    }
}

impl Tls {
    fn read(section: &Section<'_>) -> Option<Self> {
        let client_ca = section.path("client_ca");
        match (section.path("cert"), section.path("key")) {
            (Some(cert), Some(key)) => {
                return Some(Self {
                    cert,
                    key,
                    client_ca,
                });
            }
            (Some(_), None) => section.wrong("key", "is missing; it goes with server.tls.cert"),
            (None, Some(_)) => section.wrong("cert", "is missing; it goes with server.tls.key"),
            (None, None) if client_ca.is_some() => {
                section.wrong("client_ca", "needs server.tls.cert and server.tls.key");
            }
            (None, None) => {}
        }
        None
    }
}

impl Limits {
    fn read(section: &Section<'_>) -> Self {
        let moment = Duration::from_millis(100)..=Duration::from_mins(5);
        Self {
            max_connections: section.count("max_connections", 1..=MILLION),
            max_connections_per_ip: section.count("max_connections_per_ip", 1..=MILLION),
            handshake_timeout: section.duration("handshake_timeout", moment.clone()),
            preface_timeout: section.duration("preface_timeout", moment),
            max_streams_per_connection: section.count("max_streams_per_connection", 1..=1_000_000),
            connection_window: section.bytes("connection_window", 64 << 10..=1 << 30),
            stream_window: section.bytes("stream_window", 64 << 10..=64 << 20),
            max_header_bytes: section.bytes("max_header_bytes", 4 << 10..=1 << 20),
            send_buffer: section.bytes("send_buffer", 16 * KIB..=16 * MIB),
            keepalive_interval: section.duration("keepalive_interval", SECOND..=HOUR),
            keepalive_timeout: section
                .duration("keepalive_timeout", SECOND..=Duration::from_mins(5)),
        }
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let numeric = text
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    numeric.as_deref().unwrap_or(text).parse().map_err(|_| {
        format!("`{text}` is no address and port; write it as 127.0.0.1:50051 or [::1]:50051")
    })
}

fn parse_threads(text: &str) -> Result<usize, String> {
    let most = MOST_THREADS;
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("`{text}` is no number of threads; it takes 1 to {most}, or null"))
}

const MOST_THREADS: usize = 1024;
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const MILLION: usize = 1_000_000;
const EXPOSED: &str = "others can reach this address, and nothing would say who they are: give \
    server.tls.cert, server.tls.key and server.tls.client_ca (--tls-cert, --tls-key, --client-ca), or \
    make API keys with `mediagen keys create`, or listen on 127.0.0.1, or pass --allow-insecure if something in front checks callers";
