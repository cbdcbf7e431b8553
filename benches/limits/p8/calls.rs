//! Calls over a large store, beside the same over a small one.
//!
//! Both servers poll once an hour and submit nothing, so that only the calls are measured. Finished
//! tasks are asked for at random; what a server wrote last, which it remembers, is not among them.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mediagen::pb::v1::{CostDimension, CostReportRequest, ListRequest, TaskFilters};

use super::Filled;
use crate::bench::Bench;
use crate::call::{self, Client};
use crate::fill;
use crate::h2load::{Load, Loaded};
use crate::process::{Process, Server};
use crate::sample::{Figure, Times, Unit};
use crate::table::Row;

/// What a server answered in one round, in milliseconds.
struct Read {
    alone: Times,
    crowd: Times,
    first_page: Times,
    middle_page: Times,
    next_page: Times,
    costs: f64,
}

/// A server with its store.
struct Arm {
    process: Process,
    client: Client,
    /// Of finished tasks at random.
    ids: Vec<String>,
    /// When about the middle one of its tasks was created.
    middle: Option<prost_types::Timestamp>,
    /// Its data.
    _server: Server,
}

pub async fn measure(
    bench: &Bench,
    large: Filled,
    small: Filled,
    upstream: &Process,
) -> anyhow::Result<Vec<Row>> {
    let beside = format!(" (beside: over {} tasks)", small.copies);
    let small = Arm::start(bench, small).await?;
    let large = Arm::start(bench, large).await?;
    let processes = [&small.process, &large.process, upstream];
    let reads = bench.rounds(&processes, async |_| {
        Ok([small.read(bench).await?, large.read(bench).await?])
    });
    let mut rows = read_rows(&reads.await?, &beside);
    let creates = bench.rounds(&processes, async |_| {
        Ok([small.create(bench).await?, large.create(bench).await?])
    });
    rows.extend(create_rows(&creates.await?, &beside));
    Ok(rows)
}

impl Arm {
    async fn start(bench: &Bench, filled: Filled) -> anyhow::Result<Self> {
        let Filled { server, copies } = filled;
        let server = server
            .with("poll.interval", "1h")
            .with("poll.max_backoff", "1h");
        let server = server.at_most(1);
        let server = server.with("queue.max_length", "1000000");
        let process = server.start(bench).await?;
        let client = call::connect(process.address).await?;
        let (store, some) = (server.store(), bench.or_smoke(10_000, 50));
        let ids = tokio::task::spawn_blocking(move || fill::some_ids(&store, copies, some));
        let mut arm = Self {
            _server: server,
            process,
            client,
            ids: ids.await??,
            middle: None,
        };
        // Ids are in the order of creation.
        let mut some = arm.ids.iter().take(99).collect::<Vec<_>>();
        some.sort();
        arm.middle = call::status(&arm.client, some[some.len() / 2])
            .await?
            .create_time;
        Ok(arm)
    }

    async fn read(&self, bench: &Bench) -> anyhow::Result<Read> {
        let pages = bench.or_smoke(50, 3);
        let (mut first, mut middle, mut next) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..pages {
            first.push(self.page(ListRequest::default()).await?.0);
            let filters = TaskFilters {
                create_time_before: self.middle,
                ..TaskFilters::default()
            };
            let mut asked = ListRequest {
                filters: Some(filters),
                ..ListRequest::default()
            };
            let (took, token) = self.page(asked.clone()).await?;
            middle.push(took);
            asked.page_token = token;
            next.push(self.page(asked).await?.0);
        }
        Ok(Read {
            alone: self.statuses(1, bench.or_smoke(2_000, 50)).await?,
            crowd: self.statuses(64, bench.or_smoke(10_000, 50)).await?,
            first_page: Times::new(first),
            middle_page: Times::new(middle),
            next_page: Times::new(next),
            costs: self.costs().await?.as_secs_f64() * 1e3,
        })
    }

    /// Status of finished tasks at random, so many at a time.
    async fn statuses(&self, at_once: usize, count: usize) -> anyhow::Result<Times> {
        let from = rand::random_range(0..self.ids.len());
        let ids = self.ids.iter().cycle().skip(from).take(count);
        let asked = stream::iter(ids).map(async |id| {
            let begun = Instant::now();
            call::status(&self.client, id).await?;
            Ok::<_, anyhow::Error>(begun.elapsed())
        });
        let times: Vec<Duration> = asked.buffer_unordered(at_once).try_collect().await?;
        Ok(Times::new(times))
    }

    /// How long a full page takes, and the token of the next one.
    async fn page(&self, asked: ListRequest) -> anyhow::Result<(Duration, String)> {
        let begun = Instant::now();
        let page = self.client.clone().list(asked).await?.into_inner();
        let took = begun.elapsed();
        anyhow::ensure!(!page.tasks.is_empty(), "an empty page");
        Ok((took, page.next_page_token))
    }

    /// How long the costs of all tasks by day take.
    async fn costs(&self) -> anyhow::Result<Duration> {
        let asked = CostReportRequest {
            group_by: vec![CostDimension::Day.into()],
            ..CostReportRequest::default()
        };
        let begun = Instant::now();
        let report = self.client.clone().cost_report(asked).await?.into_inner();
        anyhow::ensure!(!report.rows.is_empty(), "an empty report");
        Ok(begun.elapsed())
    }

    async fn create(&self, bench: &Bench) -> anyhow::Result<Loaded> {
        let mut request = call::request("[bench:seconds=86400] A serene lake at dawn");
        // The tool sends one body: no request_id, so that each call makes a task.
        request.request_id.clear();
        let load = Load {
            method: "Create",
            body: &call::frame(&request)?,
            connections: 1,
            in_flight: 64,
            seconds: bench.or_smoke(3, 1),
        };
        load.counted(bench, &self.process).await
    }
}

/// One line of what both arms answered: the small one first.
fn line<T>(what: String, rounds: &[[T; 2]], unit: Unit, of: impl Fn(&T) -> f64) -> Row {
    let arm = |arm: usize| Figure::new(unit, rounds.iter().map(|arms| of(&arms[arm])));
    Row::new("P8", what, arm(1)).beside(arm(0))
}

fn read_rows(rounds: &[[Read; 2]], beside: &str) -> Vec<Row> {
    let row = |what: &str, of: fn(&Read) -> f64| {
        line(format!("{what}{beside}"), rounds, Unit::Millis, of)
    };
    vec![
        row("Status of any, 1 in flight: p50", |one| {
            one.alone.within(0.5)
        }),
        row("Status of any, 1 in flight: p99", |one| {
            one.alone.within(0.99)
        }),
        row("Status of any, 64 in flight: p50", |one| {
            one.crowd.within(0.5)
        }),
        row("Status of any, 64 in flight: p99", |one| {
            one.crowd.within(0.99)
        }),
        row("List, the first 50: p50", |one| one.first_page.within(0.5)),
        row("List, 50 before the middle's time: p50", |one| {
            one.middle_page.within(0.5)
        }),
        row("List, the 50 after those: p50", |one| {
            one.next_page.within(0.5)
        }),
        row("CostReport of all by day", |one| one.costs),
    ]
}

fn create_rows(rounds: &[[Loaded; 2]], beside: &str) -> Vec<Row> {
    let create = "Create, 64 in flight, tasks queue";
    vec![
        line(
            format!("{create}{beside}"),
            rounds,
            Unit::PerSecond,
            |one| one.per_second,
        ),
        line(
            format!("{create}: p99{beside}"),
            rounds,
            Unit::Millis,
            |one| one.times.within(0.99),
        ),
    ]
}
