//! `DownloadContent`: the pieces of the archive are framed where they were read, without a copy.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use prost::encoding::{WireType, encode_key, encode_varint};
use tonic::{Request, Status};

use super::framed::{FramedRoute, Messages, frame, prefix};
use super::{MediaGeneration, convert, part, refusal, tenant};
use crate::pb::v1;
use crate::pb::v1::download_content_response::{Metadata, Part};
use crate::service::Piece;

/// A download that has begun.
pub(super) struct Opened {
    /// Its first message.
    pub metadata: Metadata,
    /// The others: each piece at its offset.
    pub pieces: BoxStream<'static, Result<(u64, Piece), Status>>,
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

    /// `DownloadContent` as a service of its own; it takes requests of at most `max_request_bytes`.
    pub fn download_route(
        self,
        max_request_bytes: usize,
    ) -> FramedRoute<v1::DownloadContentRequest> {
        FramedRoute::new(
            self,
            |this, request| this.framed(request).boxed(),
            max_request_bytes,
        )
    }

    async fn framed(
        self,
        request: Request<v1::DownloadContentRequest>,
    ) -> Result<Messages, Status> {
        let opened = self.open(request).await?;
        let first = frame(&part(Part::Metadata(opened.metadata)));
        let chunks = opened.pieces.map(|read| {
            let (offset, piece) = read?;
            Ok(chunk(offset, piece))
        });
        Ok(stream::iter([Ok(first)]).chain(chunks).boxed())
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

/// The field `chunk` of a message.
const CHUNK: u32 = 2;
/// The field `offset` of a chunk.
const OFFSET: u32 = 1;
/// The field `data` of a chunk.
const DATA: u32 = 2;

#[cfg(test)]
mod tests {
    use prost::Message as _;

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
