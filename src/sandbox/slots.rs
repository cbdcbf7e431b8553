//! The upload slots that were given out: nothing of a file is kept but its size.

use std::collections::{HashMap, VecDeque};

/// A slot for one file.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The name in its upload URL.
    pub id: String,
    /// An opaque field that the form must repeat.
    pub policy: String,
    /// The URI that names the file in a create.
    pub uri: String,
    opened_ms: i64,
    bytes: Option<u64>,
}

/// All slots, the oldest dropped first.
#[derive(Debug, Default)]
pub struct Slots {
    slots: HashMap<String, Slot>,
    order: VecDeque<String>,
}

impl Slots {
    /// Opens a slot.
    pub fn open(&mut self, now_ms: i64) -> Slot {
        if self.order.len() >= MAX_SLOTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.slots.remove(&oldest);
        }
        let id = uuid::Builder::from_random_bytes(rand::random())
            .into_uuid()
            .to_string();
        let slot = Slot {
            policy: format!("sandbox-{:016x}", rand::random::<u64>()),
            uri: format!("{SCHEME}{id}"),
            id: id.clone(),
            opened_ms: now_ms,
            bytes: None,
        };
        self.order.push_back(id.clone());
        self.slots.insert(id, slot.clone());
        slot
    }

    /// What the form of an open slot must repeat; `None` when it is unknown, used or expired.
    pub fn policy(&self, id: &str, now_ms: i64) -> Option<String> {
        let slot = self.slots.get(id)?;
        (slot.bytes.is_none() && slot.is_fresh(now_ms)).then(|| slot.policy.clone())
    }

    /// Marks the slot's file as stored.
    pub fn complete(&mut self, id: &str, bytes: u64) {
        if let Some(slot) = self.slots.get_mut(id) {
            slot.bytes = Some(bytes);
        }
    }

    /// Whether the URI names a stored file that has not expired.
    pub fn knows(&self, uri: &str, now_ms: i64) -> bool {
        let slot = uri.strip_prefix(SCHEME).and_then(|id| self.slots.get(id));
        slot.is_some_and(|slot| slot.bytes.is_some() && slot.is_fresh(now_ms))
    }
}

impl Slot {
    fn is_fresh(&self, now_ms: i64) -> bool {
        now_ms - self.opened_ms < LIFETIME_MS
    }
}

const SCHEME: &str = "runway://sandbox/";
const LIFETIME_MS: i64 = 24 * 60 * 60 * 1_000;
const MAX_SLOTS: usize = 10_000;
