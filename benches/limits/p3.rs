//! P3: ten thousand watchers, of one task and of as many tasks, beside bare tonic with a
//! `tokio::sync::watch` for each task.
//!
//! 100 connections with 100 streams each. Memory is the server's growth, connections included, over
//! a server that has its tasks already. A queued task ends by its Cancel, so that a watcher is told
//! of the end and its stream is closed. Of one task the time begins when this process calls Cancel,
//! so that the call and the commit are in it; of ten thousand, cancelled 64 at a time, with each
//! task's `update_time`, taken just before its commit. What is told is read by this process, whose
//! one thread is a part of every time. The bare server commits nothing.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mediagen::pb::v1::{CancelOutcome, CancelRequest};

use crate::bench::Bench;
use crate::call::{self, Client};
use crate::crowd;
use crate::process::{Process, Server};
use crate::sample::{self, Figure, Times, Unit};
use crate::table::{Goal, Row};
use crate::watchers::{self, Watchers};

pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let upstream = Process::role(bench, &["upstream"]).await?;
    let mut rows = Vec::new();
    for of in [Of::OneTask, Of::AsManyTasks] {
        let processes = [&upstream];
        let rounds = bench.rounds(&processes, async |_| {
            let bare = bare(bench, of).await?;
            Ok([ours(bench, &upstream, of).await?, bare])
        });
        rows.extend(of.rows(bench, &rounds.await?));
    }
    Ok(rows)
}

/// What is watched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    OneTask,
    AsManyTasks,
}

/// What one server was seen to do.
struct Seen {
    /// Bytes of its memory for each connection.
    connection: f64,
    /// Bytes of its memory for each watch, with its share of the connection.
    watch: f64,
    /// From the commit to a watcher.
    told: Times,
    /// The same to the last watcher; of several commits the slowest.
    last: f64,
}

/// A server of its own for each round: memory that a round before has freed would hide the growth.
async fn ours(bench: &Bench, upstream: &Process, of: Of) -> anyhow::Result<Seen> {
    let server = Server::new(bench)?
        .upstream(upstream)
        .at_most(1)
        .with("queue.max_length", "1000000");
    let process = server.start(bench).await?;
    // It has the provider's one place, so that all others queue.
    crowd::create(process.address, 1, LONG).await?;
    measure(bench, &process, of).await
}

async fn bare(bench: &Bench, of: Of) -> anyhow::Result<Seen> {
    let folder = bench.folder().display().to_string();
    let process = Process::role(bench, &["bare", "--data", &folder]).await?;
    measure(bench, &process, of).await
}

async fn measure(bench: &Bench, server: &Process, of: Of) -> anyhow::Result<Seen> {
    let count = bench.or_smoke(WATCHERS, 200);
    let connections = bench.or_smoke(CONNECTIONS, 4);
    let tasks = if of == Of::OneTask { 1 } else { count };
    let ids = crowd::create(server.address, tasks, LONG).await?;
    let before = server.usage()?.resident;
    let clients = watchers::connections(server.address, connections, &ids[0]).await?;
    let connected = server.usage()?.resident;
    let each: Vec<_> = ids.iter().cycle().take(count).cloned().collect();
    let mut watchers = Watchers::open(&clients, &each).await?;
    tokio::time::sleep(SETTLE).await;
    let open = server.usage()?.resident;
    let (told, last) = match of {
        Of::AsManyTasks => cancel_all(server, &ids, &mut watchers).await?,
        Of::OneTask => {
            let first = cancel_one(&clients[0], &ids[0], &mut watchers).await?;
            drop(watchers);
            again(server, &clients, count, first).await?
        }
    };
    Ok(Seen {
        connection: sample::per(connected.saturating_sub(before), connections),
        watch: sample::per(open.saturating_sub(before), count),
        told: Times::of_millis(told),
        last,
    })
}

/// Two more tasks with as many watchers each: one commit is no sample.
async fn again(
    server: &Process,
    clients: &[Client],
    count: usize,
    mut told: Vec<f64>,
) -> anyhow::Result<(Vec<f64>, f64)> {
    for id in crowd::create(server.address, 2, LONG).await? {
        let mut watchers = Watchers::open(clients, &vec![id.clone(); count]).await?;
        tokio::time::sleep(SETTLE).await;
        told.extend(cancel_one(&clients[0], &id, &mut watchers).await?);
    }
    let last = told.iter().copied().fold(0.0, f64::max);
    Ok((told, last))
}

/// Milliseconds from just before the call to each watcher.
async fn cancel_one(
    client: &Client,
    id: &str,
    watchers: &mut Watchers,
) -> anyhow::Result<Vec<f64>> {
    let begun = Instant::now();
    let (cancelled, ends) = tokio::join!(cancel(client, id), watchers.ends());
    cancelled?;
    let millis = |at: Instant| at.saturating_duration_since(begun).as_secs_f64() * 1e3;
    Ok(ends?.iter().map(|told| millis(told.at)).collect())
}

/// Milliseconds from each task's commit to its watcher.
async fn cancel_all(
    server: &Process,
    ids: &[String],
    watchers: &mut Watchers,
) -> anyhow::Result<(Vec<f64>, f64)> {
    let client = call::connect(server.address).await?;
    let cancels = stream::iter(ids)
        .map(|id| cancel(&client, id))
        .buffer_unordered(IN_FLIGHT)
        .try_collect();
    let (cancelled, ends) = tokio::join!(cancels, watchers.ends());
    let _: Vec<()> = cancelled?;
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let told: Vec<_> = ends?.iter().map(|told| millis(told.since_update)).collect();
    let last = told.iter().copied().fold(0.0, f64::max);
    Ok((told, last))
}

async fn cancel(client: &Client, id: &str) -> anyhow::Result<()> {
    let task_id = id.to_owned();
    let answer = client.clone().cancel(CancelRequest { task_id }).await?;
    let outcome = answer.into_inner().outcome();
    anyhow::ensure!(
        outcome == CancelOutcome::CancelledBeforeSubmit,
        "a queued task was not cancelled: {outcome:?}"
    );
    Ok(())
}

impl Of {
    fn rows(self, bench: &Bench, rounds: &[[Seen; 2]]) -> Vec<Row> {
        let count = bench.or_smoke(WATCHERS, 200);
        let (of, most) = match self {
            Self::OneTask => ("1 task".to_owned(), 150.0),
            Self::AsManyTasks => (format!("{count} tasks"), 300.0),
        };
        let row = |what: &str, unit, of_seen: fn(&Seen) -> f64| {
            let figure =
                |arm: usize| Figure::new(unit, rounds.iter().map(|arms| of_seen(&arms[arm])));
            let what = format!("{count} watchers of {of}: {what}");
            Row::new("P3", what, figure(0)).beside(figure(1))
        };
        let mut rows =
            vec![row("memory of each", Unit::Bytes, |seen| seen.watch).goal(Goal::AtMost(MOST))];
        if self == Self::OneTask {
            // After ten thousand creates a connection finds memory that was freed.
            let what = "memory of a connection";
            rows.push(row(what, Unit::Bytes, |seen| seen.connection));
        }
        rows.extend([
            row("commit → watcher, p50", Unit::Millis, |seen| {
                seen.told.within(0.5)
            }),
            row("commit → watcher, p99", Unit::Millis, |seen| {
                seen.told.within(0.99)
            })
            .goal(Goal::AtMost(most)),
            row("commit → last watcher", Unit::Millis, |seen| seen.last),
        ]);
        rows
    }
}

const LONG: &str = "[bench:seconds=36000] A serene lake at dawn";
/// Bytes that a watch may cost.
const MOST: f64 = 10_240.0;
const WATCHERS: usize = 10_000;
const CONNECTIONS: usize = 100;
/// Cancels at once.
const IN_FLIGHT: usize = 64;
/// For what was begun to come to an end.
const SETTLE: Duration = Duration::from_millis(500);
