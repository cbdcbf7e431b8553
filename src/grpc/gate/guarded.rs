//! The body of a stream that ends with its key.
//!
//! Before each message the body looks whether the key is still good, and while it waits for one it is
//! woken when the key no longer is. The last word then is a status like any other. Nothing runs beside
//! the stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::Ending;

/// A body, and what may end it early.
pub(super) struct Guarded {
    /// `None` when it has ended.
    inner: Option<(Body, Ending)>,
}

impl Guarded {
    pub fn new(body: Body, ending: Ending) -> Self {
        Self {
            inner: Some((body, ending)),
        }
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some((body, ending)) = &mut self.inner else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(status) = ending.as_mut().poll(cx) {
            self.inner = None;
            let mut trailers = HeaderMap::new();
            // A status that cannot be written leaves the stream without one: an error all the same.
            let _ = status.add_header(&mut trailers);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let frame = Pin::new(body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) {
            self.inner = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        let inner = self.inner.as_ref();
        inner.is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
