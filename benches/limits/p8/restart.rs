//! The server is killed and starts again.
//!
//! A start is from the execution of the program until it says `listening on`, and until the first
//! Status of a finished task is answered. The bare limit is SQLite alone: opening the file that the
//! killed server left, and reading its live tasks with their attempts.
//!
//! No task is asked about twice within the floor, through restarts too. So polling has resumed, after a
//! while without a server, when each live task was asked about; and after a restart at once when they
//! are asked about as if nothing had been: the row of the longest silence tells how much longer one of
//! them waited than the floor.

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
    /// When all live tasks were polled that had waited for a server.
    all_polled: f64,
    resident: f64,
    /// The same when all live tasks are polled.
    resident_later: f64,
    at_once: AtOnce,
}

/// What a kill and a start right after it did to polling, in seconds.
struct AtOnce {
    /// From the start to the first question.
    first: f64,
    /// From a question about a task before to the next: the shortest and the longest time.
    silence: (f64, f64),
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
    let floor = floor(bench);
    // A server lives within its round, so that its time counts as ours.
    let rounds = bench.rounds(&processes, async |_| {
        tokio::time::sleep(floor * 2).await;
        let (bare, read) = blocking(&store, |store| read_live(&store)).await?;
        anyhow::ensure!(read == live.len(), "{read} live tasks of {}", live.len());
        let before = asked(upstream, &live).await?;
        let (exec, wall) = (Instant::now(), upstream::now());
        let mut server = filled.server.start(bench).await?;
        let listening = exec.elapsed().as_secs_f64();
        let client = call::connect(server.address).await?;
        call::status(&client, &finished).await?;
        let status = exec.elapsed().as_secs_f64();
        let resident = bytes(server.usage()?.resident);
        let polled = polled_again(upstream, &before, floor).await?;
        let all_polled = seconds(wall, *polled.values().max().context("no live task")?);
        let resident_later = bytes(server.usage()?.resident);
        server.kill()?;
        Ok(Start {
            bare,
            listening,
            status,
            all_polled,
            resident,
            resident_later,
            at_once: at_once(bench, filled, upstream, &live).await?,
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
    let stored = (filled.copies, live.len());
    Ok(rows(&rounds, stored, floor, &submits))
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

/// Starts a server where one was just killed, and kills it when all was asked about again.
async fn at_once(
    bench: &Bench,
    filled: &Filled,
    upstream: &Process,
    live: &HashSet<String>,
) -> anyhow::Result<AtOnce> {
    // What the killed one sent last arrives.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = asked(upstream, live).await?;
    let wall = upstream::now();
    let mut server = filled.server.start(bench).await?;
    let after = polled_again(upstream, &before, floor(bench)).await?;
    server.kill()?;
    let silences = || after.iter().map(|(id, at)| seconds(before[id], *at));
    Ok(AtOnce {
        first: seconds(wall, *after.values().min().context("no live task")?),
        silence: (
            silences().fold(f64::MAX, f64::min),
            silences().fold(0.0, f64::max),
        ),
    })
}

/// When each of the live tasks was asked about last.
async fn asked(upstream: &Process, live: &HashSet<String>) -> anyhow::Result<HashMap<String, u64>> {
    let records = records(upstream).await?.into_iter();
    let asked = records.filter(|one| live.contains(&one.id));
    Ok(asked.map(|one| (one.id, one.asked)).collect())
}

/// Waits until each was asked about again; when that was.
async fn polled_again(
    upstream: &Process,
    before: &HashMap<String, u64>,
    floor: Duration,
) -> anyhow::Result<HashMap<String, u64>> {
    let mut first: HashMap<String, u64> = HashMap::new();
    for _ in 0..PATIENCE {
        // Well within the floor: no second question hides the first.
        tokio::time::sleep(floor / 5).await;
        for one in records(upstream).await? {
            if before.get(&one.id).is_some_and(|last| one.asked > *last) {
                first.entry(one.id).or_insert(one.asked);
            }
        }
        if first.len() == before.len() {
            return Ok(first);
        }
    }
    anyhow::bail!("{} tasks polled of {}", first.len(), before.len())
}

/// Seconds between two moments at the provider.
fn seconds(from: u64, until: u64) -> f64 {
    Duration::from_micros(until.saturating_sub(from)).as_secs_f64()
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

fn rows(
    rounds: &[Start],
    (finished, live): (u32, usize),
    floor: Duration,
    submits: &Submits,
) -> Vec<Row> {
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
            "start after two floors: all live tasks are polled".to_owned(),
            figure(seconds, |one| one.all_polled),
        )
        .goal(Goal::AtMost(2.0)),
        row(
            "start right after a kill: the first live task is polled".to_owned(),
            figure(seconds, |one| one.at_once.first),
        ),
        row(
            format!("the shortest silence about a task over it; the floor is {floor:?}"),
            figure(seconds, |one| one.at_once.silence.0),
        )
        // Seen from the provider, where a question may arrive a little sooner than the one before.
        .goal(Goal::AtLeast(0.99 * floor.as_secs_f64())),
        row(
            "the longest".to_owned(),
            figure(seconds, |one| one.at_once.silence.1),
        )
        .goal(Goal::AtMost(floor.as_secs_f64() + 2.0)),
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
