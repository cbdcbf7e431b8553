//! P8: a store of a million finished tasks and ten thousand live ones.
//!
//! One task is made and finished by the server itself, and multiplied in its file (see `fill`) over 29
//! days. Then the live ones are created through the API, and the server is killed while it submits
//! them: [`restart`] counts what the provider was asked for. After that it is killed and started
//! again, round by round. At last [`calls`] asks that store, and beside it one of a thousand tasks.

mod calls;
mod restart;

use std::time::Duration;

use mediagen::pb::v1::TaskStatus;

use crate::bench::Bench;
use crate::call;
use crate::fill;
use crate::process::{Process, Server};
use crate::table::Row;

pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let upstream = Process::role(bench, &["upstream"]).await?;
    let full = bench.or_smoke(1_000_000, 2_000);
    let large = filled(bench, &upstream, full).await?;
    let mut rows = restart::measure(bench, &large, &upstream).await?;
    let small = filled(bench, &upstream, bench.or_smoke(1_000, 100)).await?;
    rows.extend(calls::measure(bench, large, small, &upstream).await?);
    Ok(rows)
}

/// A store with finished tasks, whose server does not run.
struct Filled {
    /// Whose it is; its settings but the provider are the defaults.
    server: Server,
    /// How many of its tasks were multiplied.
    copies: u32,
}

async fn filled(bench: &Bench, upstream: &Process, copies: u32) -> anyhow::Result<Filled> {
    bench.say(&format!("P8: filling a store with {copies} tasks"));
    let server = Server::new(bench)?
        .with("poll.interval", floor(bench))
        .upstream(upstream);
    let mut running = server.start(bench).await?;
    finish_one(&running, bench.or_smoke(6.0, 0.5)).await?;
    running.kill()?;
    let store = server.store();
    tokio::task::spawn_blocking(move || fill::multiply(&store, copies, DAYS)).await??;
    Ok(Filled { server, copies })
}

/// Makes a task with labels that runs for so long, and waits until it is finished.
async fn finish_one(server: &Process, seconds: f64) -> anyhow::Result<()> {
    let client = call::connect(server.address).await?;
    let prompt = format!("[bench:seconds={seconds}] A serene lake at dawn, mist over it");
    let mut request = call::request(&prompt);
    let labels = [("team", "film"), ("project", "lakes")];
    request.labels = labels
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let id = call::create(&client, request).await?.id;
    for _ in 0..PATIENCE {
        if call::status(&client, &id).await?.status() == TaskStatus::Completed {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("{id} does not end")
}

/// The least time between two polls of a task.
fn floor(bench: &Bench) -> &'static str {
    bench.or_smoke("5s", "250ms")
}

/// How far back the tasks are created: content is kept for 30 days.
const DAYS: u32 = 29;
/// Tenths of a second for which a task is waited for.
const PATIENCE: u32 = 300;
