//! P6: memory of an idle server, and of each task in flight.
//!
//! *In flight* is at the provider: submitted, seen there to run, and asked for again every
//! `poll.interval`, as it is by default. 100,000 tasks are created, and measured when the provider
//! was asked for each of them; that is done once, whatever rounds are wanted, for it takes as long as
//! they do. Growth is over a server that has made a thousand tasks already.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::bench::Bench;
use crate::call;
use crate::crowd;
use crate::latency::Latency;
use crate::process::{Process, Server};
use crate::sample::{self, Figure, Unit};
use crate::table::{Goal, Row};
use crate::upstream;

pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let upstream = Process::role(bench, &["upstream"]).await?;
    let processes = [&upstream];
    let idle = bench.rounds(&processes, async |_| idle(bench, &upstream).await);
    let idle = idle.await?;
    let queued = bench.one_round(&processes, async |_| queued(bench, &upstream).await);
    let queued = queued.await?;
    let full = bench.one_round(&processes, async |_| {
        // A provider without the tasks of the rounds before.
        let upstream = Process::role(bench, &["upstream"]).await?;
        in_flight(bench, &upstream).await
    });
    let full = full.await?;
    let idle = |arm: usize| Figure::new(Unit::Bytes, idle.iter().map(|round| round[arm]));
    let tasks = bench.or_smoke(TASKS, FEW_TASKS);
    let mut rows = vec![
        Row::new("P6", "memory, 2 s after the start", idle(0)).goal(Goal::AtMost(IDLE)),
        Row::new("P6", "memory, then some Create and Status", idle(1)).goal(Goal::AtMost(IDLE)),
        Row::new(
            "P6",
            format!("{tasks} tasks queued: memory of each"),
            Figure::new(Unit::Bytes, [queued]),
        ),
    ];
    rows.extend(full);
    Ok(rows)
}

/// Bytes after the start, and after some calls.
async fn idle(bench: &Bench, upstream: &Process) -> anyhow::Result<[f64; 2]> {
    let server = Server::new(bench)?.upstream(upstream);
    let process = server.start(bench).await?;
    tokio::time::sleep(bench.or_smoke(REST, BREATH)).await;
    let fresh = process.usage()?.resident;
    warm(bench, &process).await?;
    let warm = process.usage()?.resident;
    Ok([sample::real(fresh), sample::real(warm)])
}

/// A thousand creates and statuses; gives one of the tasks.
async fn warm(bench: &Bench, server: &Process) -> anyhow::Result<String> {
    let ids = crowd::create(server.address, bench.or_smoke(WARM, FEW_TASKS), LONG).await?;
    let client = call::connect(server.address).await?;
    for id in &ids {
        call::status(&client, id).await?;
    }
    tokio::time::sleep(bench.or_smoke(REST, BREATH)).await;
    ids.into_iter().next().context("no task")
}

/// Bytes for each task that waits for the provider.
async fn queued(bench: &Bench, upstream: &Process) -> anyhow::Result<f64> {
    let tasks = bench.or_smoke(TASKS, FEW_TASKS);
    let server = roomy(bench, upstream)?.at_most(1);
    let process = server.start(bench).await?;
    warm(bench, &process).await?;
    let before = process.usage()?.resident;
    crowd::create(process.address, tasks, LONG).await?;
    tokio::time::sleep(bench.or_smoke(REST, BREATH)).await;
    let grown = process.usage()?.resident.saturating_sub(before);
    Ok(sample::per(grown, tasks))
}

fn roomy(bench: &Bench, upstream: &Process) -> anyhow::Result<Server> {
    let server = Server::new(bench)?.upstream(upstream);
    Ok(server.with("queue.max_length", "1000000"))
}

async fn in_flight(bench: &Bench, upstream: &Process) -> anyhow::Result<Vec<Row>> {
    let tasks = bench.or_smoke(TASKS, FEW_TASKS);
    let server = roomy(bench, upstream)?.with("poll.interval", bench.or_smoke("5s", "1s"));
    let process = server.start(bench).await?;
    let known = warm(bench, &process).await?;
    let before = process.usage()?.resident;
    let begun = Instant::now();
    crowd::create(process.address, tasks, LONG).await?;
    let created = begun.elapsed();
    let all = tasks + bench.or_smoke(WARM, FEW_TASKS);
    upstream::all_asked(upstream, all).await?;
    let asked = begun.elapsed();
    let client = call::connect(process.address).await?;
    let (polls, cpu) = (
        upstream::counts(upstream).await?.polls,
        process.usage()?.cpu,
    );
    let begun = Instant::now();
    let lasts = bench.or_smoke(Duration::from_secs(10), Duration::from_secs(1));
    let latency = Latency::measure(&client, &known, LONG, lasts).await?;
    let took = begun.elapsed().as_secs_f64();
    let polls = upstream::counts(upstream).await?.polls - polls;
    let usage = process.usage()?;
    let grown = sample::per(usage.resident.saturating_sub(before), tasks);
    let when = format!("{tasks} tasks in flight");
    let row = |what: &str, unit, value: f64| {
        Row::new("P6", format!("{when}: {what}"), Figure::new(unit, [value]))
    };
    let cpu = usage.cpu.saturating_sub(cpu).as_secs_f64();
    let mut rows = vec![
        row("memory of each", Unit::Bytes, grown).goal(Goal::AtMost(2_048.0)),
        row("all created after", Unit::Seconds, created.as_secs_f64()),
        row("all asked for after", Unit::Seconds, asked.as_secs_f64()),
        row("polls", Unit::PerSecond, sample::real(polls) / took),
        row("cores taken by the server", Unit::Count, cpu / took),
    ];
    rows.extend(latency.rows("P6", &when));
    Ok(rows)
}

const LONG: &str = "[bench:seconds=36000] A serene lake at dawn";
const TASKS: usize = 100_000;
const FEW_TASKS: usize = 200;
/// Tasks of a server that is no more fresh.
const WARM: usize = 1_000;
const IDLE: f64 = 40.0 * 1_048_576.0;
/// For what was begun to come to an end.
const REST: Duration = Duration::from_secs(2);
const BREATH: Duration = Duration::from_millis(200);
