//! What a call left of its body.
//!
//! A connection on which a body was left is closed, and a client that is still sending then finds a
//! broken connection in the place of its answer; OpenAI's clients send the request again for that. So
//! what is left is read and thrown away, for a while, before the answer goes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::header::EXPECT;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use tokio::time::timeout;

/// Tells whether the server drains.
pub(in crate::openai) type IsDraining = Arc<dyn Fn() -> bool + Send + Sync>;

/// A layer that reads what the call within it does not.
pub(in crate::openai) async fn finish_reading(
    State(is_draining): State<IsDraining>,
    request: Request,
    next: Next,
) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Such a client sends nothing before it is asked to.
    let waits = request.headers().contains_key(EXPECT);
    let left = Arc::new(Mutex::new(None));
    let request = request.map(|body| {
        let (body, left) = (Some(body), Arc::clone(&left));
        Body::new(Lent {
            body,
            left,
            is_begun: !waits,
        })
    });
    let answer = next.run(request).await;
    let rest = left.lock().take();
    if let Some(rest) = rest {
        // A client that does not stop sending is cut off.
        let longest = if is_draining() {
            LONGEST_IN_DRAIN
        } else {
            LONGEST
        };
        let _ = timeout(longest, discard(rest)).await;
    }
    answer
}

async fn discard(mut body: Body) {
    let mut left = MOST;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(bytes) {
            Some(less) => left = less,
            None => return,
        }
    }
}

/// A body that is given back when it is dropped before its end.
struct Lent {
    body: Option<Body>,
    left: Arc<Mutex<Option<Body>>>,
    /// Whether the client sends.
    is_begun: bool,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_begun = true;
        match &mut self.body {
            None => Poll::Ready(None),
            Some(body) => {
                let polled = Pin::new(body).poll_frame(cx);
                if let Poll::Ready(None | Some(Err(_))) = polled {
                    self.body = None;
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.is_begun && !self.is_end_stream() {
            *self.left.lock() = self.body.take();
        }
    }
}

/// How long what is left is read.
const LONGEST: Duration = Duration::from_secs(5);
/// The same while the server drains, which a client that stalls is not to hold up.
const LONGEST_IN_DRAIN: Duration = Duration::from_secs(1);
/// How much of it.
const MOST: usize = 1024 * 1024 * 1024;
