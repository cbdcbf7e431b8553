//! What a key has used so far, and how its streams hear of its end.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::Refused;
use crate::domain::pace::Pace;
use crate::domain::time::Timestamp;

/// Whether a key is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is.
    #[default]
    Good,
    /// It was revoked, removed, or made into another.
    Revoked,
    /// Its time is over.
    Expired,
    /// Its tenant may do nothing.
    Suspended,
    /// There was no key, and one is needed by now.
    KeyNeeded,
}

/// The part of a key that outlives reloads.
#[derive(Debug)]
pub(super) struct Life {
    standing: watch::Sender<Standing>,
    pace: Mutex<Pace>,
    streams: AtomicU32,
}

/// One open stream of a key; given back when dropped.
#[derive(Debug)]
pub struct StreamPass {
    life: Arc<Life>,
    standing: watch::Receiver<Standing>,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            standing: watch::Sender::default(),
            pace: Mutex::default(),
            streams: AtomicU32::new(0),
        }
    }
}

impl Standing {
    pub(super) fn check(self) -> Result<(), Refused> {
        match self {
            Self::Good => Ok(()),
            Self::Revoked => Err(Refused::Revoked),
            Self::Expired => Err(Refused::Expired),
            Self::Suspended => Err(Refused::Suspended),
            Self::KeyNeeded => Err(Refused::Missing),
        }
    }
}

impl Life {
    /// Tells the streams, if it is news.
    pub(super) fn set(&self, standing: Standing) {
        self.standing.send_if_modified(|old| {
            let is_new = *old != standing;
            *old = standing;
            is_new
        });
    }

    /// Counts a call, or says how long to wait.
    pub(super) fn admit(&self, per_minute: NonZeroU32, now: Timestamp) -> Result<(), Duration> {
        self.pace.lock().admit(per_minute, now)
    }
}

impl StreamPass {
    /// One more stream, or the limit that it would pass.
    pub(super) fn open(life: &Arc<Life>, most: Option<u32>) -> Result<Self, u32> {
        let most = most.unwrap_or(u32::MAX);
        let more = |open: u32| (open < most).then(|| open + 1);
        let (set, fetch) = (Ordering::AcqRel, Ordering::Acquire);
        if life.streams.fetch_update(set, fetch, more).is_err() {
            return Err(most);
        }
        Ok(Self {
            standing: life.standing.subscribe(),
            life: Arc::clone(life),
        })
    }

    /// Resolves when the stream must end, with the reason; until then never.
    pub async fn ended(&mut self) -> Refused {
        let is_over = |standing: &Standing| *standing != Standing::Good;
        // The sender lives in the life that is held here.
        match self.standing.wait_for(is_over).await {
            Ok(standing) => standing.check().err().unwrap_or(Refused::Revoked),
            Err(_) => Refused::Revoked,
        }
    }
}

impl Drop for StreamPass {
    fn drop(&mut self) {
        self.life.streams.fetch_sub(1, Ordering::AcqRel);
    }
}
