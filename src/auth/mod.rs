//! API key → caller, for every face.
//!
//! Keys are known by their SHA-256 alone. A server without keys knows one caller, who may do
//! everything: whoever reaches it. A server that has once needed a key needs one until it ends: no
//! reload opens it to strangers.
//!
//! What a key has used (its pace, its open streams) lives as long as the key stays what it is, through
//! every reload. Streams hear of the end of their key through one channel per key: no task and no timer
//! stands behind a stream.
//!
//! Not here: what each call needs of a caller (the face says), and budgets, which the store holds.

mod follow;
mod life;
mod secret;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderMap;
use parking_lot::Mutex;
use subtle::ConstantTimeEq as _;

use crate::clock::Clock;
use crate::config::{Callers, Key};
use crate::domain::caller::{Caller, Callers as Limits, KeyId, Scope};
use crate::domain::time::Timestamp;

pub use life::StreamPass;
use life::{Life, Standing};
pub use secret::NewKey;

/// Who may call. Cheap to clone; every clone sees a reload.
#[derive(Clone)]
pub struct Auth {
    inner: Arc<Inner>,
}

struct Inner {
    directory: ArcSwap<Directory>,
    clock: Clock,
    /// Held while a directory is replaced or its keys expire.
    changing: Mutex<()>,
}

/// Every key, and what holds beside them.
struct Directory {
    is_key_needed: bool,
    /// By the beginning of the digest.
    keys: HashMap<[u8; PREFIX], Vec<Arc<Entry>>>,
    /// Everybody, on a server without keys.
    local: Arc<Entry>,
    tenants: Limits,
}

/// A key, the caller that it stands for, and what it has used.
#[derive(Debug)]
struct Entry {
    /// `None` for the one caller of a server without keys.
    key: Option<Key>,
    caller: Caller,
    life: Arc<Life>,
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No key came with the call.
    #[error("the call needs an API key")]
    Missing,
    /// What came is no key that is known.
    #[error("{0}")]
    Invalid(&'static str),
    /// The key's time is over.
    #[error("the API key has expired")]
    Expired,
    /// The key was revoked, or it is no longer what a stream was opened with.
    #[error("the API key was revoked")]
    Revoked,
    /// The tenant may do nothing.
    #[error("the tenant is suspended")]
    Suspended,
    /// The key may not make this call.
    #[error("the API key lacks the scope `{}`", .0.as_str())]
    Scope(Scope),
    /// Calls come too fast.
    #[error("the API key may make {per_minute} calls a minute")]
    TooFast {
        /// Whose limit.
        key: KeyId,
        /// The limit.
        per_minute: u32,
        /// When the next may come.
        wait: Duration,
    },
    /// The key has as many streams open as it may.
    #[error("the API key has {most} streams open, as many as it may")]
    TooManyStreams {
        /// Whose limit.
        key: KeyId,
        /// The limit.
        most: u32,
    },
}

/// Somebody who has shown a key that is good, or needs none.
#[derive(Clone, Debug)]
pub struct Visitor {
    entry: Arc<Entry>,
}

impl Auth {
    /// Knows the callers of a configuration.
    pub fn new(callers: &Callers) -> Self {
        let life = Arc::new(Life::default());
        let directory = Directory::new(callers, false, life, |_| None);
        Self {
            inner: Arc::new(Inner {
                directory: ArcSwap::from_pointee(directory),
                clock: Clock,
                changing: Mutex::new(()),
            }),
        }
    }

    /// Knows these callers from now on. Streams of keys that are gone, or that would not be let in as
    /// they were, end at once; calls that are under way do not.
    pub fn replace(&self, callers: &Callers) {
        let _changing = self.inner.changing.lock();
        let old = self.inner.directory.load_full();
        let life = Arc::clone(&old.local.life);
        let kept = |key: &Key| old.life_of(key);
        let new = Arc::new(Directory::new(callers, old.is_key_needed, life, kept));
        self.inner.directory.store(Arc::clone(&new));
        let now = self.now();
        for entry in old.entries() {
            let key = entry.key.as_ref();
            let is_kept = key.is_none_or(|key| new.life_of(key).is_some());
            if !is_kept {
                entry.life.set(Standing::Revoked);
            }
        }
        for entry in new.entries() {
            entry.life.set(new.standing(entry, now));
        }
    }

    /// Whether a key is needed.
    pub fn is_needed(&self) -> bool {
        self.inner.directory.load().is_key_needed
    }

    /// Who sends a call with these headers. It counts as one call of its key.
    ///
    /// # Errors
    /// Why nobody may make it; never [`Refused::Scope`] or [`Refused::TooManyStreams`].
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Visitor, Refused> {
        let now = self.now();
        let entry = self.known(headers, now)?;
        let limits = &entry.caller.limits;
        if let Some(per_minute) = limits.requests_per_minute.and_then(NonZeroU32::new) {
            entry
                .life
                .admit(per_minute, now)
                .map_err(|wait| Refused::TooFast {
                    key: entry.caller.key.clone().unwrap_or_else(|| KeyId::new("")),
                    per_minute: per_minute.get(),
                    wait,
                })?;
        }
        Ok(Visitor { entry })
    }

    /// Lets whoever sends these headers see numbers of the whole server: an operator's key, or none where
    /// none is needed. Not counted as a call.
    ///
    /// # Errors
    /// Why the key may not.
    pub fn see_all(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let entry = self.known(headers, self.now())?;
        Visitor { entry }.check(Scope::Operate)
    }

    /// The key that is shown, if it is good now.
    fn known(&self, headers: &HeaderMap, now: Timestamp) -> Result<Arc<Entry>, Refused> {
        let directory = self.inner.directory.load();
        let entry = if directory.is_key_needed {
            let shown = shown::key(headers)?.ok_or(Refused::Missing)?;
            directory.find(&crate::config::callers::digest(shown))
        } else {
            Some(&directory.local)
        };
        let entry = entry.ok_or(Refused::Invalid("the API key is not known"))?;
        directory.standing(entry, now).check()?;
        Ok(Arc::clone(entry))
    }

    /// Ends the streams of keys whose time is over by now.
    fn expire(&self) {
        let _changing = self.inner.changing.lock();
        let (directory, now) = (self.inner.directory.load(), self.now());
        for entry in directory.entries() {
            entry.life.set(directory.standing(entry, now));
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.inner.clock.now_ms())
    }
}

/// Keys are found by their digests, which tell a key that can be guessed.
impl fmt::Debug for Auth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = out.debug_struct("Auth");
        shown.field("is_needed", &self.is_needed());
        shown.finish_non_exhaustive()
    }
}

impl Visitor {
    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.entry.caller
    }

    /// Whether it may make calls of a kind.
    ///
    /// # Errors
    /// [`Refused::Scope`] when not.
    pub fn check(&self, scope: Scope) -> Result<(), Refused> {
        if self.entry.caller.scopes.contains(&scope) {
            Ok(())
        } else {
            Err(Refused::Scope(scope))
        }
    }

    /// One of the streams that it may have open, as long as the pass lives.
    ///
    /// # Errors
    /// [`Refused::TooManyStreams`].
    pub fn open_stream(&self) -> Result<StreamPass, Refused> {
        let caller = &self.entry.caller;
        let opened = StreamPass::open(&self.entry.life, caller.limits.streams);
        opened.map_err(|most| Refused::TooManyStreams {
            key: caller.key.clone().unwrap_or_else(|| KeyId::new("")),
            most,
        })
    }
}

impl Directory {
    fn new(
        callers: &Callers,
        was_needed: bool,
        local: Arc<Life>,
        kept: impl Fn(&Key) -> Option<Arc<Life>>,
    ) -> Self {
        let mut keys: HashMap<_, Vec<_>> = HashMap::with_capacity(callers.keys.len());
        for key in &callers.keys {
            let entry = Entry {
                caller: caller(key),
                life: kept(key).unwrap_or_default(),
                key: Some(key.clone()),
            };
            let prefix = prefix(&key.sha256);
            keys.entry(prefix).or_default().push(Arc::new(entry));
        }
        Self {
            is_key_needed: was_needed || callers.is_key_needed(),
            keys,
            local: Arc::new(Entry {
                key: None,
                caller: Caller::local(),
                life: local,
            }),
            tenants: callers.limits.clone(),
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        let keys = self.keys.values().flatten();
        keys.chain(std::iter::once(&self.local))
    }

    /// The digest is looked for by its beginning and compared whole in constant time: how long it takes
    /// tells nobody how much of a guess was right.
    fn find(&self, digest: &[u8; 32]) -> Option<&Arc<Entry>> {
        let candidates = self.keys.get(&prefix(digest))?;
        let is_it = |entry: &&Arc<Entry>| {
            let key = entry.key.as_ref();
            key.is_some_and(|key| key.sha256.ct_eq(digest).into())
        };
        candidates.iter().find(is_it)
    }

    /// What the same key has used so far, if its streams may go on as they were opened.
    fn life_of(&self, key: &Key) -> Option<Arc<Life>> {
        let entry = self.find(&key.sha256)?;
        let own = entry.key.as_ref()?;
        let is_same = own.id == key.id && own.tenant == key.tenant && own.scopes == key.scopes;
        is_same.then(|| Arc::clone(&entry.life))
    }

    fn standing(&self, entry: &Entry, now: Timestamp) -> Standing {
        let is_suspended = self.tenants.tenant(&entry.caller.tenant).suspended;
        match &entry.key {
            None if self.is_key_needed => Standing::KeyNeeded,
            Some(key) if key.revoked.is_some() => Standing::Revoked,
            Some(key) if key.expires.is_some_and(|end| end <= now) => Standing::Expired,
            _ if is_suspended => Standing::Suspended,
            _ => Standing::Good,
        }
    }
}

fn caller(key: &Key) -> Caller {
    Caller {
        tenant: key.tenant.clone(),
        key: Some(key.id.clone()),
        models: key.models.clone(),
        scopes: key.scopes.iter().copied().collect(),
        limits: key.limits.clone(),
    }
}

fn prefix(digest: &[u8; 32]) -> [u8; PREFIX] {
    let mut prefix = [0; PREFIX];
    prefix.copy_from_slice(&digest[..PREFIX]);
    prefix
}

/// Bytes of a digest that it is looked up by.
const PREFIX: usize = 8;
