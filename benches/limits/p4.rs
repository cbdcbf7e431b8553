//! P4: the download of an archived output, beside a bare tonic stream of as many bytes.
//!
//! Both servers send messages of 64 KiB, and both are read by tonic's client, once as it is by itself
//! (frames of 16 KiB) and once with frames of 256 KiB and windows to match. The bare stream sends one
//! block from memory again and again; a second one reads the very file that the service archived, on
//! tokio's blocking threads, and checks nothing, so that the cost of the file and of the checksums can
//! be told apart. The digest is checked once before, for it costs more than the stream; in the rounds
//! every offset is. First bytes are of requests of their own, one after another. By HTTP curl reads
//! the output from the service, and as many bytes from the upstream.

use std::path::Path;
use std::time::Duration;

use mediagen::pb::v1::media_generation_client::MediaGenerationClient;
use mediagen::pb::v1::{DownloadContentRequest, Task};
use sha2::{Digest as _, Sha256};

use crate::bench::Bench;
use crate::call::{self, Client};
use crate::curl;
use crate::output::{self, Downloaded};
use crate::process::{Process, Server};
use crate::sample::{Figure, Times, Unit};
use crate::table::{Goal, Row};

pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let upstream = Process::role(bench, &["upstream"]).await?;
    let folder = bench.folder().display().to_string();
    let bare = Process::role(bench, &["bare", "--data", &folder]).await?;
    let data = Server::new(bench)?
        .with("poll.interval", "250ms")
        .upstream(&upstream);
    let server = data.start(bench).await?;
    let length = bench.or_smoke(1 << 30, 32 << 20);
    let client = call::connect(server.address).await?;
    let task = output::make(&client, &format!("[bench:bytes={length}]")).await?;
    check(&client, &task, length).await?;
    let file = data.path().join("archive").join(&task.id).join("0");
    let requests = [
        asked(String::new(), length),
        asked(file.display().to_string(), length),
        asked(task.id.clone(), 0),
    ];
    let comparison = Comparison {
        clients: [
            clients([&bare, &bare, &server], Frames::Default).await?,
            clients([&bare, &bare, &server], Frames::Large).await?,
        ],
        requests,
        length,
        openings: bench.or_smoke(200, 5),
        urls: [
            format!("http://{}/file?bytes={length}", upstream.address),
            format!("http://{}/v1/videos/{}/content", server.address, task.id),
        ],
    };
    let processes = [&server, &upstream, &bare];
    let rounds = bench.rounds(&processes, async |number| comparison.round(number).await);
    Ok(comparison.rows(&rounds.await?))
}

/// That the service gives what the upstream made.
async fn check(client: &Client, task: &Task, length: u64) -> anyhow::Result<()> {
    let mut sha = Sha256::new();
    let request = asked(task.id.clone(), 0);
    output::download(client, request, length, |bytes| sha.update(bytes)).await?;
    let digest = hex::encode(sha.finalize());
    anyhow::ensure!(digest == task.outputs[0].sha256, "another digest: {digest}");
    Ok(())
}

fn asked(task_id: String, limit: u64) -> DownloadContentRequest {
    DownloadContentRequest {
        task_id,
        limit: i64::try_from(limit).unwrap_or(i64::MAX),
        ..DownloadContentRequest::default()
    }
}

/// How a client takes what it is sent.
#[derive(Clone, Copy)]
enum Frames {
    /// As tonic's does by itself: 16 KiB.
    Default,
    /// 256 KiB, as our own command line does.
    Large,
}

async fn clients(arms: [&Process; 3], frames: Frames) -> anyhow::Result<[Client; 3]> {
    let [memory, file, ours] = arms.map(|process| async {
        let endpoint = call::endpoint(process.address)?;
        let endpoint = match frames {
            Frames::Default => endpoint,
            Frames::Large => endpoint
                .initial_stream_window_size(8 << 20)
                .initial_connection_window_size(16 << 20)
                .max_frame_size(256 << 10),
        };
        anyhow::Ok(MediaGenerationClient::new(endpoint.connect().await?))
    });
    Ok([memory.await?, file.await?, ours.await?])
}

/// What takes turns: bytes from memory, from a file, and from the service.
struct Comparison {
    /// By the client's frames.
    clients: [[Client; 3]; 2],
    requests: [DownloadContentRequest; 3],
    length: u64,
    openings: usize,
    /// Of the upstream and of the service.
    urls: [String; 2],
}

/// What one round took.
#[derive(Default)]
struct Round {
    /// By the client's frames and by arm.
    whole: [[Duration; 3]; 2],
    /// First bytes, by arm.
    first: [Vec<Duration>; 3],
    http: [Duration; 2],
}

impl Comparison {
    async fn round(&self, number: usize) -> anyhow::Result<Round> {
        let mut round = Round::default();
        for turn in 0..3 {
            let arm = (number + turn) % 3;
            for (frames, clients) in self.clients.iter().enumerate() {
                round.whole[frames][arm] = self.download(clients, arm).await?.whole;
            }
            round.first[arm] = self.open(arm).await?;
        }
        for turn in 0..2 {
            let arm = (number + turn) % 2;
            let null = Path::new("/dev/null");
            round.http[arm] = curl::fetch(&self.urls[arm], self.length, null).await?;
        }
        Ok(round)
    }

    async fn download(&self, clients: &[Client; 3], arm: usize) -> anyhow::Result<Downloaded> {
        let request = self.requests[arm].clone();
        output::download(&clients[arm], request, self.length, |_| ()).await
    }

    /// One message of bytes, again and again.
    async fn open(&self, arm: usize) -> anyhow::Result<Vec<Duration>> {
        const LENGTH: u64 = 64 << 10;
        let mut first = Vec::with_capacity(self.openings);
        for _ in 0..self.openings {
            let request = asked(self.requests[arm].task_id.clone(), LENGTH);
            let opened = output::download(&self.clients[0][arm], request, LENGTH, |_| ());
            first.push(opened.await?.first);
        }
        Ok(first)
    }

    fn rows(&self, rounds: &[Round]) -> Vec<Row> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let length = self.length as f64;
        let speed = |of: &dyn Fn(&Round) -> Duration| {
            let speeds = rounds.iter().map(|round| length / of(round).as_secs_f64());
            Figure::new(Unit::BytesPerSecond, speeds)
        };
        let first = |arm: usize| {
            let times = rounds.iter().map(|round| round.first[arm].iter().copied());
            let slow = times.map(|times| Times::new(times).within(0.99));
            Figure::new(Unit::Millis, slow)
        };
        let mut rows = Vec::new();
        for (frames, name) in ["the client's defaults", "frames of 256 KiB"]
            .into_iter()
            .enumerate()
        {
            let arm = |arm: usize| speed(&move |round| round.whole[frames][arm]);
            let what = format!("Download of an archived output, {name}");
            rows.extend([
                Row::new("P4", &what, arm(OURS))
                    .beside(arm(MEMORY))
                    .goal(Goal::ShareAtLeast(0.85)),
                Row::new("P4", what + "; bare from the file", arm(OURS)).beside(arm(FILE)),
            ]);
        }
        rows.extend([
            Row::new("P4", "Download: first bytes, p99", first(OURS))
                .beside(first(FILE))
                .goal(Goal::AtMost(5.0)),
            Row::new(
                "P4",
                "The same by HTTP, to curl; the upstream's beside",
                speed(&|round| round.http[1]),
            )
            .beside(speed(&|round| round.http[0])),
        ]);
        rows
    }
}

const MEMORY: usize = 0;
const FILE: usize = 1;
const OURS: usize = 2;
