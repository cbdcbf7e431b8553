//! The body of a download: the service's stream as it is, under a length that it keeps.
//!
//! Nothing runs beside it and nothing queues in it: a caller that reads slowly slows the disk. It ends
//! cleanly only when every byte was given; when the stream breaks or the key is no longer good, it ends
//! with an error, which ends the connection (or the h2 stream) before its announced length.

use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream as _, StreamExt as _, TryStreamExt as _};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::auth::{Refused, StreamPass};
use crate::domain::id::TaskId;
use crate::openai::{Face, Problem, refusal};
use crate::service::{ArchiveError, DownloadEnd, Output, Piece};

/// Why a body broke off. Read by nobody but the log.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the download broke off")]
    Download,
    #[error("the key is no longer good")]
    Key,
}

/// What is still to be sent.
struct Sending {
    id: TaskId,
    /// The bytes that were read before the status was said.
    first: Option<Bytes>,
    rest: BoxStream<'static, Result<Bytes, DownloadEnd>>,
    next_offset: u64,
    left: u64,
    /// Resolves when the key is no longer good.
    ending: Option<Ending>,
}

type Ending = Pin<Box<dyn Future<Output = Refused> + Send>>;

/// A body; `None` when it has ended.
struct Sent(Option<Sending>);

/// The body of a part of an output, whose first bytes have been read and are good.
pub(super) async fn open(
    face: &Face,
    output: &Output,
    part: Range<u64>,
    pass: Option<StreamPass>,
) -> Result<Body, Problem> {
    let (id, left) = (output.task.id, part.end - part.start);
    let opened = face.service.read(output, part.start, left);
    let pieces = opened.map_err(|error| refusal::download(id, error))?;
    let mut rest = pieces.map_ok(Piece::into_bytes).boxed();
    let first = match rest.next().await {
        None if left == 0 => return Ok(Body::empty()),
        Some(Ok(first)) => first,
        Some(Err(DownloadEnd::Archive(ArchiveError::Missing))) => {
            return Err(missing(face, output).await);
        }
        Some(Err(end)) => return Err(refusal::download_end(id, part.start, &end)),
        None => return Err(refusal::incident("content", "an output has no bytes")),
    };
    let ending = pass.map(|mut pass| -> Ending { Box::pin(async move { pass.ended().await }) });
    Ok(Body::new(Sent(Some(Sending {
        id,
        first: Some(first),
        rest,
        next_offset: part.start,
        left,
        ending,
    }))))
}

/// A file that is not there: its task went just now, or it is lost.
async fn missing(face: &Face, output: &Output) -> Problem {
    let (id, index) = (output.task.id, output.artifact.index);
    match face.service.signed_output(id, index).await {
        Ok(_) => {
            let end = DownloadEnd::Archive(ArchiveError::Missing);
            refusal::download_end(id, 0, &end)
        }
        Err(error) => refusal::download(id, error),
    }
}

impl Sending {
    /// The next bytes, or why there are none although some are left.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Broken>> {
        if let Some(ending) = &mut self.ending
            && let Poll::Ready(reason) = ending.as_mut().poll(cx)
        {
            tracing::debug!(task = %self.id, %reason, "a download ended with its key");
            return Poll::Ready(Err(Broken::Key));
        }
        let read = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => std::task::ready!(Pin::new(&mut self.rest).poll_next(cx)),
        };
        Poll::Ready(match read {
            Some(Ok(bytes)) if self.counts(&bytes) => Ok(bytes),
            Some(Err(end)) => {
                refusal::broke_off(self.id, self.next_offset, &end);
                Err(Broken::Download)
            }
            Some(Ok(_)) | None => {
                let what = "a stream is not as long as its file";
                tracing::error!(task = %self.id, next_offset = self.next_offset, what, "a bug");
                Err(Broken::Download)
            }
        })
    }

    /// Whether the bytes are some of those that are left.
    fn counts(&mut self, bytes: &Bytes) -> bool {
        let length = bytes.len() as u64;
        let left = self.left.checked_sub(length);
        self.left = left.unwrap_or(self.left);
        self.next_offset += length;
        left.is_some()
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(sending) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let read = std::task::ready!(sending.poll(cx));
        // With the last byte go the file and the place among the downloads.
        if read.is_err() || sending.left == 0 {
            self.0 = None;
        }
        Poll::Ready(Some(read.map(Frame::data).map_err(axum::Error::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |sending| sending.left))
    }
}
