//! Sees that what an h2 stream gives is taken, and ends the stream of a client that takes nothing.
//!
//! Such a client answers pings and grants no window: hyper waits for it without end, and does not ask
//! the body, so no body can notice. So the body notes when it gave something, and forgets it when it is
//! asked for more; the stream's task looks at the note. Over HTTP/1.1 the socket itself shows it
//! ([`super::opening`]).

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::task_local;
use tokio::time::{Instant, Sleep, sleep_until};

task_local! {
    /// Of the stream whose task runs.
    static NOTE: Note;
}

/// When something was given that waits to be taken.
#[derive(Clone, Debug, Default)]
struct Note(Arc<Mutex<Option<Instant>>>);

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
        let Some(given) = *note.0.lock() else {
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

impl<B: Body + Unpin> Body for Noted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(note) = &self.note {
            let has_given = matches!(polled, Poll::Ready(Some(Ok(_))));
            *note.0.lock() = has_given.then(Instant::now);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    async fn frame<B: Body + Unpin>(body: &mut Noted<B>) -> bool {
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
}
