//! Sees that what an h2 stream gives is taken: no more is read than is sent, and the stream of a client
//! that takes nothing ends.
//!
//! Such a client answers pings and grants no window: hyper waits for it without end, and does not ask
//! the body, so no body can notice. So the body notes when it gave something, and forgets it when it is
//! asked for more; the stream's task looks at the note. Over HTTP/1.1 the socket itself shows it
//! ([`super::opening`]).

use std::future::poll_fn;
use std::ops::RangeInclusive;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::task_local;
use tokio::time::{Instant, Sleep, sleep_until};

task_local! {
    /// Of the stream whose task runs.
    static NOTE: Note;
}

/// What a stream gave that waits to be taken.
#[derive(Clone, Debug, Default)]
struct Note(Arc<Given>);

#[derive(Debug, Default)]
struct Given {
    /// When the body gave last, unless it was asked for more since and had none.
    at: Mutex<Option<Instant>>,
    /// A large frame is not sent yet, and no other is asked for. hyper asks as soon as there is room for
    /// one byte more, and would hold two; one is measured as fast, at half the memory.
    is_sending: AtomicBool,
    /// Waits until it is sent.
    stream: AtomicWaker,
}

/// A large frame until it is sent.
struct Held {
    bytes: Bytes,
    note: Note,
}

/// A body that notes what it gives.
#[derive(Debug)]
pub(super) struct Noted<B> {
    body: B,
    /// `None` on HTTP/1.1.
    note: Option<Note>,
}

/// The answer of a call, noted where its stream is overseen.
pub(super) fn noted<B>(answer: Response<B>) -> Response<Noted<B>> {
    let note = NOTE.try_with(Clone::clone).ok();
    answer.map(|body| Noted { body, note })
}

/// Runs a stream until it ends, or until nothing of what it gave was taken for as long as `patience`.
pub(super) async fn overseen(stream: impl Future<Output = ()>, patience: Duration) {
    let note = Note::default();
    let mut stream = pin!(NOTE.scope(note.clone(), stream));
    let mut alarm: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // Only the stream writes the note, so there is nothing to wake for while it is empty.
        let Some(given) = *note.0.at.lock() else {
            return Poll::Pending;
        };
        let due = given + patience;
        let alarm = alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        while alarm.as_mut().poll(cx).is_ready() {
            if Instant::now() >= due {
                tracing::debug!("a stream was dropped: nothing of it was taken");
                return Poll::Ready(());
            }
            alarm.as_mut().reset(due);
        }
        Poll::Pending
    })
    .await;
}

impl<B: Body<Data = Bytes> + Unpin> Body for Noted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Self { body, note } = &mut *self;
        let Some(note) = note else {
            return Pin::new(body).poll_frame(cx);
        };
        if note.is_sending(cx) {
            return Poll::Pending;
        }
        let polled = Pin::new(body).poll_frame(cx);
        let has_given = matches!(polled, Poll::Ready(Some(Ok(_))));
        *note.0.at.lock() = has_given.then(Instant::now);
        polled.map_ok(|frame| frame.map_data(|bytes| note.hold(bytes)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Note {
    /// Whether a large frame is not sent yet; whoever asks is woken when it is.
    fn is_sending(&self, cx: &Context<'_>) -> bool {
        let is_sending = || self.0.is_sending.load(Ordering::Acquire);
        is_sending() && {
            self.0.stream.register(cx.waker());
            // It may have been sent before the waker was there.
            is_sending()
        }
    }

    /// A frame, noted until it is sent if it is large.
    fn hold(&self, bytes: Bytes) -> Bytes {
        if !LARGE.contains(&bytes.len()) {
            return bytes;
        }
        self.0.is_sending.store(true, Ordering::Relaxed);
        let note = self.clone();
        Bytes::from_owner(Held { bytes, note })
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.note.0.is_sending.store(false, Ordering::Release);
        self.note.0.stream.wake();
    }
}

/// Bytes of a large frame: the pieces of a download. What is smaller is bounded by the send buffer; what
/// is larger is an answer of one message, which a slow client may take longer for than a stream may rest.
const LARGE: RangeInclusive<usize> = 32 * 1024..=128 * 1024;

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::FutureExt as _;
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    async fn frame<B: Body<Data = Bytes> + Unpin>(body: &mut Noted<B>) -> bool {
        body.frame().await.is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_gave_something_that_nobody_takes_is_dropped() {
        let begun = Instant::now();
        let stream = async {
            let answer = noted(Response::new(Full::new(Bytes::from_static(b"x"))));
            let mut body = answer.into_body();
            tokio::time::sleep(PATIENCE * 2).await;
            assert!(frame(&mut body).await);
            pending::<()>().await;
        };
        overseen(stream, PATIENCE).await;
        assert_eq!(begun.elapsed().as_secs(), 180);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_lives_while_it_is_asked_and_while_it_has_nothing() {
        let stream = async {
            let body = http_body_util::StreamBody::new(futures_util::stream::unfold(0, |n| {
                Box::pin(async move {
                    tokio::time::sleep(PATIENCE * 3).await;
                    let piece = Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from("x")));
                    (n < 3).then_some((piece, n + 1))
                })
            }));
            let mut body = noted(Response::new(Box::pin(body))).into_body();
            while frame(&mut body).await {
                tokio::time::sleep(PATIENCE / 2).await;
            }
        };
        let begun = Instant::now();
        overseen(stream, PATIENCE).await;
        assert_eq!(begun.elapsed().as_secs(), 4 * 180 + 3 * 30);
    }

    #[tokio::test]
    async fn a_large_frame_is_asked_for_when_the_last_is_sent() {
        let large = *LARGE.start();
        let frames = [large, large, 1, LARGE.end() + 1, 1].map(|length| {
            let data = Bytes::from(vec![7; length]);
            Ok::<_, std::convert::Infallible>(Frame::data(data))
        });
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        let mut body = NOTE.sync_scope(Note::default(), || noted(Response::new(body)).into_body());
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let last = first.slice(large - 1..);
        assert!(body.frame().now_or_never().is_none());
        drop(first);
        assert!(body.frame().now_or_never().is_none());
        // What waits is woken by the end of the last byte.
        let sent = async { drop(last) };
        let (second, ()) = tokio::join!(biased; body.frame(), sent);
        drop(second);
        // What is smaller waits for nothing, nor what is larger.
        let _third = body.frame().await;
        let _fourth = body.frame().now_or_never().flatten().unwrap();
        assert!(body.frame().now_or_never().flatten().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_frame_that_is_not_sent_is_not_taken() {
        let begun = Instant::now();
        let stream = async {
            let frames = [(), ()].map(|()| {
                let data = Bytes::from(vec![7; *LARGE.start()]);
                Ok::<_, std::convert::Infallible>(Frame::data(data))
            });
            let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
            let mut body = noted(Response::new(body)).into_body();
            let _first = body.frame().await;
            body.frame().await;
        };
        overseen(stream, PATIENCE).await;
        assert_eq!(begun.elapsed().as_secs(), 60);
    }
}
