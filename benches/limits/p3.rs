//! P3: ten thousand watchers.

use crate::bench::Bench;
use crate::table::Row;

#[expect(clippy::unused_async, reason = "not written yet")]
pub async fn run(_: &Bench) -> anyhow::Result<Vec<Row>> {
    anyhow::bail!("not written yet")
}
