//! P2: Status of a task in flight, beside a bare server that answers the same message.

use std::time::Duration;

use mediagen::pb::v1::{StatusRequest, StatusResponse, Task, TaskStatus};
use prost::Message as _;

use crate::bench::Bench;
use crate::call::{self, Client};
use crate::h2load::{Load, Loaded};
use crate::process::{Process, Server};
use crate::sample::{Figure, Unit};
use crate::table::{Goal, Row};

pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let upstream = Process::role(bench, &["upstream"]).await?;
    let server = Server::new(bench)?.upstream(&upstream);
    let server = server.start(bench).await?;
    let client = call::connect(server.address).await?;
    let task = call::create(&client, call::request("[bench:seconds=3600] A serene lake")).await?;
    let task = in_flight(&client, &task.id).await?;
    let body = call::frame(&StatusRequest {
        task_id: task.id.clone(),
    })?;
    let answer = hex::encode(StatusResponse { task: Some(task) }.encode_to_vec());
    let folder = bench.folder().display().to_string();
    let bare = ["bare", "--data", &folder, "--status", &answer];
    let bare = Process::role(bench, &bare).await?;
    let load = Load {
        method: "Status",
        body: &body,
        connections: 1,
        in_flight: 64,
        seconds: bench.or_smoke(4, 1),
    };
    let processes = [&server, &upstream, &bare];
    let rounds = bench.rounds(&processes, async |number| {
        Ok(if number % 2 == 0 {
            let limit = load.run(bench, &bare).await?;
            [limit, load.counted(bench, &server).await?]
        } else {
            let ours = load.counted(bench, &server).await?;
            [load.run(bench, &bare).await?, ours]
        })
    });
    let rounds = rounds.await?;
    let figure = |unit, arm: usize, of: fn(&Loaded) -> f64| {
        Figure::new(unit, rounds.iter().map(|arms| of(&arms[arm])))
    };
    let (rate, slow) = (
        |loaded: &Loaded| loaded.per_second,
        |loaded: &Loaded| loaded.times.within(0.99),
    );
    Ok(vec![
        Row::new(
            "P2",
            "Status, 64 in flight",
            figure(Unit::PerSecond, 1, rate),
        )
        .beside(figure(Unit::PerSecond, 0, rate))
        .goal(Goal::ShareAtLeast(0.75)),
        Row::new(
            "P2",
            "Status, 64 in flight: p99",
            figure(Unit::Millis, 1, slow),
        )
        .beside(figure(Unit::Millis, 0, slow)),
    ])
}

/// The task when the provider is at work on it.
async fn in_flight(client: &Client, id: &str) -> anyhow::Result<Task> {
    for _ in 0..MOST_LOOKS {
        let task = call::status(client, id).await?;
        if task.status() == TaskStatus::InProgress {
            return Ok(task);
        }
        tokio::time::sleep(LOOK).await;
    }
    anyhow::bail!("{id} is not taken up")
}

const LOOK: Duration = Duration::from_millis(100);
const MOST_LOOKS: usize = 300;
