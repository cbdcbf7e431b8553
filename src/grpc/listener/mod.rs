//! Our own accept loop: one port for h2, HTTP/1.1 and TLS, and a bound for everything.
//!
//! tonic's stock server holds a connection that sends nothing for ever, opens streams without
//! limit, and its `max_connection_age_grace` drops live streams without a GOAWAY. Here a
//! connection is admitted under caps, has a few seconds to shake hands and to open, is told to go
//! away when it is old, idle or the server drains, and is dropped when the server stops.
//!
//! What is served on a connection is any cloneable `tower` service (tonic's `Routes`, an axum
//! router). Who the caller is, is `auth`'s; limits per call are [`super::limits`]'s.

mod admission;
mod connection;
mod frames;
mod opening;
mod taken;
#[cfg(test)]
mod tests;
mod tls;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::shutdown::Shutdown;
use admission::{Admission, Slot};

pub use connection::Serve;
pub use tls::{Tls, TlsError, TlsFiles};

/// What one listener grants to connections. The defaults are the measured ones.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest TLS handshake. Default 5 s.
    pub handshake_timeout: Duration,
    /// Longest time until the h2 preface and its SETTINGS, or a first complete HTTP/1.1 request
    /// head, has arrived; later on, until a header block that was begun is finished. Default 5 s.
    pub preface_timeout: Duration,
    /// Longest wait for the next request head on an open HTTP/1.1 connection. Default 75 s.
    pub http1_idle: Duration,
    /// Longest wait for a client of HTTP/1.1 that takes nothing of what waits for it. Default 60 s.
    pub http1_untaken: Duration,
    /// The same for one stream of h2, whose own end may still be told before. Default 2 min.
    pub stream_untaken: Duration,
    /// Most connections at once; further ones are closed at once. Default 16,384.
    pub max_connections: usize,
    /// Most connections of one address (one /64 in IPv6) at once; loopback is exempt. Default 256.
    pub max_connections_per_ip: usize,
    /// Most streams of one h2 connection at once; a client that holds more idle watches on one
    /// channel waits silently. Default 1,024.
    pub max_concurrent_streams: u32,
    /// Bytes that a client may send ahead on one connection. Half of it is also the budget of
    /// small frames that h2 grants before it kills a busy connection. Default 16 MiB.
    pub initial_connection_window: u32,
    /// Bytes that a client may send ahead on one stream. Default 1 MiB.
    pub initial_stream_window: u32,
    /// Largest h2 frame that a client may send, 16 KiB to 16 MiB − 1. Default 1 MiB.
    pub max_frame_size: u32,
    /// Largest header list of a request, in bytes as h2 counts them. Default 16 KiB.
    pub max_header_list: u32,
    /// Bytes buffered for sending, per stream. Default 64 KiB.
    pub send_buffer: usize,
    /// Time between pings on an h2 connection. Default 30 s.
    pub keepalive_interval: Duration,
    /// Longest wait for the answer to a ping. Default 20 s.
    pub keepalive_timeout: Duration,
    /// Time without any call after which an h2 connection is told to go away. Default 15 min.
    pub idle: Duration,
    /// Age, ± 10 %, at which a connection is told to go away; its running calls go on. Default
    /// 30 min.
    pub max_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            preface_timeout: Duration::from_secs(5),
            http1_idle: Duration::from_secs(75),
            http1_untaken: Duration::from_mins(1),
            stream_untaken: Duration::from_mins(2),
            max_connections: 16_384,
            max_connections_per_ip: 256,
            max_concurrent_streams: 1024,
            initial_connection_window: 16 * MIB,
            initial_stream_window: MIB,
            max_frame_size: MIB,
            max_header_list: 16 * 1024,
            send_buffer: 64 * 1024,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            idle: Duration::from_mins(15),
            max_age: Duration::from_mins(30),
        }
    }
}

/// Accepts connections until the drain begins, and serves each in a tracked task.
///
/// Returns when it has stopped accepting; [`Shutdown::finished`] resolves when the last
/// connection has closed. In the drain every connection gets a GOAWAY and its running calls
/// finish; at the stop they are dropped. No error ends the loop: when the system has no
/// descriptors left, it waits a moment and goes on.
pub async fn serve<S: Serve>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    tls: Option<Tls>,
    shutdown: Shutdown,
) {
    let admission = Admission::new(limits.max_connections, limits.max_connections_per_ip);
    let limits = Arc::new(limits);
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.draining() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, addr) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                recover(&error).await;
                continue;
            }
        };
        let Some(slot) = admission.admit(addr.ip()) else {
            tracing::debug!(%addr, "connection refused: too many are open");
            continue;
        };
        let opened = open(
            stream,
            slot,
            service.clone(),
            limits.clone(),
            tls.clone(),
            &shutdown,
        );
        shutdown.spawn(opened);
    }
}

/// Serves one accepted socket to its end.
fn open<S: Serve>(
    stream: TcpStream,
    slot: Slot,
    service: S,
    limits: Arc<Limits>,
    tls: Option<Tls>,
    shutdown: &Shutdown,
) -> impl Future<Output = ()> + Send + 'static {
    let shutdown = shutdown.clone();
    async move {
        if let Err(error) = stream.set_nodelay(true).and_then(|()| keep_short(&stream)) {
            tracing::debug!(%error, "connection lost before it was served");
            return;
        }
        match tls {
            None => connection::plain(stream, service, &limits, &shutdown).await,
            Some(tls) => connection::secure(stream, &tls, service, &limits, &shutdown).await,
        }
        drop(slot);
    }
}

/// Keeps the system from taking megabytes of an answer before the client has taken any. What is not
/// sent yet is then short, so that a client that reads slowly is told from one that does not read.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn keep_short(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(MOST_UNSENT)
}

/// Elsewhere the system's own bounds hold.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn keep_short(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

/// Waits out a shortage of descriptors or memory; a connection lost in the queue costs no wait.
async fn recover(error: &io::Error) {
    let lost = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    );
    if !lost {
        tracing::warn!(%error, "cannot accept connections; trying again");
        tokio::time::sleep(ACCEPT_BACKOFF).await;
    }
}

/// Wait after an accept failed for want of resources.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Bytes that the system takes of a connection beyond those that are on their way.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MOST_UNSENT: u32 = 128 * 1024;
/// Bytes in a mebibyte.
const MIB: u32 = 1024 * 1024;
