//! Webhooks: who is told of a task's end, how, and what became of it.
//!
//! A [`Delivery`] is one event for one receiver. It is made with the end of its task and keeps its
//! event id through every try, so that a receiver can tell a repeat. What a try brings is decided by
//! [`Delivery::tried`]; nothing here sends anything.

mod schedule;
mod secret;
mod target;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

pub use secret::{InvalidSecret, MAX_SECRETS, Secret, SigningKey};
pub use target::{Allowed, MAX_URL, Origin, Reach, check, is_address, levels, receiver, shown};

use super::caller::KeyId;
use super::id::TaskId;
use super::task::{Status, Task};
use super::time::Timestamp;

/// What is configured of webhooks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhooks {
    /// Origins that are called as they are, be they private or without TLS.
    pub allow: Allowed,
    /// Keys that have a receiver or secrets of their own.
    pub keys: BTreeMap<KeyId, KeyWebhook>,
}

/// What is configured of one key's webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyWebhook {
    /// Who is told of tasks that name nobody; `None`: nobody.
    pub url: Option<String>,
    /// What its events are signed with, each of them; none: the secret that is derived for the key.
    pub secrets: Vec<Secret>,
}

/// The name of an event: `evt_` and 32 hex digits, the same for every try.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventId(String);

/// One event for one receiver, and what became of it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The event's name.
    pub event: EventId,
    /// The task that ended.
    pub task: TaskId,
    /// How it ended; always terminal.
    pub ending: Status,
    /// Where to. Without its query once nothing is sent there any more.
    pub url: String,
    /// Who is there, as [`receiver`] says: whose silence is remembered. Of former versions host and port.
    pub receiver: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub tries: u32,
    /// What the last try brought; `None` before the first.
    pub last: Option<LastTry>,
    /// When the task ended.
    pub created: Timestamp,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be tried.
    Pending {
        /// Not before.
        due: Timestamp,
    },
    /// The receiver took it.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// It is not tried any more.
    GivenUp {
        /// Since when.
        at: Timestamp,
    },
}

/// What a try brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastTry {
    /// When it ended.
    pub at: Timestamp,
    /// The HTTP status that was answered; `None`: there was no answer.
    pub status: Option<u16>,
    /// Why it counts as failed, for people; empty: it does not. Never holds an address.
    pub error: String,
}

/// What a receiver said to a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An HTTP answer.
    Answer {
        /// Its status.
        status: u16,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// None, or nothing could be sent; why, without any address.
    Nothing(String),
}

/// How patiently deliveries are tried again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The wait after the first failure, by which all others grow.
    pub first_retry: Duration,
    /// How long after the end of the task the last try is made.
    pub give_up: Duration,
}

impl Webhooks {
    /// Who is told of a task that names nobody itself.
    pub fn url_of(&self, key: Option<&KeyId>) -> Option<&str> {
        self.keys.get(key?)?.url.as_deref()
    }

    /// What events of a key's tasks are signed with; at least one secret.
    pub fn secrets(&self, key: Option<&KeyId>, signing: &SigningKey) -> Vec<Secret> {
        let own = key.and_then(|key| self.keys.get(key));
        match own {
            Some(own) if !own.secrets.is_empty() => own.secrets.clone(),
            _ => vec![signing.secret(key)],
        }
    }
}

impl EventId {
    /// The name of a task's end. It follows from the task, so that no accident makes two of them.
    pub fn of(task: TaskId, ending: Status) -> Self {
        let digest = Sha256::new()
            .chain_update("mediagen.event.1\0")
            .chain_update(task.as_bytes())
            .chain_update(ending.as_str())
            .finalize();
        Self(format!("evt_{}", hex::encode(&digest[..16])))
    }

    /// A name that was stored.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl DeliveryState {
    /// The name in stores and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Delivered { .. } => "delivered",
            Self::GivenUp { .. } => "given_up",
        }
    }
}

impl Delivery {
    /// What is due when the task has ended; `None` while it has not, and when nobody is to be told.
    pub fn of(task: &Task) -> Option<Self> {
        let url = &task.order.webhook;
        if !task.state.is_terminal() || url.is_empty() {
            return None;
        }
        let ended = task.times.completed.unwrap_or(task.times.updated);
        let ending = task.status();
        Some(Self {
            event: EventId::of(task.id, ending),
            task: task.id,
            ending,
            receiver: receiver(url, &task.tenant),
            url: url.clone(),
            state: DeliveryState::Pending { due: ended },
            tries: 0,
            last: None,
            created: ended,
        })
    }

    /// The delivery after one more try that ended `now`. `random` is in 0..1.
    ///
    /// A 2xx delivers, a 410 says that nobody wants it; anything else is tried again until the
    /// patience is over, and at that moment for the last time.
    #[must_use]
    pub fn tried(self, reply: Reply, patience: Patience, now: Timestamp, random: f64) -> Self {
        let tries = self.tries.saturating_add(1);
        let (status, retry_after, error) = match reply {
            Reply::Answer {
                status,
                retry_after,
            } => (Some(status), retry_after, complaint(status)),
            Reply::Nothing(why) => (None, None, why),
        };
        let end = self.created.after(patience.give_up);
        let state = match status {
            Some(200..=299) => DeliveryState::Delivered { at: now },
            Some(GONE) => DeliveryState::GivenUp { at: now },
            _ if now >= end => DeliveryState::GivenUp { at: now },
            _ => {
                let wait = schedule::wait(self.tries, patience.first_retry, retry_after, random);
                let due = now.after(wait).min(end);
                DeliveryState::Pending { due }
            }
        };
        let is_over = !matches!(state, DeliveryState::Pending { .. });
        Self {
            // A query may hold the receiver's own secret, which is of no use any more.
            url: if is_over { shown(&self.url) } else { self.url },
            state,
            tries,
            last: Some(LastTry {
                at: now,
                status,
                error,
            }),
            ..self
        }
    }
}

/// Why an answer is none that delivers; empty: it is.
fn complaint(status: u16) -> String {
    match status {
        200..=299 => String::new(),
        300..=399 => format!("the receiver redirects ({status}), which is not followed"),
        GONE => "the receiver wants no more events (410)".to_owned(),
        _ => format!("the receiver answered {status}"),
    }
}

/// The status that says that nobody is there any more.
const GONE: u16 = 410;

#[cfg(test)]
mod tests;
