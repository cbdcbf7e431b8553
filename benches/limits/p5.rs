//! P5: the server's memory under many downloads, beside a bare tonic server that sends from memory.
//!
//! Each round has servers that are fresh but for one download. The crowd: every download has a
//! connection of its own and is read to its end. The stalled: a client of tonic's defaults takes
//! 2 MiB of a stream and 5 MiB of a connection before it must be read. So two streams share one:
//! both are stopped by their own window, none by the connection's, and of each the server holds what
//! it would send next. They count as stalled when the server has rested for a while with all streams
//! open; then one is read to its end, to show that the rest was there. Memory is what the process
//! holds, connections included.

use std::time::Duration;

use futures_util::future::{try_join, try_join_all};
use mediagen::pb::v1::{DownloadContentRequest, Task};

use crate::bench::Bench;
use crate::call::{self, Client};
use crate::output::{self, Reading};
use crate::process::{Process, Server};
use crate::sample::{Figure, Unit};
use crate::scrape;
use crate::table::{Goal, Row};

pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let upstream = Process::role(bench, &["upstream"]).await?;
    let data = Server::new(bench)?
        .with("poll.interval", "250ms")
        .upstream(&upstream);
    let length = bench.or_smoke(64 << 20, 4 << 20);
    let task = {
        let server = data.start(bench).await?;
        let client = call::connect(server.address).await?;
        output::make(&client, &format!("[bench:bytes={length}]")).await?
    };
    let load = Load {
        bench,
        data,
        task,
        length,
        crowd: bench.or_smoke(100, 10),
        pairs: bench.or_smoke(100, 10),
    };
    let processes = [&upstream];
    let rounds = bench.rounds(&processes, async |_| load.round().await);
    Ok(load.rows(&rounds.await?))
}

/// What is done to each server.
struct Load<'a> {
    bench: &'a Bench,
    data: Server,
    task: Task,
    length: u64,
    /// Downloads at once.
    crowd: usize,
    /// Connections with two stalled readers each.
    pairs: usize,
}

/// Memory of a server, in bytes.
struct Grown {
    /// More than before, at the most.
    most: u64,
    /// More than before, when everybody is gone.
    kept: u64,
}

/// Of the bare server and of ours.
struct Round {
    crowd: [Grown; 2],
    stalled: [Grown; 2],
}

impl Load<'_> {
    async fn round(&self) -> anyhow::Result<Round> {
        Ok(Round {
            crowd: [
                self.crowd(self.bare().await?).await?,
                self.crowd(self.ours().await?).await?,
            ],
            stalled: [
                self.stalled(self.bare().await?).await?,
                self.stalled(self.ours().await?).await?,
            ],
        })
    }

    async fn bare(&self) -> anyhow::Result<Arm> {
        let folder = self.bench.folder().display().to_string();
        let request = DownloadContentRequest {
            limit: i64::try_from(self.length)?,
            ..DownloadContentRequest::default()
        };
        Ok(Arm {
            server: Process::role(self.bench, &["bare", "--data", &folder]).await?,
            request,
            is_ours: false,
        })
    }

    async fn ours(&self) -> anyhow::Result<Arm> {
        let request = DownloadContentRequest {
            task_id: self.task.id.clone(),
            ..DownloadContentRequest::default()
        };
        Ok(Arm {
            server: self.data.start(self.bench).await?,
            request,
            is_ours: true,
        })
    }

    /// Many downloads at once; afterwards the server is ended.
    async fn crowd(&self, arm: Arm) -> anyhow::Result<Grown> {
        let before = self.warm(&arm).await?;
        try_join_all((0..self.crowd).map(|_| self.download(&arm))).await?;
        let most = arm.server.usage()?.peak.saturating_sub(before);
        let kept = rested(&arm.server).await?.saturating_sub(before);
        Ok(Grown { most, kept })
    }

    /// Many downloads that nobody reads; afterwards the server is ended.
    async fn stalled(&self, arm: Arm) -> anyhow::Result<Grown> {
        let before = self.warm(&arm).await?;
        let pairs = try_join_all((0..self.pairs).map(|_| arm.pair())).await?;
        let held = rested(&arm.server).await?;
        if arm.is_ours {
            let open = scrape::value(&arm.server, OPEN).await?;
            #[expect(clippy::cast_precision_loss, reason = "a small count")]
            let wanted = self.pairs as f64 * 2.0;
            anyhow::ensure!(open.total_cmp(&wanted).is_eq(), "{open} streams are open");
        }
        let mut pairs = pairs.into_iter();
        if let Some((_client, mut one, _other)) = pairs.next() {
            one.read(self.length, |_| ()).await?;
        }
        drop(pairs);
        let kept = rested(&arm.server).await?;
        Ok(Grown {
            most: held.saturating_sub(before),
            kept: kept.saturating_sub(before),
        })
    }

    /// What the server holds after one download.
    async fn warm(&self, arm: &Arm) -> anyhow::Result<u64> {
        self.download(arm).await?;
        let before = rested(&arm.server).await?;
        arm.server.forget_peak()?;
        Ok(before)
    }

    async fn download(&self, arm: &Arm) -> anyhow::Result<()> {
        let client = call::connect(arm.server.address).await?;
        output::download(&client, arm.request.clone(), self.length, |_| ()).await?;
        Ok(())
    }

    fn rows(&self, rounds: &[Round]) -> Vec<Row> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let figure = |share: usize, of: &dyn Fn(&Round) -> u64| {
            let share = share as f64;
            Figure::new(
                Unit::Bytes,
                rounds.iter().map(|round| of(round) as f64 / share),
            )
        };
        let (crowd, stalled) = (self.crowd, self.pairs * 2);
        vec![
            Row::new(
                "P5",
                format!("Memory of {crowd} downloads at once, at the peak"),
                figure(1, &|round| round.crowd[1].most),
            )
            .beside(figure(1, &|round| round.crowd[0].most))
            .goal(Goal::AtMost(16.0 * MIB)),
            Row::new(
                "P5",
                "The same when they are gone",
                figure(1, &|round| round.crowd[1].kept),
            )
            .beside(figure(1, &|round| round.crowd[0].kept)),
            Row::new(
                "P5",
                format!("Memory of each of {stalled} stalled readers"),
                figure(stalled, &|round| round.stalled[1].most),
            )
            .beside(figure(stalled, &|round| round.stalled[0].most))
            .goal(Goal::AtMost(MIB / 8.0)),
            Row::new(
                "P5",
                "The same when they are gone, of all",
                figure(1, &|round| round.stalled[1].kept),
            )
            .beside(figure(1, &|round| round.stalled[0].kept)),
        ]
    }
}

/// A server, and what is downloaded from it.
struct Arm {
    server: Process,
    request: DownloadContentRequest,
    is_ours: bool,
}

impl Arm {
    /// A connection with two downloads of which one message was read.
    async fn pair(&self) -> anyhow::Result<(Client, Reading, Reading)> {
        let client = call::connect(self.server.address).await?;
        let open = || Reading::open(&client, self.request.clone());
        let (one, other) = try_join(open(), open()).await?;
        Ok((client, one, other))
    }
}

/// Waits until a server does nothing, and says what it holds then.
async fn rested(server: &Process) -> anyhow::Result<u64> {
    let (mut last, mut at_rest) = (server.usage()?, 0);
    for _ in 0..MOST_LOOKS {
        tokio::time::sleep(LOOK).await;
        let now = server.usage()?;
        let is_same = now.resident == last.resident && now.cpu == last.cpu;
        at_rest = if is_same { at_rest + 1 } else { 0 };
        last = now;
        if at_rest == LOOKS {
            return Ok(last.resident);
        }
    }
    anyhow::bail!("{} does not come to rest", server.address)
}

const OPEN: &str = "mediagen_streams_open{kind=\"download\"}";
const MIB: f64 = 1_048_576.0;
const LOOK: Duration = Duration::from_millis(50);
/// As often the server must be found at rest in a row.
const LOOKS: usize = 6;
const MOST_LOOKS: usize = 200;
