//! `UploadInput`: spools media straight to the archive, then commits its record.
//!
//! Bytes are written as they come: one part is held and no more. Until the last byte the work lives
//! and dies with the call; what a caller who goes away leaves behind is removed at once. From then
//! on it runs detached: the upload is committed or not, and one whose answer was lost expires. A
//! crash leaves an object without a record, which the cleaner finds.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::Service;
use super::lent::Lent;
use crate::archive::{Archive, ArchiveError, Key, Writer};
use crate::domain::generation::{InvalidField, InvalidReason, Measured};
use crate::domain::id::TenantId;
use crate::domain::upload::{NewUpload, SpoolId, Upload, UploadId};
use crate::media::{self, Source};
use crate::shutdown::Shutdown;
use crate::store::StoreError;

/// One part of an upload as it comes in.
#[derive(Clone, Debug)]
pub enum UploadPart {
    /// What is announced; first, and once.
    Metadata(NewUpload),
    /// The next bytes.
    Chunk(Bytes),
}

/// Why nothing was stored. `E` is how the caller's stream breaks.
#[derive(Debug, thiserror::Error)]
pub enum UploadError<E> {
    /// The stream itself broke off.
    #[error("the stream broke off")]
    Stream(E),
    /// The parts are in the wrong order, or not what was announced.
    #[error("the upload has {} bad field(s)", .0.len())]
    Invalid(Vec<InvalidField>),
    /// As many uploads are open as may be.
    #[error("{limit} uploads are open, as many as may be")]
    TooMany {
        /// How many may be.
        limit: usize,
    },
    /// Nothing came for this long, or not all of it.
    #[error("the upload did not come within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The archive or the disk is nearly full.
    #[error("the archive is nearly full")]
    StorageFull,
    /// The server is going away.
    #[error("the server is draining")]
    Draining,
    /// The store failed; an upload that it took nevertheless expires.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive failed.
    #[error("the upload could not be kept")]
    Archive(#[from] ArchiveError),
}

impl Service {
    /// Stores an upload, from its parts.
    pub async fn upload<E>(
        &self,
        tenant: TenantId,
        parts: impl Stream<Item = Result<UploadPart, E>> + Send + Unpin,
    ) -> Result<Upload, UploadError<E>>
    where
        E: Send + 'static,
    {
        self.receive(tenant, parts, |upload| upload).await
    }

    /// Stores an upload for one request alone: it goes again with what is returned, also when nobody
    /// waits for that any more.
    pub async fn lend<E>(
        &self,
        tenant: TenantId,
        parts: impl Stream<Item = Result<UploadPart, E>> + Send + Unpin,
    ) -> Result<Lent, UploadError<E>>
    where
        E: Send + 'static,
    {
        let service = self.clone();
        let lent = |upload: Upload| Lent::new(service, upload.id);
        self.receive(tenant, parts, lent).await
    }

    /// Stores an upload and makes of it what is returned, be there still a caller or not.
    async fn receive<E, T>(
        &self,
        tenant: TenantId,
        parts: impl Stream<Item = Result<UploadPart, E>> + Send + Unpin,
        made: impl FnOnce(Upload) -> T + Send + 'static,
    ) -> Result<T, UploadError<E>>
    where
        E: Send + 'static,
        T: Send + 'static,
    {
        let place = self.begin_upload()?;
        let settings = &self.parts().settings;
        let mut incoming = Incoming {
            parts,
            shutdown: self.parts().shutdown.clone(),
            idle: settings.upload_idle,
            timeout: settings.upload_timeout,
            deadline: Instant::now() + settings.upload_timeout,
        };
        let announced = self.metadata(&mut incoming).await?;
        let spooling = Spooling::begin(self, announced).await?;
        let spooled = spooling.take_all(self, &mut incoming).await?;
        let service = self.clone();
        let finish = async move {
            let finished = service.finish_upload(tenant, spooled).await;
            drop(place);
            finished.map(made)
        };
        let gone = |_| StoreError::Unavailable("the upload died".to_owned());
        self.parts().shutdown.spawn(finish).await.map_err(gone)?
    }

    /// Refuses early what could not be finished; else it is one of the open uploads.
    fn begin_upload<E>(&self) -> Result<OwnedSemaphorePermit, UploadError<E>> {
        if self.is_draining() {
            return Err(UploadError::Draining);
        }
        let limit = self.parts().settings.max_uploads;
        let place = Arc::clone(&self.inner.uploads).try_acquire_owned();
        let place = place.map_err(|_| UploadError::TooMany { limit })?;
        if self.parts().archive.is_nearly_full() {
            return Err(UploadError::StorageFull);
        }
        Ok(place)
    }

    async fn metadata<S, E>(&self, incoming: &mut Incoming<S>) -> Result<NewUpload, UploadError<E>>
    where
        S: Stream<Item = Result<UploadPart, E>> + Unpin,
    {
        let Some(UploadPart::Metadata(announced)) = incoming.next().await? else {
            return Err(wrong("metadata", "must come first, before every chunk"));
        };
        let wrong = announced.check(&self.parts().settings.limits);
        if wrong.is_empty() {
            Ok(announced)
        } else {
            Err(UploadError::Invalid(wrong))
        }
    }

    /// Makes the object durable, looks into it, and commits the record.
    async fn finish_upload<E>(
        &self,
        tenant: TenantId,
        mut spooled: Spooled,
    ) -> Result<Upload, UploadError<E>> {
        let Some(writer) = spooled.held.writer.take() else {
            return Err(ArchiveError::Unavailable("the writer is gone".to_owned()).into());
        };
        let stored = writer.finish().await?;
        let spool = spooled.held.spool;
        let measured = self
            .measure(spool, stored.size_bytes, &spooled.head)
            .await?;
        let now = self.now();
        let upload = Upload {
            id: UploadId::new(spool, &stored.sha256),
            tenant,
            content_type: spooled.content_type,
            size_bytes: stored.size_bytes,
            sha256: stored.sha256,
            measured,
            file_name: spooled.announced.file_name,
            created: now,
            expires: now.after(self.parts().settings.keep_uploads),
        };
        match self.parts().store.add_upload(upload.clone()).await {
            Ok(()) => {
                spooled.held.keep();
                tracing::info!(upload = %upload.id, bytes = upload.size_bytes, "uploaded");
                Ok(upload)
            }
            Err(StoreError::Full) => Err(UploadError::StorageFull),
            Err(error) => {
                // Whether it was committed is not known: its object must stay.
                spooled.held.keep();
                Err(error.into())
            }
        }
    }

    async fn measure(
        &self,
        spool: SpoolId,
        size: u64,
        head: &[u8],
    ) -> Result<Measured, ArchiveError> {
        let Some(format) = media::sniff(head) else {
            return Ok(Measured::default());
        };
        let source = Source::Object {
            archive: &self.parts().archive,
            key: Key::upload(spool),
            size,
        };
        Ok(media::probe(source, format).await?.measured)
    }
}

/// A caller's stream, bounded in time.
struct Incoming<S> {
    parts: S,
    shutdown: Shutdown,
    idle: Duration,
    timeout: Duration,
    deadline: Instant,
}

impl<S> Incoming<S> {
    /// The next part; `None` at the end.
    async fn next<E>(&mut self) -> Result<Option<UploadPart>, UploadError<E>>
    where
        S: Stream<Item = Result<UploadPart, E>> + Unpin,
    {
        let until = (Instant::now() + self.idle).min(self.deadline);
        let part = tokio::select! {
            biased;
            () = self.shutdown.draining() => return Err(UploadError::Draining),
            part = timeout_at(until, self.parts.next()) => part,
        };
        match part {
            Ok(part) => part.transpose().map_err(UploadError::Stream),
            Err(_) if until == self.deadline => Err(UploadError::TooSlow(self.timeout)),
            Err(_) => Err(UploadError::TooSlow(self.idle)),
        }
    }
}

/// An upload whose bytes are still coming.
struct Spooling {
    announced: NewUpload,
    held: Held,
    /// The first bytes.
    head: BytesMut,
    content_type: Option<String>,
}

/// An upload whose bytes are all there, not yet durable.
struct Spooled {
    announced: NewUpload,
    held: Held,
    head: BytesMut,
    content_type: String,
}

impl Spooling {
    async fn begin<E>(service: &Service, announced: NewUpload) -> Result<Self, UploadError<E>> {
        let spool = SpoolId::new(service.now().0, rand::random());
        let archive = Arc::clone(&service.parts().archive);
        let writer = archive.writer(Key::upload(spool)).await?;
        Ok(Self {
            announced,
            held: Held {
                archive,
                spool,
                writer: Some(writer),
                shutdown: service.parts().shutdown.clone(),
                is_kept: false,
            },
            head: BytesMut::new(),
            content_type: None,
        })
    }

    async fn take_all<S, E>(
        mut self,
        service: &Service,
        incoming: &mut Incoming<S>,
    ) -> Result<Spooled, UploadError<E>>
    where
        S: Stream<Item = Result<UploadPart, E>> + Unpin,
    {
        let (mut bytes, mut checked) = (0, 0);
        while let Some(part) = incoming.next().await? {
            let UploadPart::Chunk(chunk) = part else {
                return Err(wrong("metadata", "must not come twice"));
            };
            if chunk.is_empty() {
                return Err(wrong("chunk", "must not be empty"));
            }
            bytes += chunk.len() as u64;
            let limits = &service.parts().settings.limits;
            self.announced.check_so_far(bytes, limits).map_err(one)?;
            if bytes - checked > CHECK_ROOM {
                checked = bytes;
                if service.parts().archive.is_nearly_full() {
                    return Err(UploadError::StorageFull);
                }
            }
            self.take(chunk).await?;
        }
        self.announced.check_whole(bytes).map_err(one)?;
        if self.content_type.is_none() {
            self.judge()?;
        }
        Ok(Spooled {
            announced: self.announced,
            held: self.held,
            head: self.head,
            content_type: self.content_type.unwrap_or_default(),
        })
    }

    async fn take<E>(&mut self, chunk: Bytes) -> Result<(), UploadError<E>> {
        let missing = media::HEAD.saturating_sub(self.head.len());
        self.head
            .extend_from_slice(&chunk[..chunk.len().min(missing)]);
        if self.content_type.is_none() && self.head.len() == media::HEAD {
            self.judge()?;
        }
        match &mut self.held.writer {
            Some(writer) => Ok(writer.write(chunk).await?),
            None => Ok(()),
        }
    }

    /// Judges the first bytes, so that what is not taken is refused before all of it has come.
    fn judge<E>(&mut self) -> Result<(), UploadError<E>> {
        let settled = self.announced.settle_type(&self.head).map_err(one)?;
        self.content_type = Some(settled);
        Ok(())
    }
}

/// An object that goes again unless it is kept.
struct Held {
    archive: Arc<Archive>,
    spool: SpoolId,
    writer: Option<Writer>,
    shutdown: Shutdown,
    is_kept: bool,
}

impl Held {
    fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Without a runtime the process ends, and the cleaner of the next one finds it.
        if self.is_kept || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (archive, spool, writer) = (Arc::clone(&self.archive), self.spool, self.writer.take());
        self.shutdown.spawn(async move {
            let removed = async {
                if let Some(writer) = writer {
                    writer.abandon().await?;
                }
                archive.remove_upload(spool).await
            };
            // What stays behind has no record; the cleaner finds it.
            if let Err(error) = removed.await {
                tracing::warn!(%spool, %error, "left a part of an upload behind");
            }
        });
    }
}

fn wrong<E>(field: &str, problem: &str) -> UploadError<E> {
    one(InvalidField {
        field: field.to_owned(),
        reason: InvalidReason::FieldInvalid,
        problem: problem.to_owned(),
    })
}

fn one<E>(wrong: InvalidField) -> UploadError<E> {
    UploadError::Invalid(vec![wrong])
}

/// How many bytes come between two looks at the room that is left.
const CHECK_ROOM: u64 = 1024 * 1024;
