//! Watches a connection's first bytes, and its calls, so that silent and idle ones can be ended.
//!
//! hyper waits for the protocol's first bytes without limit, and says nothing about calls. So the
//! socket is read through [`Observed`], which notices when an h2 client has said what it must say
//! first, ends it when it begins a header block and does not finish it, or floods; and
//! [`Activity`] keeps what the connection's task asks about. hyper also writes without limit: a client
//! of HTTP/1.1 that takes nothing is ended here (one of h2 by pings, and by [`super::taken`]).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::Limits;
use super::frames::{Flood, Frames};

/// What a connection has done so far.
#[derive(Debug)]
pub(super) struct Activity {
    since: Instant,
    opened: AtomicBool,
    calls: AtomicUsize,
    /// When the last call ended, in milliseconds after `since`.
    quiet_ms: AtomicU64,
}

/// A call on a connection; ends when dropped.
#[derive(Debug)]
pub(super) struct Call(Arc<Activity>);

impl Activity {
    /// A connection that has just been accepted.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            since: Instant::now(),
            opened: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            quiet_ms: AtomicU64::new(0),
        })
    }

    /// Notes that the client has said what it must say first.
    pub(super) fn open(&self) {
        self.opened.store(true, Ordering::Relaxed);
    }

    /// Whether the client has said what it must say first.
    pub(super) fn is_open(&self) -> bool {
        self.opened.load(Ordering::Relaxed)
    }

    /// Begins a call.
    pub(super) fn call(self: &Arc<Self>) -> Call {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Call(self.clone())
    }

    /// How long there has been no call; nothing while there is one.
    pub(super) fn quiet(&self) -> Option<Duration> {
        let quiet = Duration::from_millis(self.quiet_ms.load(Ordering::Relaxed));
        let silent = self.calls.load(Ordering::Relaxed) == 0;
        silent.then(|| self.since.elapsed().saturating_sub(quiet))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.quiet_ms.store(now, Ordering::Relaxed);
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A socket that is looked at as it is read.
#[derive(Debug)]
pub(super) struct Observed<I> {
    io: I,
    protocol: Protocol,
    activity: Arc<Activity>,
    patience: Duration,
    /// Runs while a header block is unfinished.
    overdue: Option<Pin<Box<Sleep>>>,
    write_patience: Duration,
    /// Runs while what is written is not taken.
    untaken: Option<Pin<Box<Sleep>>>,
    has_written: bool,
}

/// What the client speaks, as far as its bytes have told.
#[derive(Debug)]
enum Protocol {
    /// So many bytes agree with the h2 preface so far.
    Unknown(usize),
    /// The preface was there, and frames follow.
    H2(Frames),
    /// HTTP/1.1 or noise: hyper times a request's head itself, and its call opens.
    Other,
}

impl<I> Observed<I> {
    /// Looks at what is read from `io` and written to it.
    pub(super) fn new(io: I, activity: Arc<Activity>, limits: &Limits) -> Self {
        Self {
            io,
            protocol: Protocol::Unknown(0),
            activity,
            patience: limits.preface_timeout,
            overdue: None,
            write_patience: limits.http1_untaken,
            untaken: None,
            has_written: false,
        }
    }

    /// What a write came to, or an error when the client has taken nothing for too long. Of h2 the
    /// pings tell.
    fn taken<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() || matches!(self.protocol, Protocol::H2(_)) {
            self.untaken = None;
            return written;
        }
        let patience = self.write_patience;
        let sleep = self
            .untaken
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        std::task::ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Follows the protocol through newly read bytes.
    fn observe(&mut self, bytes: &[u8]) -> Result<(), Flood> {
        match &mut self.protocol {
            Protocol::Other => Ok(()),
            Protocol::H2(frames) => {
                frames.scan(bytes)?;
                if frames.has_begun() {
                    self.activity.open();
                }
                Ok(())
            }
            Protocol::Unknown(seen) => {
                let rest = &H2_PREFACE[*seen..];
                let (compared, after) = bytes.split_at(rest.len().min(bytes.len()));
                if !rest.starts_with(compared) {
                    self.protocol = Protocol::Other;
                } else if compared.len() < rest.len() {
                    *seen += compared.len();
                } else {
                    self.protocol = Protocol::H2(Frames::default());
                    return self.observe(after);
                }
                Ok(())
            }
        }
    }

    /// Whether a header block has been unfinished for too long. Asked only when there is nothing
    /// to read, so that a server that reads late blames nobody.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        match &self.protocol {
            Protocol::H2(frames) if frames.is_unfinished() => {
                let patience = self.patience;
                let sleep = self
                    .overdue
                    .get_or_insert_with(|| Box::pin(sleep(patience)));
                sleep.as_mut().poll(cx).is_ready()
            }
            _ => {
                self.overdue = None;
                false
            }
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Observed<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if let Err(flood) = self.observe(&buf.filled()[before..]) {
            return Poll::Ready(Err(io::Error::other(flood)));
        }
        if polled.is_pending() && self.is_overdue(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Observed<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.has_written = true;
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.taken(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = Pin::new(&mut self.io).poll_flush(cx);
        self.taken(cx, written)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = Pin::new(&mut self.io).poll_shutdown(cx);
        self.taken(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.has_written = true;
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.taken(cx, written)
    }

    /// Not for h2 before its first write: where h2 begins, this decides from which length on it sends a
    /// message in a write of its own, 256 bytes or 1,024. A task has about 400, and one write for many
    /// of them costs a quarter less of the processor. Later on it decides how h2 writes.
    fn is_write_vectored(&self) -> bool {
        let begins_h2 = !self.has_written && matches!(self.protocol, Protocol::H2(_));
        !begins_h2 && self.io.is_write_vectored()
    }
}

/// What every h2 client sends first; a SETTINGS frame follows.
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn opened_by(chunks: &[&[u8]]) -> bool {
        let activity = Activity::new();
        let mut observed = Observed::new((), activity.clone(), &Limits::default());
        for chunk in chunks {
            observed.observe(chunk).unwrap();
        }
        activity.is_open()
    }

    #[test]
    fn a_preface_opens_only_with_the_settings_that_follow_it() {
        let settings = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
        assert!(!opened_by(&[H2_PREFACE]));
        assert!(!opened_by(&[
            &H2_PREFACE[..10],
            &H2_PREFACE[10..],
            &settings[..8]
        ]));
        assert!(opened_by(&[&H2_PREFACE[..10], &H2_PREFACE[10..], settings]));
        assert!(opened_by(&[&[H2_PREFACE, settings].concat()]));
    }

    #[test]
    fn another_protocol_does_not_open_by_its_bytes() {
        assert!(!opened_by(&[
            b"GET / HTTP/1.1\r\nhost: x\r\n\r\n and much more of it"
        ]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_ended_and_one_that_takes_a_little_is_not() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut client, server) = tokio::io::duplex(8);
        let mut observed = Observed::new(server, Activity::new(), &Limits::default());
        let begun = Instant::now();
        let writing = async {
            let sent = [0; 64];
            let end = observed.write_all(&sent).await.unwrap_err();
            (end.kind(), begun.elapsed().as_secs())
        };
        let reading = async {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                client.read_u8().await.unwrap();
            }
            // From here on it takes nothing.
            futures_util::future::pending::<()>().await;
        };
        let ended = tokio::select! { ended = writing => ended, () = reading => unreachable!() };
        assert_eq!(ended, (io::ErrorKind::TimedOut, 250 + 60));
    }

    #[tokio::test]
    async fn small_messages_of_h2_are_written_together_and_large_ones_are_not_copied() {
        use tokio::io::AsyncWriteExt as _;
        for (first, at_first) in [(H2_PREFACE, false), (b"GET / HTTP/1.1\r\n", true)] {
            let (_client, server) = tokio::io::duplex(64);
            let mut observed = Observed::new(server, Activity::new(), &Limits::default());
            observed.observe(first).unwrap();
            assert_eq!(observed.is_write_vectored(), at_first);
            observed.write_all(b"SETTINGS").await.unwrap();
            assert!(observed.is_write_vectored());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_quiet_only_between_calls() {
        let activity = Activity::new();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(activity.quiet(), Some(Duration::from_secs(5)));
        let call = activity.call();
        assert_eq!(activity.quiet(), None);
        tokio::time::advance(Duration::from_secs(5)).await;
        drop(call);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(activity.quiet(), Some(Duration::from_secs(2)));
    }
}
