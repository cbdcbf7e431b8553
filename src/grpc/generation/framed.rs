//! Streams whose messages are framed here, rather than by tonic.
//!
//! tonic encodes the messages of a stream into a buffer of its own. It copies every byte of a download
//! once more, holds two messages for a reader that has stalled, and 8 KiB for a watch that is silent. Here
//! the request and the refusals are tonic's, and the body is ours: each frame is one whole message, so
//! that a body that is ended between two frames is a readable stream.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, Stream as _};
use http::HeaderMap;
use http_body::Frame;
use prost::Message;
use tokio::sync::oneshot;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use super::MediaGeneration;

/// Messages, each framed.
pub(super) type Messages = BoxStream<'static, Result<Bytes, Status>>;

/// Opens a stream that was asked for.
pub(super) type Open<Asked> =
    fn(MediaGeneration, Request<Asked>) -> BoxFuture<'static, Result<Messages, Status>>;

/// A call that is answered by a stream, as a service of its own.
pub struct FramedRoute<Asked> {
    generation: MediaGeneration,
    open: Open<Asked>,
    max_request_bytes: usize,
}

/// Opens what is asked for; what was opened leaves beside the answer, which is empty.
struct Opening<Asked> {
    generation: MediaGeneration,
    open: Open<Asked>,
    opened: Option<oneshot::Sender<Messages>>,
}

/// A body of messages; `None` when it has ended.
struct Framed(Option<Messages>);

impl<Asked> FramedRoute<Asked> {
    pub(super) const fn new(
        generation: MediaGeneration,
        open: Open<Asked>,
        max_request_bytes: usize,
    ) -> Self {
        Self {
            generation,
            open,
            max_request_bytes,
        }
    }
}

impl<Asked> Clone for FramedRoute<Asked> {
    fn clone(&self) -> Self {
        Self::new(self.generation.clone(), self.open, self.max_request_bytes)
    }
}

impl<Asked: Message + Default + 'static> Service<http::Request<Body>> for FramedRoute<Asked> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let codec = ProstCodec::<(), Asked>::default();
        let mut call = Grpc::new(codec).max_decoding_message_size(self.max_request_bytes);
        let (sender, mut opened) = oneshot::channel();
        let opening = Opening {
            generation: self.generation.clone(),
            open: self.open,
            opened: Some(sender),
        };
        async move {
            let answer = call.unary(opening, request).await;
            Ok(match opened.try_recv() {
                Ok(messages) => answer.map(|_| Body::new(Framed(Some(messages)))),
                Err(_) => answer.map(Body::new),
            })
        }
        .boxed()
    }
}

impl<Asked: 'static> UnaryService<Asked> for Opening<Asked> {
    type Response = ();
    type Future = BoxFuture<'static, Result<Response<()>, Status>>;

    fn call(&mut self, request: Request<Asked>) -> Self::Future {
        let (opening, sender) = (
            (self.open)(self.generation.clone(), request),
            self.opened.take(),
        );
        async move {
            let opened = opening.await?;
            // The receiver waits for this answer, and a call has one.
            let _ = sender.map(|sender| sender.send(opened));
            Ok(Response::new(()))
        }
        .boxed()
    }
}

impl http_body::Body for Framed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(messages) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let status = match ready!(Pin::new(messages).poll_next(cx)) {
            Some(Ok(message)) => return Poll::Ready(Some(Ok(Frame::data(message)))),
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        self.0 = None;
        let mut trailers = HeaderMap::new();
        let written = status.add_header(&mut trailers);
        Poll::Ready(Some(written.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// A message, framed.
pub(super) fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut framed = BytesMut::with_capacity(PREFIX + length);
    prefix(length, &mut framed);
    message.encode_raw(&mut framed);
    framed.freeze()
}

/// What gRPC writes before a message: that it is not compressed, and its length.
pub(super) fn prefix(length: usize, into: &mut impl BufMut) {
    into.put_u8(0);
    // A message is a task, or a piece of the archive and its head: kilobytes.
    into.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

/// Length of what gRPC writes before a message.
const PREFIX: usize = 5;
