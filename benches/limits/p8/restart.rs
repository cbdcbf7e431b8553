//! The server is killed and starts again.
//!
//! A start is from the execution of the program until it says `listening on`, and until the first
//! Status of a finished task is answered. The bare limit is SQLite alone: opening the file that the
//! killed server left, and reading its live tasks with their attempts.
//!
//! What has just started cannot know when a process before it asked the provider, and keeps the floor
//! from then on: no live task is asked for before it is over. Polling has resumed when each was; how
//! long that takes beyond the floor has a row of its own.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::Filled;
use crate::bench::Bench;
use crate::call;
use crate::crowd;
use crate::fill;
use crate::process::Process;
use crate::sample::{Figure, Unit};
use crate::table::{Goal, Row};
use crate::upstream::{self, Record};

/// One start, in seconds and bytes.
struct Start {
    bare: f64,
    listening: f64,
    status: f64,
    first_poll: f64,
    last_poll: f64,
    beyond_floor: f64,
    resident: f64,
    /// The same when all live tasks are polled.
    resident_later: f64,
}

/// What the provider was asked to make.
struct Submits {
    /// Tasks that were created.
    wanted: usize,
    /// Of them, those that the provider had when the server was killed.
    at_kill: usize,
    /// Creates beyond one for a task, in the end.
    twice: usize,
}

pub async fn measure(
    bench: &Bench,
    filled: &Filled,
    upstream: &Process,
) -> anyhow::Result<Vec<Row>> {
    let wanted = bench.or_smoke(10_000, 50);
    let store = filled.server.store();
    let mut server = filled.server.start(bench).await?;
    let client = call::connect(server.address).await?;
    // Each is told from the others at the provider too.
    let prompts = (0..wanted).map(|n| format!("[bench:seconds=86400] {LAKE}{n}"));
    crowd::create_each(&[client], prompts).await?;
    // Some are on their way to the provider now.
    server.kill()?;
    let at_kill = lakes(&records(upstream).await?).len();
    let mut server = filled.server.start(bench).await?;
    let live = settled(bench, upstream, &store).await?;
    bench.say(&format!("P8: {} live tasks", live.len()));
    let finished = fill::some_ids(&store, filled.copies, 1)?.remove(0);
    server.kill()?;
    let processes = [upstream];
    // A server lives within its round, so that its time counts as ours.
    let rounds = bench.rounds(&processes, async |_| {
        let (bare, read) = blocking(&store, |store| read_live(&store)).await?;
        anyhow::ensure!(read == live.len(), "{read} live tasks of {}", live.len());
        let (exec, wall) = (Instant::now(), upstream::now());
        let mut server = filled.server.start(bench).await?;
        let listening = exec.elapsed().as_secs_f64();
        let client = call::connect(server.address).await?;
        call::status(&client, &finished).await?;
        let status = exec.elapsed().as_secs_f64();
        let resident = bytes(server.usage()?.resident);
        let polls = polls_since(bench, upstream, &live, wall).await?;
        let resident_later = bytes(server.usage()?.resident);
        server.kill()?;
        Ok(Start {
            bare,
            listening,
            status,
            first_poll: polls.0,
            last_poll: polls.1,
            beyond_floor: polls.1 - floor(bench).as_secs_f64(),
            resident,
            resident_later,
        })
    });
    let rounds = rounds.await?;
    let lakes = lakes(&records(upstream).await?);
    let twice = lakes.values().map(|creates| creates - 1).sum();
    let submits = Submits {
        wanted,
        at_kill,
        twice,
    };
    Ok(rows(&rounds, filled.copies, live.len(), &submits))
}

/// Waits until no task waits to be submitted and each live one was polled; gives the provider's ids of
/// those.
async fn settled(
    bench: &Bench,
    upstream: &Process,
    store: &Path,
) -> anyhow::Result<HashSet<String>> {
    for _ in 0..PATIENCE {
        tokio::time::sleep(bench.or_smoke(SETTLES, SETTLES / 10)).await;
        let (waiting, live) = blocking(store, |store| at_provider(&store)).await?;
        let records = records(upstream).await?;
        let polled = records.iter().filter(|one| one.polls > 0);
        let polled: HashSet<_> = polled.map(|one| &*one.id).collect();
        if waiting == 0 && live.iter().all(|id| polled.contains(&**id)) {
            return Ok(live);
        }
    }
    anyhow::bail!("the live tasks are not submitted")
}

/// How many tasks wait, and the provider's ids of those that it has.
fn at_provider(store: &Path) -> anyhow::Result<(u32, HashSet<String>)> {
    let connection = fill::open(store)?;
    let waiting = "SELECT count(*) FROM tasks WHERE lane = 0 OR state = 'submitting'";
    let waiting: u32 = connection.query_row(waiting, [], |row| row.get(0))?;
    let mut live = connection.prepare(
        "SELECT upstream_id FROM tasks JOIN attempts ON task_id = id \
         WHERE lane = 3 AND outcome = 'ACCEPTED'",
    )?;
    let live = live.query_map([], |row| row.get(0))?;
    Ok((waiting, live.collect::<Result<_, _>>()?))
}

/// Seconds that it takes to open the file and to read the live tasks, and how many there are.
fn read_live(store: &Path) -> anyhow::Result<(f64, usize)> {
    let begun = Instant::now();
    let connection = fill::open(store)?;
    let mut live = connection.prepare(
        "SELECT tasks.*, attempts.* FROM tasks JOIN attempts ON task_id = id WHERE lane = 3",
    )?;
    let columns = live.column_count();
    let mut rows = live.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            std::hint::black_box(row.get_ref(column)?);
        }
        count += 1;
    }
    Ok((begun.elapsed().as_secs_f64(), count))
}

/// The floor that the server polls by.
fn floor(bench: &Bench) -> Duration {
    bench.or_smoke(Duration::from_secs(5), Duration::from_millis(250))
}

/// How many seconds after a moment the first and the last of the live tasks were asked for.
async fn polls_since(
    bench: &Bench,
    upstream: &Process,
    live: &HashSet<String>,
    since: u64,
) -> anyhow::Result<(f64, f64)> {
    let floor = floor(bench);
    let mut first: HashMap<String, u64> = HashMap::new();
    tokio::time::sleep(floor).await;
    for _ in 0..PATIENCE {
        // Well within the floor: no second question hides the first.
        tokio::time::sleep(floor / 3).await;
        for one in records(upstream).await? {
            if one.asked >= since && live.contains(&one.id) {
                first.entry(one.id).or_insert(one.asked);
            }
        }
        if first.len() == live.len() {
            break;
        }
    }
    anyhow::ensure!(first.len() == live.len(), "{} tasks polled", first.len());
    let (least, most) = (first.values().min(), first.values().max());
    let late = |asked: Option<&u64>| {
        let after = Duration::from_micros(asked.context("no live task")? - since);
        Ok::<_, anyhow::Error>(after.as_secs_f64())
    };
    Ok((late(least)?, late(most)?))
}

/// How often the provider was asked for each of the tasks.
fn lakes(records: &[Record]) -> HashMap<String, usize> {
    let mut creates = HashMap::new();
    for record in records {
        if let Some((_, number)) = record.prompt.split_once(LAKE) {
            *creates.entry(number.to_owned()).or_default() += 1;
        }
    }
    creates
}

async fn records(upstream: &Process) -> anyhow::Result<Vec<Record>> {
    let url = format!("http://{}/bench/tasks", upstream.address);
    Ok(reqwest::get(url).await?.json().await?)
}

/// Reads the store off the reactor.
async fn blocking<T: Send + 'static>(
    store: &Path,
    read: impl FnOnce(PathBuf) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let store = store.to_owned();
    tokio::task::spawn_blocking(move || read(store)).await?
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn bytes(count: u64) -> f64 {
    count as f64
}

fn rows(rounds: &[Start], finished: u32, live: usize, submits: &Submits) -> Vec<Row> {
    let figure = |unit, of: fn(&Start) -> f64| Figure::new(unit, rounds.iter().map(of));
    let row = |what: String, figure| Row::new("P8", what, figure);
    let seconds = Unit::Seconds;
    let start = format!("start over {finished} finished and {live} live tasks");
    vec![
        row(
            format!("{start}: listening"),
            figure(seconds, |one| one.listening),
        )
        .beside(figure(seconds, |one| one.bare))
        .goal(Goal::AtMost(1.0)),
        row(
            "start: the first Status".to_owned(),
            figure(seconds, |one| one.status),
        )
        .beside(figure(seconds, |one| one.bare))
        .goal(Goal::AtMost(1.0)),
        row(
            "start: the first live task is polled".to_owned(),
            figure(seconds, |one| one.first_poll),
        ),
        row(
            "start: the last live task is polled".to_owned(),
            figure(seconds, |one| one.last_poll),
        )
        .goal(Goal::AtMost(2.0)),
        row(
            "the same, beyond the poll floor that is kept".to_owned(),
            figure(seconds, |one| one.beyond_floor),
        ),
        row(
            format!(
                "of {} tasks created, those that the provider had at the kill",
                submits.wanted
            ),
            Figure::new(Unit::Count, [bytes(submits.at_kill as u64)]),
        ),
        row(
            "creates beyond one a task after it".to_owned(),
            Figure::new(Unit::Count, [bytes(submits.twice as u64)]),
        )
        .goal(Goal::AtMost(0.0)),
        row(
            "memory after the start".to_owned(),
            figure(Unit::Bytes, |one| one.resident),
        ),
        row(
            "memory when all live tasks are polled".to_owned(),
            figure(Unit::Bytes, |one| one.resident_later),
        ),
    ]
}

/// What the prompts of the tasks say, before their numbers.
const LAKE: &str = "A serene lake at dawn, number ";
/// Between two looks at whether the tasks are submitted.
const SETTLES: Duration = Duration::from_secs(1);
/// Looks at what is waited for.
const PATIENCE: u32 = 120;
