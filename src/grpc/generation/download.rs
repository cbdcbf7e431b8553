//! `DownloadContent` without a copy: the pieces of the archive are framed where they were read.
//!
//! tonic encodes each message into a buffer of its own, which copies every byte once more and holds two
//! messages for a reader that has stalled. Here the request and the refusals are tonic's, and the body is
//! ours: a message is one piece of the archive with its head written before it. One frame is one whole
//! message, so that a body that is ended between two frames is a readable stream.

use std::convert::Infallible;
use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, Stream as _, StreamExt as _};
use http::HeaderMap;
use http_body::Frame;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use tokio::sync::oneshot;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use super::{MediaGeneration, convert, part, refusal, tenant};
use crate::archive::Piece;
use crate::pb::v1;
use crate::pb::v1::download_content_response::{Metadata, Part};

/// A download that has begun.
pub(super) struct Opened {
    /// Its first message.
    pub metadata: Metadata,
    /// The others: each piece at its offset.
    pub pieces: BoxStream<'static, Result<(u64, Piece), Status>>,
}

/// The call `DownloadContent` as a service of its own.
#[derive(Clone)]
pub struct DownloadRoute {
    generation: MediaGeneration,
    max_request_bytes: usize,
}

/// Opens what is asked for; what was opened leaves beside the answer, which is empty.
struct Opening {
    generation: MediaGeneration,
    opened: Option<oneshot::Sender<Opened>>,
}

/// The messages of a download, each one frame.
struct Framed {
    first: Bytes,
    pieces: BoxStream<'static, Result<(u64, Piece), Status>>,
    ended: bool,
}

impl MediaGeneration {
    /// Opens an output for its messages.
    pub(super) async fn open(
        &self,
        request: Request<v1::DownloadContentRequest>,
    ) -> Result<Opened, Status> {
        let tenant = tenant(&request);
        let asked = convert::download(request.into_inner())?;
        let (id, mut offset) = (asked.id, asked.offset);
        let opened = self.service.download(&tenant, asked).await;
        let opened = opened.map_err(|error| refusal::download(id, error))?;
        let metadata = Metadata {
            content_type: opened.artifact.content_type,
            size_bytes: opened.artifact.size_bytes,
            sha256: hex::encode(opened.artifact.sha256),
            offset,
            file_name: opened.file_name,
        };
        let pieces = opened.bytes.map(move |read| {
            let piece = read.map_err(|end| refusal::download_end(id, offset, end))?;
            let at = offset;
            offset += piece.len() as u64;
            Ok((at, piece))
        });
        let pieces = pieces.boxed();
        Ok(Opened { metadata, pieces })
    }
}

impl DownloadRoute {
    /// The route; it takes requests of at most `max_request_bytes`.
    pub const fn new(generation: MediaGeneration, max_request_bytes: usize) -> Self {
        Self {
            generation,
            max_request_bytes,
        }
    }
}

impl Service<http::Request<Body>> for DownloadRoute {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let codec = ProstCodec::<(), v1::DownloadContentRequest>::default();
        let mut call = Grpc::new(codec).max_decoding_message_size(self.max_request_bytes);
        let (sender, mut opened) = oneshot::channel();
        let opening = Opening {
            generation: self.generation.clone(),
            opened: Some(sender),
        };
        async move {
            let answer = call.unary(opening, request).await;
            Ok(match opened.try_recv() {
                Ok(opened) => answer.map(|_| Body::new(Framed::new(opened))),
                Err(_) => answer.map(Body::new),
            })
        }
        .boxed()
    }
}

impl UnaryService<v1::DownloadContentRequest> for Opening {
    type Response = ();
    type Future = BoxFuture<'static, Result<Response<()>, Status>>;

    fn call(&mut self, request: Request<v1::DownloadContentRequest>) -> Self::Future {
        let (generation, sender) = (self.generation.clone(), self.opened.take());
        async move {
            let opened = generation.open(request).await?;
            // The receiver waits for this answer, and a call has one.
            let _ = sender.map(|sender| sender.send(opened));
            Ok(Response::new(()))
        }
        .boxed()
    }
}

impl Framed {
    fn new(opened: Opened) -> Self {
        let metadata = part(Part::Metadata(opened.metadata));
        let mut first = BytesMut::with_capacity(PREFIX + metadata.encoded_len());
        prefix(metadata.encoded_len(), &mut first);
        first.put_slice(&metadata.encode_to_vec());
        Self {
            first: first.freeze(),
            pieces: opened.pieces,
            ended: false,
        }
    }
}

impl http_body::Body for Framed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(take(&mut self.first)))));
        }
        let status = match ready!(Pin::new(&mut self.pieces).poll_next(cx)) {
            Some(Ok((offset, piece))) => {
                return Poll::Ready(Some(Ok(Frame::data(chunk(offset, piece)))));
            }
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        self.ended = true;
        let mut trailers = HeaderMap::new();
        let written = status.add_header(&mut trailers);
        Poll::Ready(Some(written.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// A message that holds a chunk, framed.
fn chunk(offset: u64, data: Piece) -> Bytes {
    // Three heads, one within the other, and each tells the length of all that it holds.
    let mut of_data = Vec::with_capacity(Piece::ROOM);
    if offset > 0 {
        encode_key(OFFSET, WireType::Varint, &mut of_data);
        encode_varint(offset, &mut of_data);
    }
    encode_key(DATA, WireType::LengthDelimited, &mut of_data);
    encode_varint(data.len() as u64, &mut of_data);
    let length = of_data.len() + data.len();
    let mut of_chunk = Vec::with_capacity(Piece::ROOM);
    encode_key(CHUNK, WireType::LengthDelimited, &mut of_chunk);
    encode_varint(length as u64, &mut of_chunk);
    let mut head = Vec::with_capacity(Piece::ROOM);
    prefix(of_chunk.len() + length, &mut head);
    head.append(&mut of_chunk);
    head.append(&mut of_data);
    data.with_head(&head)
}

/// What gRPC writes before a message: that it is not compressed, and its length.
fn prefix(length: usize, into: &mut impl BufMut) {
    into.put_u8(0);
    // A message is a piece of the archive and its head: kilobytes.
    into.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

/// Length of what gRPC writes before a message.
const PREFIX: usize = 5;
/// The field `chunk` of a message.
const CHUNK: u32 = 2;
/// The field `offset` of a chunk.
const OFFSET: u32 = 1;
/// The field `data` of a chunk.
const DATA: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::download_content_response::Chunk;

    #[test]
    fn a_chunk_is_framed_as_the_contract_encodes_it() {
        let offsets = (0..64).map(|bits| u64::MAX >> bits).chain([0]);
        for offset in offsets {
            for length in [1, 127, 128, 16_383, 16_384, 65_536] {
                let data = Bytes::from(vec![7; length]);
                let message = part(Part::Chunk(Chunk {
                    offset,
                    data: data.clone(),
                }));
                let mut wanted = Vec::new();
                prefix(message.encoded_len(), &mut wanted);
                message.encode(&mut wanted).unwrap();
                assert!(chunk(offset, data.into()) == wanted, "{offset} {length}");
            }
        }
    }

    #[test]
    fn a_head_fits_into_the_room_of_a_piece() {
        let length = 65_536;
        let framed = chunk(u64::MAX, Bytes::from(vec![7; length]).into());
        assert!(framed.len() - length <= Piece::ROOM);
    }
}
