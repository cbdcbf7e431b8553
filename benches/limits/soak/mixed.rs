//! Minutes of mixed load at half of what the machine can; ten unless said.
//!
//! What that is, is found before: the same load at a low rate, and what server, upstream and this
//! process took of the cores for it. Memory is compared from ten minutes under load on: until then
//! caches fill, connections and threads are made, and the allocator finds its size.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{TARGET, journey};
use crate::bench::Bench;
use crate::call::{self, Client};
use crate::latency::Latency;
use crate::machine;
use crate::process::{Process, Server};
use crate::sample::{self, Figure, Unit};
use crate::table::{Goal, Row};

pub async fn rows(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let upstream = Process::role(bench, &["upstream"]).await?;
    let server = Server::new(bench)?
        .upstream(&upstream)
        .with("poll.interval", bench.or_smoke("5s", "1s"));
    let server = server.start(bench).await?;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(call::connect(server.address).await?);
    }
    let known = call::create(&clients[0], call::request(journey::SHORT)).await?;
    let rate = if bench.smoke {
        TRIED
    } else {
        half(&clients, &[&server, &upstream]).await?
    };
    bench.say(&format!("{rate:.0} callers a second"));
    let lasts = bench.or_smoke(bench.soak, Duration::from_secs(2));
    let warm_up = bench.or_smoke(WARM_UP, Duration::ZERO);
    let (callers, memory, latency) = tokio::join!(
        callers(&clients, rate, warm_up + lasts),
        memory(&server, warm_up, lasts),
        Latency::measure(&clients[0], &known.id, journey::SHORT, warm_up + lasts),
    );
    let (callers, memory) = (callers?, memory?);
    let mut errors = callers.errors;
    let mut rows = memory.rows();
    match latency {
        Ok(latency) => rows.extend(latency.rows(TARGET, "mixed load")),
        Err(error) => errors.push(error),
    }
    for error in errors.iter().take(SHOWN) {
        bench.say(&format!("an error: {error:#}"));
    }
    let count = |what: &str, unit, value: f64| {
        Row::new(
            TARGET,
            format!("mixed load: {what}"),
            Figure::new(unit, [value]),
        )
    };
    rows.push(count("callers", Unit::PerSecond, rate));
    rows.push(count(
        "callers in all",
        Unit::Count,
        sample::real(callers.count),
    ));
    let errors = sample::real(errors.len() as u64);
    rows.push(count("errors", Unit::Count, errors).goal(Goal::AtMost(0.0)));
    Ok(rows)
}

/// Callers a second with which half of the cores would be busy.
async fn half(clients: &[Client], processes: &[&Process]) -> anyhow::Result<f64> {
    let took = || -> anyhow::Result<Duration> {
        let each = processes.iter().map(|process| Ok(process.usage()?.cpu));
        Ok(each.sum::<anyhow::Result<Duration>>()? + machine::own()?)
    };
    let (begun, before) = (Instant::now(), took()?);
    let tried = callers(clients, TRIED, TRIAL).await?;
    if let Some(error) = tried.errors.into_iter().next() {
        return Err(error).context("at a low rate");
    }
    let busy = took()?.saturating_sub(before).as_secs_f64();
    // The last of them come to their end after the time is over.
    let rate = TRIED * TRIAL.as_secs_f64() / begun.elapsed().as_secs_f64();
    let share = busy / begun.elapsed().as_secs_f64();
    let cores = sample::real(std::thread::available_parallelism()?.get() as u64);
    Ok((rate * cores / 2.0 / share).clamp(TRIED, MOST))
}

/// What became of callers.
struct Callers {
    count: u64,
    errors: Vec<anyhow::Error>,
}

/// Lets callers come at this rate, whatever becomes of those before.
async fn callers(clients: &[Client], rate: f64, lasts: Duration) -> anyhow::Result<Callers> {
    let begun = Instant::now();
    let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut there = JoinSet::new();
    let mut callers = Callers {
        count: 0,
        errors: Vec::new(),
    };
    for (number, client) in clients.iter().cycle().enumerate() {
        ticks.tick().await;
        if begun.elapsed() > lasts {
            break;
        }
        let client = client.clone();
        there.spawn(async move { timeout(PATIENCE, caller(&client, number)).await? });
        callers.count += 1;
        while let Some(ended) = there.try_join_next() {
            callers.errors.extend(ended?.err());
        }
        anyhow::ensure!(there.len() < MOST_THERE, "{MOST_THERE} callers wait");
    }
    while let Some(ended) = there.join_next().await {
        callers.errors.extend(ended?.err());
    }
    Ok(callers)
}

/// One of them.
async fn caller(client: &Client, number: usize) -> anyhow::Result<()> {
    match journey::go(client, number).await {
        Err(error) if call::was_not_sent(&error) => journey::go(client, number).await,
        done => done,
    }
}

/// The memory of a server, at moments as far from each other as a sixtieth of the whole.
struct Memory {
    samples: Vec<f64>,
    lasts: Duration,
}

async fn memory(server: &Process, warm_up: Duration, lasts: Duration) -> anyhow::Result<Memory> {
    sleep(warm_up).await;
    let mut ticks = interval(lasts / SAMPLES);
    ticks.tick().await;
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        ticks.tick().await;
        samples.push(sample::real(server.usage()?.resident));
    }
    Ok(Memory { samples, lasts })
}

impl Memory {
    fn rows(&self) -> Vec<Row> {
        let tenth = self.samples.len() / 10;
        let median = |part: &[f64]| Figure::new(Unit::Bytes, part.iter().copied());
        let early = median(&self.samples[..tenth]);
        let late = median(&self.samples[self.samples.len() - tenth..]);
        let growth = late.median() / early.median() - 1.0;
        let minutes = self.lasts.as_secs_f64() / 60.0;
        vec![
            Row::new(TARGET, "mixed load: memory at first", early),
            Row::new(
                TARGET,
                format!("mixed load: memory {minutes:.2} minutes later"),
                late,
            ),
            Row::new(
                TARGET,
                "mixed load: growth from the one to the other",
                Figure::new(Unit::Share, [growth]),
            )
            .goal(Goal::AtMost(MOST_GROWTH)),
            Row::new(
                TARGET,
                "mixed load: growth an hour, by a line through all",
                Figure::new(Unit::Bytes, [self.slope() * 3600.0]),
            ),
        ]
    }

    /// Bytes a second, by least squares.
    fn slope(&self) -> f64 {
        let step = self.lasts.as_secs_f64() / f64::from(SAMPLES);
        let points: Vec<(f64, f64)> = (0_u32..)
            .zip(&self.samples)
            .map(|(number, bytes)| (f64::from(number) * step, *bytes))
            .collect();
        let count = sample::real(points.len() as u64);
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (at, bytes) = (mean(|point| point.0), mean(|point| point.1));
        let rise: f64 = points.iter().map(|(x, y)| (x - at) * (y - bytes)).sum();
        let run: f64 = points.iter().map(|(x, _)| (x - at).powi(2)).sum();
        rise / run
    }
}

const CONNECTIONS: usize = 8;
/// Callers a second of the trial.
const TRIED: f64 = 20.0;
const TRIAL: Duration = Duration::from_secs(20);
/// Callers a second at most.
const MOST: f64 = 1_000.0;
/// Callers at once, after which the rate was too much.
const MOST_THERE: usize = 20_000;
/// The longest that a caller may take.
const PATIENCE: Duration = Duration::from_mins(1);
const SAMPLES: u32 = 60;
/// Until memory is looked at.
const WARM_UP: Duration = Duration::from_mins(10);
/// The share of its memory by which a server may be larger at the end: it goes up and down by 1 to 2 %
/// from one minute to the next.
const MOST_GROWTH: f64 = 0.02;
/// Errors that are told of one by one.
const SHOWN: usize = 20;
