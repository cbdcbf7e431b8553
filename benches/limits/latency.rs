//! How soon Status and Create are answered while something else goes on.

use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use crate::call::{self, Client};
use crate::sample::{Figure, Times, Unit};
use crate::table::Row;

/// Times of calls that are made at a steady rate, each counted from when it was to begin: one that
/// had to wait for the one before it waited.
pub struct Latency {
    status: Times,
    create: Times,
}

impl Latency {
    /// For so long 200 Status a second of a known task, and 50 Create, whose prompt is given.
    pub async fn measure(
        client: &Client,
        known: &str,
        prompt: &str,
        lasts: Duration,
    ) -> anyhow::Result<Self> {
        let status = steadily(Duration::from_millis(5), lasts, async || {
            call::status(client, known).await.map(drop)
        });
        let create = steadily(Duration::from_millis(20), lasts, async || {
            call::create(client, call::request(prompt)).await.map(drop)
        });
        let (status, create) = tokio::join!(status, create);
        Ok(Self {
            status: status?,
            create: create?,
        })
    }

    /// Four rows, of one measurement.
    pub fn rows(&self, target: &'static str, when: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        for (name, times) in [("Status", &self.status), ("Create", &self.create)] {
            for (said, share) in [("p50", 0.5), ("p99", 0.99)] {
                let figure = Figure::new(Unit::Millis, [times.within(share)]);
                rows.push(Row::new(target, format!("{when}: {name}, {said}"), figure));
            }
        }
        rows
    }
}

async fn steadily(
    every: Duration,
    lasts: Duration,
    mut work: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Times> {
    let end = Instant::now() + lasts;
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut times = Vec::new();
    loop {
        let due = ticks.tick().await.into_std();
        if due >= end {
            return Ok(Times::new(times));
        }
        match work().await {
            Err(error) if call::was_not_sent(&error) => work().await?,
            done => done?,
        }
        times.push(due.elapsed());
    }
}
