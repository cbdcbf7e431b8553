//! How reloads of the configuration went: written by `app`, read by whoever tells it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// How reloads of the configuration went.
#[derive(Debug, Default)]
pub struct ReloadState {
    generation: AtomicU64,
    last_ok_ms: AtomicI64,
    failures: AtomicU64,
    has_failed: AtomicBool,
}

impl ReloadState {
    /// A configuration is in force, the first or another; the time is in Unix milliseconds.
    pub fn succeeded(&self, now_ms: i64) {
        self.last_ok_ms.store(now_ms, Ordering::Relaxed);
        self.has_failed.store(false, Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// A configuration was refused, and the one before stays in force.
    pub fn failed(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
        self.failures.fetch_add(1, Ordering::Release);
    }

    /// Configurations that were in force so far, this one included: 1 after the start.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// When the one in force came into force, in Unix milliseconds.
    pub fn last_ok_ms(&self) -> i64 {
        self.last_ok_ms.load(Ordering::Relaxed)
    }

    /// Configurations that were refused so far. One that stays as it is counts once.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    /// Whether the newest configuration is not the one in force, since it was refused.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }
}
