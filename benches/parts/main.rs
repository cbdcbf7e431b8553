//! What the parts cost from within: the decisions, the store, the archive.
//!
//! Where `limits` measures processes over sockets, this calls the library: what a change of one part
//! costs is seen here first. Beside the store and the archive stands what does the least for the same
//! in the same group: rows by bare SQLite, bytes by plain files.
//!
//! ```text
//! cargo bench --bench parts                               # 3 minutes
//! cargo bench --bench parts -- store                      # what has this in its name
//! cargo bench --bench parts -- --save-baseline before     # and later: --baseline before
//! cargo bench --bench parts -- --test                     # each once: that it works, not how fast
//! ```

mod archive;
mod domain;
mod sample;
mod start;
mod store;
mod wire;

use std::time::Duration;

use criterion::Criterion;

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50)
        .configure_from_args();
    domain::measure(&mut criterion)?;
    wire::measure(&mut criterion)?;
    start::measure(&mut criterion)?;
    store::measure(&mut criterion)?;
    archive::measure(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// Whether everything is done once and nothing is measured.
fn is_test() -> bool {
    std::env::args().any(|argument| argument == "--test")
}
