//! Bounds: what many watchers, stalled readers and tasks cost together, and that ten minutes of
//! mixed load leave no trace in memory.
//!
//! What calls cost over a store with a million finished tasks is with P8, which makes that store.

mod bounds;
mod journey;
mod mixed;
mod stalled;

use crate::bench::Bench;
use crate::table::Row;

pub async fn bounds(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    bounds::rows(bench).await
}

pub async fn mixed(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    mixed::rows(bench).await
}

const TARGET: &str = "soak";
