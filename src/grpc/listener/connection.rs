//! The life of one connection: handshake, protocol, calls, GOAWAY, end.
//!
//! HTTP/1.1 and h2 are told apart by their first bytes (and, over TLS, agree with ALPN). Each
//! connection owns its hyper builder, so that its streams' tasks are counted and tracked.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::transport::server::Connected;
use tower::ServiceExt as _;

use super::opening::{Activity, Observed};
use super::taken::{noted, overseen};
use super::{Limits, Tls};
use crate::shutdown::Shutdown;

/// What can be served on a connection: a cloneable, infallible HTTP service.
///
/// Implemented for every service that fits; there is nothing to implement by hand.
pub trait Serve:
    tower::Service<
        Request<Incoming>,
        Response = Response<Self::Body>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static
{
    /// The body of its responses.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;
}

impl<S, B> Serve for S
where
    S: tower::Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    type Body = B;
}

/// Serves a connection without TLS.
pub(super) async fn plain<S: Serve>(
    stream: TcpStream,
    service: S,
    limits: &Limits,
    shutdown: &Shutdown,
) {
    let info = stream.connect_info();
    run(stream, info, service, limits, shutdown).await;
}

/// Shakes hands, then serves the connection. A handshake that fails or takes too long ends it.
pub(super) async fn secure<S: Serve>(
    stream: TcpStream,
    tls: &Tls,
    service: S,
    limits: &Limits,
    shutdown: &Shutdown,
) {
    let info = stream.connect_info();
    let handshake = timeout(limits.handshake_timeout, tls.accept(stream));
    let shaken = tokio::select! {
        shaken = handshake => shaken,
        () = shutdown.draining() => return,
    };
    match shaken {
        Ok(Ok(stream)) => {
            // Both are set: the first is what names the peer's address, the second its
            // certificates.
            let tls_info = stream.connect_info();
            let service = service.map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(tls_info.clone());
                request
            });
            run(stream, info, service, limits, shutdown).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

/// Serves HTTP on a stream until it ends, is told to go away and has, or must be dropped.
///
/// `info` goes with every request, as an extension.
async fn run<I, C, S>(stream: I, info: C, service: S, limits: &Limits, shutdown: &Shutdown)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    C: Clone + Send + Sync + 'static,
    S: Serve,
{
    let activity = Activity::new();
    let calls = activity.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        calls.open();
        request.extensions_mut().insert(info.clone());
        service.clone().oneshot(request).map_ok(noted)
    });
    let streams = Streams {
        activity: activity.clone(),
        shutdown: shutdown.clone(),
        untaken: limits.stream_untaken,
    };
    let builder = builder(limits, streams);
    let observed = Observed::new(stream, activity.clone(), limits);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(observed), service));
    let mut told = false;
    let mut life = Life::new(&activity, limits);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection failed");
                }
                return;
            }
            () = shutdown.stopping() => return,
            () = shutdown.draining(), if !told => {}
            // A connection that was told to go before it opened must still open in time.
            verdict = life.verdict(), if !told || !activity.is_open() => {
                if verdict == Verdict::Drop {
                    tracing::debug!("connection dropped: it did not open in time");
                    return;
                }
            }
        }
        // A GOAWAY: no new streams, running ones finish, then the connection ends by itself.
        told = true;
        connection.as_mut().graceful_shutdown();
    }
}

/// What becomes of a connection whose time is over.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It never opened: close it now.
    Drop,
    /// It is old or idle: let it finish.
    Leave,
}

/// The clocks of one connection.
struct Life<'a> {
    activity: &'a Activity,
    limits: &'a Limits,
    open_by: Instant,
    leave_at: Instant,
}

impl<'a> Life<'a> {
    /// A life that begins now, with an age limit spread by ± 10 %.
    fn new(activity: &'a Activity, limits: &'a Limits) -> Self {
        let now = Instant::now();
        let age = limits.max_age.mul_f64(rand::random_range(0.9..1.1));
        Self {
            activity,
            limits,
            open_by: now + limits.preface_timeout,
            leave_at: now + age,
        }
    }

    /// Resolves when the connection's time is over. May be dropped and called again.
    async fn verdict(&mut self) -> Verdict {
        sleep_until(self.open_by).await;
        if !self.activity.is_open() {
            return Verdict::Drop;
        }
        loop {
            let quiet = self.activity.quiet().unwrap_or_default();
            let left = self.limits.idle.saturating_sub(quiet);
            if left.is_zero() {
                return Verdict::Leave;
            }
            let next = Instant::now() + left.max(IDLE_STEP);
            sleep_until(next.min(self.leave_at)).await;
            if Instant::now() >= self.leave_at {
                return Verdict::Leave;
            }
        }
    }
}

/// Runs the streams of one h2 connection as tracked tasks, and counts them as its calls.
#[derive(Clone, Debug)]
struct Streams {
    activity: Arc<Activity>,
    shutdown: Shutdown,
    /// How long a stream waits for a client that takes nothing.
    untaken: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let call = self.activity.call();
        let untaken = self.untaken;
        self.shutdown.spawn(async move {
            overseen(stream, untaken).await;
            drop(call);
        });
    }
}

/// hyper's settings for one connection.
fn builder(limits: &Limits, streams: Streams) -> Builder<Streams> {
    let mut builder = Builder::new(streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.http1_idle)
        .max_buf_size(HTTP1_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_concurrent_streams)
        .initial_connection_window_size(limits.initial_connection_window)
        .initial_stream_window_size(limits.initial_stream_window)
        .max_frame_size(limits.max_frame_size)
        .max_header_list_size(limits.max_header_list)
        .max_send_buf_size(limits.send_buffer)
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout);
    builder
}

/// Bytes of an HTTP/1.1 connection that wait to be sent before the body is asked for more, and of a
/// request's head at most. hyper would hold over 400 KiB for a client that does not read.
const HTTP1_BUFFER: usize = 64 * 1024;
/// Shortest wait between two looks at an idle connection, lest rounding make a busy loop.
const IDLE_STEP: Duration = Duration::from_millis(10);
