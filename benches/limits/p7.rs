//! P7: how long after the end at the provider a task is COMPLETED.

use crate::bench::Bench;
use crate::table::Row;

#[expect(clippy::unused_async, reason = "not written yet")]
pub async fn run(_: &Bench) -> anyhow::Result<Vec<Row>> {
    anyhow::bail!("not written yet")
}
