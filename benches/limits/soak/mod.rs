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

pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut rows = bounds::rows(bench).await?;
    rows.extend(mixed::rows(bench).await?);
    Ok(rows)
}

const TARGET: &str = "soak";
