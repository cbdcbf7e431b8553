//! P10: the HTTP face beside the `LiteLLM` proxy, and beside the provider itself.
//!
//! Both proxies are given the same configuration file, one model at one account whose base URL is the
//! provider's stand-in, and the same calls by the same tool: create (`POST /v1/videos`, JSON) and
//! status (`GET /v1/videos/{id}`). `LiteLLM` runs with one worker, which is its default. The arms take
//! turns, each alone with the provider and started anew; every answer is a 200.
//!
//! The two do not do the same for a call, and that is the point. A create of ours is on disk when it is
//! answered, and is sent to the provider meanwhile and followed until it ends; `LiteLLM` waits for the
//! provider, and keeps nothing. A status of ours is what the store knows; `LiteLLM` asks the provider
//! each time. The stand-in answers in a fraction of a millisecond, so what is compared is what the
//! proxies themselves cost; a real provider's time comes on top of each of `LiteLLM`'s calls.
//! What the core spends for a create of ours is counted until the provider has it.

mod arm;
mod litellm;

use crate::bench::Bench;
use crate::h2load::Loaded;
use crate::process::Process;
use crate::sample::{Figure, Unit};
use crate::table::{Goal, Row};

use arm::{CONNECTIONS, Calls, Proxy};
use litellm::Litellm;

/// What one round measured. Without `LiteLLM` only in a smoke test of a machine that has none.
struct Round {
    ours: Proxy,
    litellm: Option<Proxy>,
    provider: Calls,
}

pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let litellm = Litellm::find(bench).await?;
    let upstream = Process::role(bench, &["upstream"]).await?;
    let processes = [&upstream];
    let rounds = bench.rounds(&processes, async |number| {
        let (mut ours, mut theirs, mut provider) = (None, None, None);
        for turn in 0..3 {
            match (turn + number) % 3 {
                0 => ours = Some(arm::ours(bench, &upstream).await?),
                1 => theirs = arm::theirs(bench, &upstream, litellm.as_ref()).await?,
                _ => provider = Some(arm::provider(bench, &upstream).await?),
            }
        }
        let (Some(ours), Some(provider)) = (ours, provider) else {
            anyhow::bail!("a round has three turns");
        };
        Ok(Round {
            ours,
            litellm: theirs,
            provider,
        })
    });
    let rounds = rounds.await?;
    let beside = litellm.map_or_else(
        || "not beside LiteLLM, which is not here".to_owned(),
        |litellm| format!("beside LiteLLM {}", litellm.version),
    );
    Ok(Rows { rounds, beside }.rows())
}

struct Rows {
    rounds: Vec<Round>,
    beside: String,
}

impl Rows {
    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (call, of) in [
            ("status", (|calls| &calls.status) as Of),
            ("create", |calls| &calls.create),
        ] {
            for (at, connections) in CONNECTIONS.into_iter().enumerate() {
                let s = if connections == 1 { "" } else { "s" };
                let what = format!("HTTP {call}, {connections} connection{s}");
                let rate = |calls: &Calls| of(calls)[at].per_second;
                let within = |share| move |calls: &Calls| of(calls)[at].times.within(share);
                let calls = |proxy: &Proxy| rate(&proxy.calls);
                let p50 = |proxy: &Proxy| within(0.5)(&proxy.calls);
                let p99 = |proxy: &Proxy| within(0.99)(&proxy.calls);
                rows.push(self.row(&what, Unit::PerSecond, calls, Some(TIMES_THE_RATE)));
                rows.push(self.row(&format!("{what}: p50"), Unit::Millis, p50, Some(OF_ITS_P50)));
                rows.push(self.row(&format!("{what}: p99"), Unit::Millis, p99, None));
                let rounds = self.rounds.iter();
                let figure = Figure::new(Unit::PerSecond, rounds.map(|r| rate(&r.provider)));
                rows.push(Row::new(
                    "P10",
                    format!("{what}: the provider itself"),
                    figure,
                ));
            }
        }
        rows.extend(self.costs());
        rows
    }

    /// What it takes beside time on the clock.
    fn costs(&self) -> Vec<Row> {
        let idle = |proxy: &Proxy| proxy.idle;
        let end = |proxy: &Proxy| proxy.end;
        let start = |proxy: &Proxy| proxy.start;
        let status = |proxy: &Proxy| proxy.cpu.status;
        let create = |proxy: &Proxy| proxy.cpu.create;
        vec![
            self.row("memory, idle", Unit::Bytes, idle, Some(OF_ITS_MEMORY)),
            self.row(
                "memory after all this",
                Unit::Bytes,
                end,
                Some(OF_ITS_MEMORY),
            ),
            self.row("start to serving", Unit::Seconds, start, None),
            self.row("time on a core of a status", Unit::Millis, status, None),
            self.row("time on a core of a create", Unit::Millis, create, None),
        ]
    }

    fn row(&self, what: &str, unit: Unit, of: impl Fn(&Proxy) -> f64, goal: Option<Goal>) -> Row {
        let ours = Figure::new(unit, self.rounds.iter().map(|round| of(&round.ours)));
        let row = Row::new("P10", format!("{what}, {}", self.beside), ours);
        let theirs = self
            .rounds
            .iter()
            .filter_map(|round| round.litellm.as_ref());
        let theirs: Vec<f64> = theirs.map(of).collect();
        if theirs.is_empty() {
            return row;
        }
        let row = row.beside(Figure::new(unit, theirs));
        match goal {
            Some(goal) => row.goal(goal),
            None => row,
        }
    }
}

type Of = fn(&Calls) -> &[Loaded; CONNECTIONS.len()];

const TIMES_THE_RATE: Goal = Goal::ShareAtLeast(200.0);
const OF_ITS_P50: Goal = Goal::ShareAtMost(1.0 / 50.0);
const OF_ITS_MEMORY: Goal = Goal::ShareAtMost(1.0 / 8.0);
