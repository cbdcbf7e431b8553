//! What a provider of generative media must be able to do, in the domain's words.
//!
//! One folder per provider implements it; a provider's own JSON, codes and field names appear
//! nowhere else. Retrying, scheduling and choosing an account are the workers' business: every
//! method here makes at most one attempt.

mod accounts;
mod http;
mod measured;
pub mod openai;
pub mod redact;
mod roster;
pub mod runway;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

pub use accounts::{Account, Accounts};
pub use measured::Measured;
pub use roster::{LiveRoster, Roster};

use crate::domain::generation::Generation;
use crate::domain::routing::AccountLimits;
use crate::domain::task::{Observation, Rejection, SubmitOutcome};
use crate::egress::{EgressError, Fetched, Origin, Resume};

/// One account at one provider.
#[async_trait]
pub trait Provider: Send + Sync + fmt::Debug {
    /// The account's name; upstream ids are unique within it.
    fn account(&self) -> &str;

    /// Whether [`Provider::place`] puts media of this type and length themselves into the address:
    /// nothing is sent then, and nothing is gained by remembering it.
    fn embeds(&self, content_type: &str, size_bytes: u64) -> bool;

    /// Makes an address of media that creates of this account may name.
    ///
    /// Free, and may take long. Called before the intent is committed, and again after an error or
    /// a crash: nothing that it leaves at the provider costs anything or must be cleaned up. An
    /// error means that there is no address, and that no task was created.
    async fn place(&self, media: &Media) -> Result<Placed, Rejection>;

    /// Builds the create call. `uris` has one address for each of the generation's inputs, in
    /// order: the caller's own, or one from [`Provider::place`].
    fn prepare(&self, generation: &Generation, uris: &[String]) -> Prepared;

    /// Sends the one create call: at most one request leaves, whatever happens to it.
    ///
    /// Before: the intent of this attempt is committed. After: *accepted* carries the id of an
    /// existing task; *rejected* is proof that no task exists; *unknown* is everything else, and is
    /// never resubmitted on its own. There is no error: each failure is one of the three. Dropping
    /// the future (or a crash) leaves the outcome unknown. Each call creates another task.
    async fn submit(&self, prepared: Prepared) -> SubmitOutcome;

    /// Asks once where a task stands. Free, changes nothing, may be repeated at will.
    async fn observe(&self, upstream_id: &str) -> Result<Observation, ProviderError>;

    /// Asks once to cancel a task that is not finished.
    ///
    /// The caller has just observed it unfinished: a provider may *delete* a finished task on this
    /// call. After an error it may or may not have been cancelled; [`Provider::observe`] decides.
    async fn cancel(&self, upstream_id: &str) -> Result<CancelAnswer, ProviderError>;

    /// Whether an output that [`Provider::observe`] names came with the acceptance of its create, and
    /// so was kept in the archive then. There is no other copy of it.
    fn came_with_acceptance(&self, _output: &str) -> bool {
        false
    }

    /// Begins to fetch an output that [`Provider::observe`] names, from the start or from where an
    /// earlier body broke. Free, may be repeated at will.
    ///
    /// The account's key goes to the account's own base alone: an output that is anywhere else is
    /// answered with its address, for the guarded client.
    async fn open_output(
        &self,
        output: &str,
        _resume: Option<Resume<'_>>,
    ) -> Result<Opened, EgressError> {
        Ok(Opened::At(output.to_owned()))
    }

    /// Asks once what the account may do and has left. Free, may be repeated at will. `None`: the
    /// provider does not tell.
    async fn limits(&self) -> Result<Option<AccountLimits>, ProviderError> {
        Ok(None)
    }

    /// The loopback origin on which outputs are accepted; `None` unless the configured base is one.
    fn output_origin(&self) -> Option<Origin>;
}

/// A create call, ready to be sent. Holds the caller's words and media: never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The provider's path of the operation.
    pub endpoint: String,
    /// The media type of the body.
    pub content_type: String,
    /// The request's body.
    pub body: Bytes,
}

/// Where an output is.
#[derive(Debug)]
pub enum Opened {
    /// Here: the provider gave it to the account.
    Body(Box<Fetched>),
    /// At this address, which is signed and needs no key.
    At(String),
}

/// An address of media at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The address; may hold the media itself.
    pub uri: String,
    /// How long creates may name it from now on; `None`: it is for one create, now.
    pub lasts: Option<Duration>,
}

/// Bytes of an input that the archive spooled.
#[derive(Clone)]
pub struct Media {
    /// The media type.
    pub content_type: String,
    /// The length in bytes; a stream that is longer or shorter is refused.
    pub size_bytes: u64,
    open: Arc<Opener>,
}

/// A fresh stream of an input's bytes.
pub type MediaStream = BoxStream<'static, io::Result<Bytes>>;

type Opener = dyn Fn() -> MediaStream + Send + Sync;

/// What became of a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelAnswer {
    /// The provider confirmed it.
    Done,
    /// The provider does not know the task (any more).
    NotFound,
}

/// Why a provider could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// What to do next.
    pub kind: ProviderErrorKind,
    /// How long the provider asked to wait, already clamped.
    pub retry_after: Option<Duration>,
    /// A sentence for the log, cleaned and shortened; never a secret.
    pub message: String,
}

/// What a failed question means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderErrorKind {
    /// No such task, says the provider; it may be wrong for a moment.
    NotFound,
    /// Asked too often, or the account's quota is used up.
    RateLimited,
    /// The key is not (or no longer) accepted.
    Unauthorized,
    /// Not reachable, overloaded or failing; ask again later.
    Unavailable,
    /// It answered something that cannot be understood.
    Unintelligible,
}

impl Media {
    /// Media whose bytes `open` streams, from the start, each time it is called.
    pub fn new(
        content_type: impl Into<String>,
        size_bytes: u64,
        open: impl Fn() -> MediaStream + Send + Sync + 'static,
    ) -> Self {
        Self {
            content_type: content_type.into(),
            size_bytes,
            open: Arc::new(open),
        }
    }

    /// A fresh stream of the bytes.
    pub fn open(&self) -> MediaStream {
        (self.open)()
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media")
            .field("content_type", &self.content_type)
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.body.len();
        f.debug_struct("Prepared")
            .field("endpoint", &self.endpoint)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}
