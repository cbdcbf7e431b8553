//! Copies one output from the provider's short-lived address into the archive.
//!
//! Streams with bounded memory; a body that breaks is resumed where the server can prove that it
//! still is the same, else restarted. What arrives must be media of the kind that was asked for,
//! by its first bytes and not by what the server calls it. When to copy, and when to give up or to
//! ask for a fresh address, is the archiver's business.

mod pace;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;

use crate::archive::{Archive, ArchiveError, Key, Stored, Writer};
use crate::domain::generation::Media;
use crate::egress::{Egress, EgressError, Fetched, Resume};
use crate::media::{self, Format};
use crate::provider::{Opened, Provider};

use pace::{Pace, TooSlow};

/// Bounds of one copy.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest output, in bytes. Default 2 GiB.
    pub max_output_bytes: u64,
    /// Slowest transfer that is waited for, in bytes a second over [`Limits::window`]. Default 64 KiB.
    pub min_rate: u64,
    /// How long a transfer may be slower. Default 60 s.
    pub window: Duration,
}

/// An output that is in the archive, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its length and hash.
    pub stored: Stored,
    /// Its media type, from a closed list.
    pub content_type: &'static str,
    /// Width in pixels, where the media says so.
    pub width: Option<u32>,
    /// Height in pixels, where the media says so.
    pub height: Option<u32>,
    /// Duration in milliseconds, where the media says so.
    pub duration_ms: Option<u64>,
}

/// Why an output is not in the archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// The address no longer works (401, 403, 404, 410): ask the provider for a fresh one.
    #[error("the output's address has expired (status {0})")]
    Expired(u16),
    /// The transfer failed or was too slow; the same address may work later.
    #[error("the output could not be fetched: {0}")]
    Transport(String),
    /// The address, or the form of the answer, must not be used. No retry with it can succeed.
    #[error("the output's address cannot be used: {0}")]
    Refused(&'static str),
    /// It was kept here, and is not here any more.
    #[error("the kept output is lost")]
    Lost,
    /// The output is larger than the limit.
    #[error("the output is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// What arrived whole is no usable media of the kind that was asked for.
    #[error("the output is no usable media: {0}")]
    BadMedia(&'static str),
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_output_bytes: 2 * 1024 * 1024 * 1024,
            min_rate: 64 * 1024,
            window: Duration::from_mins(1),
        }
    }
}

/// Where an output is copied from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// For addresses that anybody may read.
    pub egress: &'a Egress,
    /// The account whose output it is; `None`: it is an address.
    pub provider: Option<&'a dyn Provider>,
}

impl<'a> From<&'a Egress> for Source<'a> {
    fn from(egress: &'a Egress) -> Self {
        Self {
            egress,
            provider: None,
        }
    }
}

impl Source<'_> {
    async fn open(self, output: &str, resume: Option<Resume<'_>>) -> Result<Fetched, EgressError> {
        let Some(provider) = self.provider else {
            return self.egress.get(output, resume).await;
        };
        match provider.open_output(output, resume).await? {
            Opened::Body(fetched) => Ok(*fetched),
            Opened::At(url) => self.egress.get(&url, resume).await,
        }
    }
}

/// Copies the output that the source knows as `output` to `key`, which must be an output of a kind that suits `expected`.
///
/// After `Ok` the object is durable and read back. After an error (or when dropped) the key holds
/// nothing new. Calling it again is always right.
pub async fn copy_output<'a>(
    source: impl Into<Source<'a>>,
    archive: &Archive,
    key: Key,
    output: &str,
    limits: Limits,
    expected: Media,
) -> Result<Copied, CopyError> {
    let source = source.into();
    let mut copy = Copy::begin(archive, key, limits, expected).await?;
    let (mut tries, mut in_vain, mut furthest) = (1, 0, 0);
    while let Err(error) = copy.run(source, output).await {
        let broke_off = matches!(error, CopyError::Transport(_)) && copy.has_moved;
        in_vain = if copy.writer.written() > furthest {
            furthest = copy.writer.written();
            0
        } else {
            in_vain + 1
        };
        if !broke_off || tries == MAX_TRIES || in_vain == MAX_IN_VAIN {
            return Err(error);
        }
        tries += 1;
    }
    copy.end().await
}

/// Copies an output that is in the archive under `from`, because it came with the acceptance of its
/// create, to `key`. The same rules and promises as [`copy_output`].
pub async fn copy_kept(
    archive: &Archive,
    from: Key,
    key: Key,
    limits: Limits,
    expected: Media,
) -> Result<Copied, CopyError> {
    let mut copy = Copy::begin(archive, key, limits, expected).await?;
    let mut kept = archive.kept(from).await.map_err(lost)?.open();
    while let Some(chunk) = kept.try_next().await.map_err(lost)? {
        copy.take(chunk).await?;
    }
    copy.end().await
}

fn lost(error: ArchiveError) -> CopyError {
    match error {
        ArchiveError::Missing | ArchiveError::Damaged(_) => CopyError::Lost,
        passing @ ArchiveError::Unavailable(_) => CopyError::Archive(passing),
    }
}

/// A copy under way: what is written so far, and how to go on.
struct Copy<'a> {
    archive: &'a Archive,
    key: Key,
    limits: Limits,
    expected: Media,
    writer: Writer,
    head: BytesMut,
    format: Option<Format>,
    etag: Option<String>,
    total: Option<u64>,
    /// The last try brought bytes, so another one is worth it.
    has_moved: bool,
}

impl<'a> Copy<'a> {
    async fn begin(
        archive: &'a Archive,
        key: Key,
        limits: Limits,
        expected: Media,
    ) -> Result<Self, CopyError> {
        Ok(Self {
            archive,
            key,
            limits,
            expected,
            writer: archive.writer(key).await?,
            head: BytesMut::new(),
            format: None,
            etag: None,
            total: None,
            has_moved: false,
        })
    }

    /// One transfer, from where the last one broke if the server goes along.
    async fn run(&mut self, source: Source<'_>, output: &str) -> Result<(), CopyError> {
        self.has_moved = false;
        let from = self.writer.written();
        let resume = self
            .etag
            .as_deref()
            .filter(|_| from > 0)
            .map(|etag| Resume { from, etag });
        let fetched = match source.open(output, resume).await {
            // The range is not to be had: the whole must be, in the next try.
            Err(EgressError::Http(416)) if resume.is_some() => {
                self.restart().await?;
                self.has_moved = true;
                return Err(CopyError::Transport(
                    "the server no longer has that range".to_owned(),
                ));
            }
            fetched => fetched?,
        };
        if !self.continues(&fetched)? {
            self.restart().await?;
            self.etag.clone_from(&fetched.etag);
            self.total = fetched.content_length;
        }
        if self
            .total
            .is_some_and(|total| total > self.limits.max_output_bytes)
        {
            return Err(self.too_large());
        }
        self.pour(fetched).await
    }

    /// Whether a body goes on where we are; otherwise it is the whole from its start.
    fn continues(&self, fetched: &Fetched) -> Result<bool, CopyError> {
        if fetched.status != 206 {
            return Ok(false);
        }
        let range = fetched.content_range.filter(|range| {
            let same = |total| self.total.is_none_or(|known| known == total);
            range.start == self.writer.written() && range.start > 0 && range.total.is_none_or(same)
        });
        match range {
            Some(_) => Ok(true),
            None => Err(CopyError::Refused(
                "the server sent another range than was asked for",
            )),
        }
    }

    async fn restart(&mut self) -> Result<(), CopyError> {
        if self.writer.written() > 0 {
            self.writer = self.archive.writer(self.key).await?;
        }
        self.head.clear();
        self.format = None;
        self.etag = None;
        self.total = None;
        Ok(())
    }

    async fn pour(&mut self, mut fetched: Fetched) -> Result<(), CopyError> {
        let mut pace = Pace::new(self.limits.min_rate, self.limits.window);
        while let Some(chunk) = pace.keep(fetched.chunk()).await?? {
            pace.count(chunk.len());
            self.take(chunk).await?;
        }
        if self
            .total
            .is_some_and(|total| total != self.writer.written())
        {
            return Err(CopyError::Transport("the output ends early".to_owned()));
        }
        Ok(())
    }

    async fn take(&mut self, chunk: Bytes) -> Result<(), CopyError> {
        let after = self.writer.written() + chunk.len() as u64;
        if after > self.limits.max_output_bytes {
            return Err(self.too_large());
        }
        if self.total.is_some_and(|total| after > total) {
            return Err(CopyError::Transport(
                "the output is longer than announced".to_owned(),
            ));
        }
        if self.format.is_none() {
            let missing = media::HEAD - self.head.len();
            self.head
                .extend_from_slice(&chunk[..chunk.len().min(missing)]);
            if self.head.len() == media::HEAD {
                self.judge()?;
            }
        }
        self.has_moved |= !chunk.is_empty();
        Ok(self.writer.write(chunk).await?)
    }

    /// Judges the first bytes, so that a page of an error is not copied to its end.
    fn judge(&mut self) -> Result<Format, CopyError> {
        let format =
            media::sniff(&self.head).ok_or(CopyError::BadMedia("it is of no known type"))?;
        if !format.suits(self.expected) {
            return Err(CopyError::BadMedia(
                "it is of another kind than was asked for",
            ));
        }
        self.format = Some(format);
        Ok(format)
    }

    async fn finish(mut self) -> Result<(Stored, Format), CopyError> {
        let format = match self.format {
            Some(format) => format,
            None if self.head.is_empty() => return Err(CopyError::BadMedia("it is empty")),
            None => self.judge()?,
        };
        Ok((self.writer.finish().await?, format))
    }

    /// What was copied whole, looked at as a whole.
    async fn end(self) -> Result<Copied, CopyError> {
        let (archive, key) = (self.archive, self.key);
        let (stored, format) = self.finish().await?;
        let size = stored.size_bytes;
        let facts = media::probe(media::Source::Object { archive, key, size }, format).await?;
        if facts.is_cut {
            // Without an announced length, only the media itself can show that its end is missing.
            return Err(CopyError::Transport("the output ends early".to_owned()));
        }
        Ok(Copied {
            stored,
            content_type: format.content_type(),
            width: facts.measured.width,
            height: facts.measured.height,
            duration_ms: facts.measured.duration_ms,
        })
    }

    fn too_large(&self) -> CopyError {
        CopyError::TooLarge {
            limit: self.limits.max_output_bytes,
        }
    }
}

impl From<EgressError> for CopyError {
    fn from(error: EgressError) -> Self {
        match error {
            EgressError::Refused(why) => Self::Refused(why),
            EgressError::Http(status @ (401 | 403 | 404 | 410)) => Self::Expired(status),
            error @ (EgressError::Http(_) | EgressError::Transport(_)) => {
                Self::Transport(error.to_string())
            }
        }
    }
}

impl From<TooSlow> for CopyError {
    fn from(_: TooSlow) -> Self {
        Self::Transport("the transfer is too slow".to_owned())
    }
}

/// Transfers within one call. Each of them got further than the one before, so a large file comes
/// home from a server that breaks off again and again.
const MAX_TRIES: u32 = 32;
/// Transfers in a row that did not.
const MAX_IN_VAIN: u32 = 2;

#[cfg(test)]
mod tests;
