//! One kind of load on top of the other: memory of the server, and how soon it answers meanwhile.

use std::time::Duration;

use anyhow::Context as _;

use super::TARGET;
use super::journey;
use super::stalled::Stalled;
use crate::bench::Bench;
use crate::call::{self, Client};
use crate::crowd;
use crate::latency::Latency;
use crate::process::{Process, Server};
use crate::sample::{self, Figure, Unit};
use crate::table::Row;
use crate::upstream;
use crate::watchers::{self, Watchers};

pub async fn rows(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let upstream = Process::role(bench, &["upstream"]).await?;
    let server = Server::new(bench)?
        .upstream(&upstream)
        .with("queue.max_length", "1000000")
        .with("poll.interval", bench.or_smoke("5s", "1s"))
        // They stay until the last row.
        .with("download.reader_timeout", "1h");
    let server = server.start(bench).await?;
    let sizes = Sizes::of(bench);
    let client = call::connect(server.address).await?;
    let film = format!("[bench:bytes={FILM}] A serene lake at dawn");
    let film = call::create(&client, call::request(&film)).await?.id;
    journey::completed(&client, &film).await?;

    let mut scene = Scene {
        bench,
        server: &server,
        client,
        known: film.clone(),
        rows: Vec::new(),
    };
    scene.look("nothing else").await?;

    let ids = crowd::create(server.address, sizes.watches, LONG).await?;
    upstream::all_asked(&upstream, sizes.watches + 1).await?;
    let clients = watchers::connections(server.address, sizes.connections, &film).await?;
    let watchers = Watchers::open(&clients, &ids).await?;
    scene.look(&format!("{} watchers", sizes.watches)).await?;

    let open = Stalled::open(server.address, sizes.connections, sizes.stalled, &film);
    let stalled = open.await?;
    scene
        .look(&format!("+ {} stalled downloads", sizes.stalled))
        .await?;

    crowd::create(server.address, sizes.tasks - sizes.watches, LONG).await?;
    upstream::all_asked(&upstream, sizes.tasks).await?;
    scene
        .look(&format!("+ {} tasks in flight", sizes.tasks))
        .await?;

    stalled.read(FILM).await.context("a stalled download")?;
    drop((watchers, clients));
    scene.look("watchers and readers gone").await?;
    Ok(scene.rows)
}

/// How much of each.
struct Sizes {
    watches: usize,
    stalled: usize,
    connections: usize,
    tasks: usize,
}

impl Sizes {
    fn of(bench: &Bench) -> Self {
        let full = Self {
            watches: 10_000,
            stalled: 1_000,
            connections: 100,
            tasks: 100_000,
        };
        let small = Self {
            watches: 50,
            stalled: 20,
            connections: 2,
            tasks: 100,
        };
        bench.or_smoke(full, small)
    }
}

/// The server that all of it is put on.
struct Scene<'a> {
    bench: &'a Bench,
    server: &'a Process,
    client: Client,
    known: String,
    rows: Vec<Row>,
}

impl Scene<'_> {
    async fn look(&mut self, when: &str) -> anyhow::Result<()> {
        self.bench.say(when);
        let lasts = self.bench.or_smoke(10_000, 200);
        let lasts = Duration::from_millis(lasts);
        let latency = Latency::measure(&self.client, &self.known, LONG, lasts).await?;
        let memory = sample::real(self.server.usage()?.resident);
        let memory = Figure::new(Unit::Bytes, [memory]);
        self.rows
            .push(Row::new(TARGET, format!("{when}: memory"), memory));
        self.rows.extend(latency.rows(TARGET, when));
        Ok(())
    }
}

const LONG: &str = "[bench:seconds=36000] A serene lake at dawn";
/// Bytes of the output that readers stall on: far more than any window.
const FILM: usize = 1 << 20;
