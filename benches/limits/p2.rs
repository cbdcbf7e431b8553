//! P2: Status, beside the same call to a server that knows one task.

use mediagen::pb::v1::StatusRequest;

use crate::bench::Bench;
use crate::call;
use crate::h2load::{Load, Loaded};
use crate::process::{Process, Server};
use crate::sample::{Figure, Unit};
use crate::table::{Goal, Row};

pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let upstream = Process::role(bench, &["upstream"]).await?;
    let folder = bench.folder().display().to_string();
    let bare = Process::role(bench, &["bare", "--data", &folder]).await?;
    let server = Server::new(bench)?.upstream(&upstream);
    let server = server.start(bench).await?;
    let client = call::connect(server.address).await?;
    let task = call::create(&client, call::request("[bench:seconds=3600] A serene lake")).await?;
    let body = call::frame(&StatusRequest { task_id: task.id })?;
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
