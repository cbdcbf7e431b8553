//! Download: the archived bytes of an output, from any offset, each block checked on the way.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{LookupError, Service};
use crate::archive::{ArchiveError, Piece, PieceStream};
use crate::domain::artifact::Artifact;
use crate::domain::id::{TaskId, TenantId};
use crate::domain::task::{State, Status, Task};
use crate::shutdown::Shutdown;

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct DownloadRequest {
    /// The task.
    pub id: TaskId,
    /// Which of its outputs.
    pub index: u32,
    /// The first byte.
    pub offset: u64,
    /// Bytes at most; 0: to the end.
    pub limit: u64,
    /// The digest that the caller believes in, as hex; empty: none.
    pub expected_sha256: String,
}

/// An open download.
pub struct Download<S> {
    /// What is being sent.
    pub artifact: Artifact,
    /// A name for the file.
    pub file_name: String,
    /// The bytes, in order, from the offset asked for.
    pub bytes: S,
}

/// An output that can be read.
#[derive(Clone, Debug)]
pub struct Output {
    /// The task that made it.
    pub task: Arc<Task>,
    /// What it is.
    pub artifact: Artifact,
    /// Whether it was found by a signed address, for a reader who has shown no key.
    pub is_signed: bool,
}

/// Why a download cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No such task.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// Not completed yet.
    #[error("the task is {}", .0.as_str())]
    NotReady(Status),
    /// It ended without content, or its content's retention ended.
    #[error("the task has no content")]
    NoOutput,
    /// As many downloads are open as may be.
    #[error("{limit} downloads are open, as many as may be")]
    TooMany {
        /// How many may be.
        limit: usize,
    },
    /// There is no output of that index.
    #[error("the task has {count} output(s)")]
    Index {
        /// How many there are.
        count: usize,
    },
    /// The offset lies beyond the end.
    #[error("the output has {size} bytes")]
    Offset {
        /// Its size.
        size: u64,
    },
    /// The output is not the one that the caller has a part of.
    #[error("the output has another digest")]
    Changed,
}

/// Why a download ended before its last byte; what was sent is a correct prefix.
#[derive(Debug)]
pub enum DownloadEnd {
    /// The archive failed.
    Archive(ArchiveError),
    /// The reader took too long; go on at this offset.
    ReaderStalled {
        /// The next byte.
        next_offset: u64,
    },
    /// The server is going away; go on at this offset.
    Draining {
        /// The next byte.
        next_offset: u64,
    },
}

impl Service {
    /// Opens an output for reading.
    pub async fn download(
        &self,
        tenant: &TenantId,
        request: DownloadRequest,
    ) -> Result<
        Download<impl Stream<Item = Result<Piece, DownloadEnd>> + Send + use<>>,
        DownloadError,
    > {
        let output = self.output(tenant, request.id, request.index).await?;
        let (artifact, offset) = (&output.artifact, request.offset);
        let expected = request.expected_sha256.to_ascii_lowercase();
        if !expected.is_empty() && expected != hex::encode(artifact.sha256) {
            return Err(DownloadError::Changed);
        }
        let size = artifact.size_bytes;
        if offset > size {
            return Err(DownloadError::Offset { size });
        }
        let length = match request.limit {
            0 => u64::MAX,
            limit => limit,
        };
        let bytes = self.read(&output, offset, length)?;
        Ok(Download {
            file_name: output.file_name(&output.task.id),
            artifact: output.artifact,
            bytes,
        })
    }

    /// An output of a tenant's task.
    pub async fn output(
        &self,
        tenant: &TenantId,
        id: TaskId,
        index: u32,
    ) -> Result<Output, DownloadError> {
        Output::find(self.status(tenant, id).await?, index, false)
    }

    /// The same for an answer that tells of it: its caller has not asked by the id.
    pub async fn output_to_tell(
        &self,
        tenant: &TenantId,
        id: TaskId,
        index: u32,
    ) -> Result<Output, DownloadError> {
        Output::find(self.look(tenant, id).await?, index, false)
    }

    /// An output for whoever holds an address that this server signed: the signature stands for the
    /// tenant, who is not asked for.
    pub async fn signed_output(&self, id: TaskId, index: u32) -> Result<Output, DownloadError> {
        let found = self.parts().store.get(id).await;
        let task = found.map_err(LookupError::Store)?;
        let task = task.ok_or(LookupError::NotFound)?;
        if task.deleted {
            return Err(LookupError::Deleted.into());
        }
        self.inner.receipts.answered(id);
        Output::find(task, index, true)
    }

    /// Streams `length` bytes of an output from `offset`, less at its end. Nothing is opened before
    /// the first poll.
    ///
    /// # Errors
    /// Only [`DownloadError::TooMany`].
    pub fn read(
        &self,
        output: &Output,
        offset: u64,
        length: u64,
    ) -> Result<impl Stream<Item = Result<Piece, DownloadEnd>> + Send + use<>, DownloadError> {
        let settings = &self.parts().settings;
        let limit = settings.max_downloads;
        let full = |_| DownloadError::TooMany { limit };
        let place = Arc::clone(&self.inner.downloads).try_acquire_owned();
        let place = place.map_err(full)?;
        // Readers without a key never take the places of all others.
        let signed = output
            .is_signed
            .then(|| Arc::clone(&self.inner.signed).try_acquire_owned());
        let signed = signed.transpose().map_err(full)?;
        let artifact = &output.artifact;
        let key = crate::archive::Key::output(output.task.id, artifact.index);
        let archive = &self.parts().archive;
        let reading = Reading {
            source: archive.read_pieces(key, offset, length, artifact.size_bytes),
            next_offset: offset,
            yielded: None,
            is_begun: false,
            timeout: settings.download_reader_timeout,
            chunk: settings.chunk,
            rest: None,
            _places: (place, signed),
            drain_after: settings.download_drain,
            drained: None,
            shutdown: self.parts().shutdown.clone(),
            ended: false,
        };
        Ok(unfold(reading, |mut reading| async move {
            let item = reading.next().await?;
            Some((item, reading))
        }))
    }
}

impl Output {
    fn find(task: Arc<Task>, index: u32, is_signed: bool) -> Result<Self, DownloadError> {
        match &task.state {
            State::Completed if !task.outputs.is_empty() => {}
            State::Completed | State::Failed(_) | State::Cancelled { .. } => {
                return Err(DownloadError::NoOutput);
            }
            _ => return Err(DownloadError::NotReady(task.status())),
        }
        let found = task.outputs.iter().find(|output| output.index == index);
        let artifact = found.cloned().ok_or(DownloadError::Index {
            count: task.outputs.len(),
        })?;
        Ok(Self {
            task,
            artifact,
            is_signed,
        })
    }

    /// A name for the file: `stem`, the index unless it is 0, and the ending of its type.
    pub fn file_name(&self, stem: &impl fmt::Display) -> String {
        format!("{stem}{}", extension(&self.artifact))
    }
}

/// `.mp4` for the first output, `-1.mp4` for the second…
fn extension(artifact: &Artifact) -> String {
    let suffix = match artifact.content_type.as_str() {
        "video/mp4" => "mp4",
        "video/quicktime" => "mov",
        "video/webm" => "webm",
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/svg+xml" => "svg",
        "audio/mpeg" => "mp3",
        "audio/wav" => "wav",
        "audio/flac" => "flac",
        "audio/ogg" => "ogg",
        "application/zip" => "zip",
        _ => "bin",
    };
    if artifact.index == 0 {
        format!(".{suffix}")
    } else {
        format!("-{}.{suffix}", artifact.index)
    }
}

struct Reading {
    source: PieceStream,
    next_offset: u64,
    /// When the reader was given a block; `None` until it has asked for the second. The first is read
    /// before an answer begins, and may wait there until what comes before it has been sent.
    yielded: Option<Instant>,
    is_begun: bool,
    timeout: Duration,
    chunk: usize,
    /// Of the last block, what did not fit in one message.
    rest: Option<Piece>,
    drain_after: Duration,
    drained: Option<Instant>,
    shutdown: Shutdown,
    ended: bool,
    /// One of the downloads that may be open, and of those by signed addresses; given back with the
    /// stream.
    _places: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

impl Reading {
    async fn next(&mut self) -> Option<Result<Piece, DownloadEnd>> {
        if self.ended {
            return None;
        }
        let item = self.read().await;
        self.yielded = self.is_begun.then(Instant::now);
        self.is_begun = true;
        self.ended = matches!(item, None | Some(Err(_)));
        if let Some(Ok(bytes)) = &item {
            self.next_offset += bytes.len() as u64;
        }
        item
    }

    async fn read(&mut self) -> Option<Result<Piece, DownloadEnd>> {
        let next_offset = self.next_offset;
        if self.yielded.is_some_and(|at| at.elapsed() > self.timeout) {
            return Some(Err(DownloadEnd::ReaderStalled { next_offset }));
        }
        if self.shutdown.is_draining() {
            let since = *self.drained.get_or_insert_with(Instant::now);
            if since.elapsed() >= self.drain_after {
                return Some(Err(DownloadEnd::Draining { next_offset }));
            }
        }
        let mut piece = if let Some(rest) = self.rest.take() {
            rest
        } else {
            let block = tokio::select! {
                biased;
                () = self.shutdown.stopping() => {
                    return Some(Err(DownloadEnd::Draining { next_offset }));
                }
                block = self.source.next() => block?,
            };
            match block {
                Ok(block) => block,
                Err(error) => return Some(Err(DownloadEnd::Archive(error))),
            }
        };
        if piece.len() > self.chunk {
            let first = piece.split_to(self.chunk);
            self.rest = Some(std::mem::replace(&mut piece, first));
        }
        Some(Ok(piece))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;
    use tokio::sync::Semaphore;

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    fn reading(blocks: usize) -> Reading {
        let blocks = (0..blocks).map(|_| Ok(Piece::from(Bytes::from_static(b"block"))));
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Reading {
            source: stream::iter(blocks).boxed(),
            next_offset: 0,
            yielded: None,
            is_begun: false,
            timeout: PATIENCE,
            chunk: 1024,
            rest: None,
            drain_after: Duration::ZERO,
            drained: None,
            shutdown: Shutdown::new(),
            ended: false,
            _places: (place, None),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_pauses_is_let_go_unless_it_has_only_the_first_block() {
        let mut reading = reading(4);
        let late = PATIENCE + Duration::from_secs(1);
        assert!(matches!(reading.next().await, Some(Ok(_))));
        tokio::time::advance(late).await;
        assert!(matches!(reading.next().await, Some(Ok(_))));
        tokio::time::advance(PATIENCE).await;
        assert!(matches!(reading.next().await, Some(Ok(_))));
        tokio::time::advance(late).await;
        let Some(Err(DownloadEnd::ReaderStalled { next_offset })) = reading.next().await else {
            panic!("it is given more");
        };
        assert_eq!(next_offset, 15);
        assert!(reading.next().await.is_none());
    }
}
