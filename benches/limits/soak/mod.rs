//! Bounds: what many watchers, stalled readers and tasks cost together, and that ten minutes of
//! mixed load leave no trace in memory.
//!
//! What calls cost over a store with a million finished tasks is with P8, which makes that store.

pub mod bounds;
mod journey;
pub mod mixed;
mod stalled;

const TARGET: &str = "soak";
