//! P9: an output on its way from the upstream into the archive, beside a plain copy by curl.
//!
//! The service's time runs from the moment that the upstream is asked for the output to the COMPLETED
//! that a watch shows: the body, its SHA-256, its checksums, fsync, reading it back, and the commit. curl
//! writes the same body to the same disk and does not wait for the disk; how long the disk then takes
//! is told beside. Memory is that of a fresh server that copies as many outputs at once as it may.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use mediagen::pb::v1::{DeleteRequest, Task};

use crate::bench::Bench;
use crate::call::{self, Client};
use crate::curl;
use crate::output;
use crate::process::{Process, Server};
use crate::sample::{Figure, Unit};
use crate::table::{Goal, Row};
use crate::upstream::{self, Record};

pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let upstream = Process::role(bench, &["upstream"]).await?;
    let mut rows = speed(bench, &upstream).await?;
    rows.push(memory(bench, &upstream).await?);
    Ok(rows)
}

/// One round of copies.
struct Round {
    ours: Duration,
    plain: Duration,
    /// The plain copy, and until it was on the disk.
    synced: Duration,
}

async fn speed(bench: &Bench, upstream: &Process) -> anyhow::Result<Vec<Row>> {
    let server = server(bench, upstream)?;
    let length = bench.or_smoke(1 << 30, 16 << 20);
    let copies = Copies {
        length,
        upstream,
        file: server.path().join("plain"),
    };
    let server = server.start(bench).await?;
    let client = call::connect(server.address).await?;
    let processes = [&server, upstream];
    let rounds = bench.rounds(&processes, async |number| {
        let (ours, (plain, synced));
        if number % 2 == 0 {
            ours = copies.archived(&client).await?;
            (plain, synced) = copies.plain().await?;
        } else {
            (plain, synced) = copies.plain().await?;
            ours = copies.archived(&client).await?;
        }
        Ok(Round {
            ours,
            plain,
            synced,
        })
    });
    let rounds = rounds.await?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let speed = |of: fn(&Round) -> Duration| {
        let speeds = rounds.iter().map(|round| of(round).as_secs_f64());
        Figure::new(
            Unit::BytesPerSecond,
            speeds.map(|took| length as f64 / took),
        )
    };
    let ours = || speed(|round| round.ours);
    let what = "Archive of an output until COMPLETED; curl to a file";
    Ok(vec![
        Row::new("P9", what, ours())
            .beside(speed(|round| round.plain))
            .goal(Goal::ShareAtLeast(0.6)),
        Row::new("P9", format!("{what} that is synced"), ours())
            .beside(speed(|round| round.synced)),
    ])
}

/// A server that learns at once what the upstream has done.
fn server(bench: &Bench, upstream: &Process) -> anyhow::Result<Server> {
    let server = Server::new(bench)?.with("poll.interval", "250ms");
    Ok(server.upstream(upstream))
}

/// Two ways of the same bytes onto the same disk.
struct Copies<'a> {
    length: u64,
    upstream: &'a Process,
    file: PathBuf,
}

impl Copies<'_> {
    async fn archived(&self, client: &Client) -> anyhow::Result<Duration> {
        let task = output::make(client, &format!("[bench:bytes={}]", self.length)).await?;
        let completed = upstream::now();
        let size = task.outputs[0].size_bytes;
        anyhow::ensure!(size == self.length, "{size} bytes are archived");
        let begun = records(self.upstream, &[&task]).await?[0].copy_begun;
        delete(client, task).await?;
        let took = completed
            .checked_sub(begun)
            .context("completed before it began")?;
        Ok(Duration::from_micros(took))
    }

    /// How long curl took, and how long until all was on the disk.
    async fn plain(&self) -> anyhow::Result<(Duration, Duration)> {
        let url = format!(
            "http://{}/file?bytes={}",
            self.upstream.address, self.length
        );
        let begun = Instant::now();
        let plain = curl::fetch(&url, self.length, &self.file).await?;
        let file = tokio::fs::File::open(&self.file).await?;
        file.sync_all().await?;
        let synced = begun.elapsed();
        tokio::fs::remove_file(&self.file).await?;
        Ok((plain, synced))
    }
}

/// How much more each copy takes when as many are made at once as may be.
async fn memory(bench: &Bench, upstream: &Process) -> anyhow::Result<Row> {
    let length = bench.or_smoke(128 << 20, 8 << 20);
    let processes = [upstream];
    let rounds = bench.rounds(&processes, async |_| grown(bench, upstream, length).await);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let each = rounds
        .await?
        .into_iter()
        .map(|grown| grown as f64 / AT_ONCE as f64);
    let what = format!("Memory of each of {AT_ONCE} copies at once, at the peak");
    Ok(Row::new("P9", what, Figure::new(Unit::Bytes, each)).goal(Goal::AtMost(1_048_576.0)))
}

async fn grown(bench: &Bench, upstream: &Process, length: u64) -> anyhow::Result<u64> {
    let server = server(bench, upstream)?.with("archive.concurrency", &AT_ONCE.to_string());
    let server = server.start(bench).await?;
    let client = call::connect(server.address).await?;
    // So that what is made once is there.
    let first = output::make(&client, "[bench:bytes=4194304]").await?;
    delete(&client, first).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.forget_peak()?;
    let before = server.usage()?.resident;
    // All are done at the upstream before the first is asked for.
    let prompt = format!("[bench:seconds=1,bytes={length}]");
    let made = try_join_all((0..AT_ONCE).map(|_| output::make(&client, &prompt)));
    let made = made.await?;
    let grown = server.usage()?.peak.saturating_sub(before);
    let records = records(upstream, &made.iter().collect::<Vec<_>>()).await?;
    let last_begun = records.iter().map(|record| record.copy_begun).max();
    let first_ended = records.iter().map(|record| record.copy_ended).min();
    anyhow::ensure!(
        bench.smoke || last_begun < first_ended,
        "not all copies were made at once"
    );
    Ok(grown)
}

async fn delete(client: &Client, task: Task) -> anyhow::Result<()> {
    let task_id = task.id;
    client.clone().delete(DeleteRequest { task_id }).await?;
    Ok(())
}

/// What the upstream has recorded of these tasks, in their order.
async fn records(upstream: &Process, tasks: &[&Task]) -> anyhow::Result<Vec<Record>> {
    let url = format!("http://{}/bench/tasks", upstream.address);
    let records: Vec<Record> = reqwest::get(url).await?.json().await?;
    let of = |task: &&Task| {
        let attempt = task.attempts.first().context("no attempt")?;
        let found = records
            .iter()
            .find(|one| one.id == attempt.provider_task_id);
        found.cloned().context("the upstream does not know it")
    };
    tasks.iter().map(of).collect()
}

/// The default of `archive.concurrency`.
const AT_ONCE: usize = 8;
