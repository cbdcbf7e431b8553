//! API key → caller, for every face.
//!
//! Keys are known by their SHA-256 alone. A server without keys knows one caller, who may do
//! everything: whoever reaches it.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::Key;

/// Who may call. Cheap to clone; every clone sees a reload.
#[derive(Clone, Debug)]
pub struct Auth {
    keys: Arc<ArcSwap<Vec<Key>>>,
}

impl Auth {
    /// Knows these keys; none at all: everybody is let in.
    pub fn new(keys: Vec<Key>) -> Self {
        Self {
            keys: Arc::new(ArcSwap::from_pointee(keys)),
        }
    }

    /// Knows these keys from now on. Streams of keys that are gone end.
    pub fn replace(&self, keys: Vec<Key>) {
        self.keys.store(Arc::new(keys));
    }

    /// Whether a key is needed.
    pub fn is_needed(&self) -> bool {
        !self.keys.load().is_empty()
    }
}
