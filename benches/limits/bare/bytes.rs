//! The bytes of a download, from memory or from a file, in messages as the service sends them.

use std::fs::File;
use std::io::{self, Read as _};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use mediagen::pb::v1::download_content_response::{Chunk, Metadata, Part};
use mediagen::pb::v1::{DownloadContentRequest, DownloadContentResponse};
use tonic::Status;

/// Streams `limit` bytes: of the file that `task_id` names, or where it names none the same block
/// again and again. Nothing is checked.
pub fn send(
    request: &DownloadContentRequest,
) -> Result<impl Stream<Item = Result<DownloadContentResponse, Status>> + Send + use<>, Status> {
    let length = u64::try_from(request.limit).unwrap_or(0);
    let source = match &*request.task_id {
        "" => Source::Memory(Bytes::from_static(&MEDIA)),
        path => Source::File(File::open(path)?),
    };
    let metadata = Part::Metadata(Metadata {
        content_type: "video/mp4".to_owned(),
        size_bytes: length,
        ..Metadata::default()
    });
    let blocks = stream::try_unfold((source, 0), move |(source, offset)| async move {
        if offset == length {
            return Ok(None);
        }
        let take = usize::try_from(length - offset).unwrap_or(BLOCK).min(BLOCK);
        let (source, data) = source.next(take).await?;
        let part = Part::Chunk(Chunk { offset, data });
        let next = offset + take as u64;
        Ok(Some((message(part), (source, next))))
    });
    Ok(stream::iter([Ok(message(metadata))]).chain(blocks))
}

enum Source {
    Memory(Bytes),
    File(File),
}

impl Source {
    /// A file is read as an asynchronous program must: on another thread, block by block.
    async fn next(self, take: usize) -> io::Result<(Self, Bytes)> {
        match self {
            Self::Memory(block) => {
                let data = block.slice(..take);
                Ok((Self::Memory(block), data))
            }
            Self::File(mut file) => {
                let read = tokio::task::spawn_blocking(move || {
                    let mut data = vec![0; take];
                    file.read_exact(&mut data)?;
                    Ok::<_, io::Error>((Self::File(file), data.into()))
                });
                read.await?
            }
        }
    }
}

fn message(part: Part) -> DownloadContentResponse {
    DownloadContentResponse { part: Some(part) }
}

static MEDIA: [u8; BLOCK] = [0x5a; BLOCK];
/// Bytes of a message, as `download.chunk` of the service has them.
const BLOCK: usize = 64 * 1024;
