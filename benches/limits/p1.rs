//! P1: Create, on disk when it is answered.

use crate::bench::Bench;
use crate::call;
use crate::h2load::{Load, Loaded};
use crate::process::{Process, Server};
use crate::sample::{Figure, Unit};
use crate::table::{Goal, Row};

/// One round: both arms, alone and crowded.
struct Round {
    ours: [Loaded; 2],
    bare: [Loaded; 2],
}

pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let upstream = Process::role(bench, &["upstream"]).await?;
    let folder = bench.folder().display().to_string();
    let bare = Process::role(bench, &["bare", "--data", &folder]).await?;
    let mut rows = measure(bench, &upstream, &bare, Flow::Queued).await?;
    rows.extend(measure(bench, &upstream, &bare, Flow::Submitted).await?);
    Ok(rows)
}

/// What becomes of the tasks while others are created.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// The provider's limit is reached: they wait.
    Queued,
    /// Each is sent to the provider at once, which costs three more commits and a request.
    Submitted,
}

async fn measure(
    bench: &Bench,
    upstream: &Process,
    bare: &Process,
    flow: Flow,
) -> anyhow::Result<Vec<Row>> {
    let server = Server::new(bench)?.with("queue.max_length", "1000000");
    let server = match flow {
        Flow::Queued => server.at_most(1),
        Flow::Submitted => server,
    };
    let server = server.upstream(upstream).start(bench).await?;
    // The tool sends one body: no request_id, so that each call makes a task.
    let mut request = call::request("[bench:seconds=3600] A serene lake at dawn, mist over it");
    request.request_id.clear();
    let body = call::frame(&request)?;
    let processes = [&server, upstream, bare];
    let rounds = bench.rounds(&processes, async |number| {
        let limit = async || -> anyhow::Result<[Loaded; 2]> {
            let alone = load(bench, &body, 1).run(bench, bare).await?;
            Ok([alone, load(bench, &body, 64).run(bench, bare).await?])
        };
        let service = async || -> anyhow::Result<[Loaded; 2]> {
            let alone = load(bench, &body, 1).counted(bench, &server).await?;
            Ok([alone, load(bench, &body, 64).counted(bench, &server).await?])
        };
        Ok(if number % 2 == 0 {
            let bare = limit().await?;
            let ours = service().await?;
            Round { ours, bare }
        } else {
            let ours = service().await?;
            let bare = limit().await?;
            Round { ours, bare }
        })
    });
    let rounds = rounds.await?;
    Ok(rows(&rounds, flow))
}

fn load<'a>(bench: &Bench, body: &'a [u8], in_flight: usize) -> Load<'a> {
    Load {
        method: "Create",
        body,
        connections: 1,
        in_flight,
        seconds: bench.or_smoke(4, 1),
    }
}

fn rows(rounds: &[Round], flow: Flow) -> Vec<Row> {
    let figure = |unit, of: fn(&Round) -> f64| Figure::new(unit, rounds.iter().map(of));
    let flow = match flow {
        Flow::Queued => "tasks queue",
        Flow::Submitted => "each is submitted at once",
    };
    let alone = figure(Unit::Millis, |round| round.ours[0].times.within(0.5));
    let crowd = figure(Unit::PerSecond, |round| round.ours[1].per_second);
    let slow = figure(Unit::Millis, |round| round.ours[1].times.within(0.99));
    vec![
        Row::new("P1", format!("Create, 1 in flight, {flow}: p50"), alone)
            .beside(figure(Unit::Millis, |round| {
                round.bare[0].times.within(0.5)
            }))
            .goal(Goal::AtMost(0.6)),
        Row::new("P1", format!("Create, 64 in flight, {flow}"), crowd)
            .beside(figure(Unit::PerSecond, |round| round.bare[1].per_second))
            .goal(Goal::AtLeast(8_000.0)),
        Row::new("P1", format!("Create, 64 in flight, {flow}: p99"), slow)
            .beside(figure(Unit::Millis, |round| {
                round.bare[1].times.within(0.99)
            }))
            .goal(Goal::AtMost(25.0)),
    ]
}
