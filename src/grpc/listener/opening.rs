//! Watches a connection's first bytes, and its calls, so that silent and idle ones can be ended.
//!
//! hyper waits for the protocol's first bytes without limit, and says nothing about calls. So the
//! socket is read through [`Observed`], which notices when an h2 client has said all it must say
//! first, and [`Activity`] keeps what the connection's task asks about.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

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

/// A socket whose first bytes are looked at as they are read.
#[derive(Debug)]
pub(super) struct Observed<I> {
    io: I,
    preface: Preface,
    activity: Arc<Activity>,
}

/// How much of the h2 opening has been read.
#[derive(Debug, PartialEq, Eq)]
enum Preface {
    /// So many bytes agree with an h2 opening so far.
    Partial(usize),
    /// All of it has been read, or it is another protocol: nothing more to look at.
    Settled,
}

impl<I> Observed<I> {
    /// Looks at what is read from `io`.
    pub(super) fn new(io: I, activity: Arc<Activity>) -> Self {
        Self {
            io,
            preface: Preface::Partial(0),
            activity,
        }
    }

    /// Follows the opening through newly read bytes.
    fn observe(&mut self, bytes: &[u8]) {
        let Preface::Partial(seen) = self.preface else {
            return;
        };
        let rest = H2_PREFACE.get(seen..).unwrap_or_default();
        let compared = rest.len().min(bytes.len());
        if rest[..compared] != bytes[..compared] {
            // Another protocol: hyper times an HTTP/1.1 head itself, and its call opens.
            self.preface = Preface::Settled;
        } else if seen + bytes.len() < H2_PREFACE.len() + FRAME_HEADER {
            self.preface = Preface::Partial(seen + bytes.len());
        } else {
            self.preface = Preface::Settled;
            self.activity.open();
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
        if self.preface != Preface::Settled {
            self.observe(&buf.filled()[before..]);
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
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// What every h2 client sends first; a SETTINGS frame follows.
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length of the header of an h2 frame.
const FRAME_HEADER: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn opened_by(chunks: &[&[u8]]) -> bool {
        let activity = Activity::new();
        let mut observed = Observed::new((), activity.clone());
        for chunk in chunks {
            observed.observe(chunk);
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
