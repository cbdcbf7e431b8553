//! The server is killed and starts again.
//!
//! A start is from the execution of the program until it says `listening on`, and until the first
//! Status of a finished task is answered. The bare limit is SQLite alone: opening the file that the
//! killed server left, and reading its live tasks with their attempts.
//!
//! What has just started cannot know when a process before it asked the provider, and keeps the floor
//! from then on. So polling has resumed when every live task was asked for, and how late that is
//! counts from the end of that floor.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::Filled;
use crate::bench::Bench;
use crate::call;
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
    resident: f64,
    /// The same when all live tasks are polled.
    resident_later: f64,
}

pub async fn measure(
    bench: &Bench,
    filled: &Filled,
    upstream: &Process,
) -> anyhow::Result<Vec<Row>> {
    let wanted = bench.or_smoke(10_000, 50);
    let store = filled.server.store();
    let before = records(upstream).await?.len();
    let mut server = filled.server.start(bench).await?;
    let client = call::connect(server.address).await?;
    let prompts = (0..wanted).map(|_| "[bench:seconds=86400] A serene lake at dawn".to_owned());
    call::create_all(&client, prompts, 64).await?;
    // Some are on their way to the provider now.
    server.kill()?;
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
            resident,
            resident_later,
        })
    });
    let rounds = rounds.await?;
    let asked = records(upstream).await?;
    let twice = blocking(&store, move |store| submitted_twice(&store, &asked, before)).await?;
    Ok(rows(&rounds, filled.copies, live.len(), twice))
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

/// How many seconds after a moment, and after the floor that then holds, the first and the last of
/// the live tasks were asked for.
async fn polls_since(
    bench: &Bench,
    upstream: &Process,
    live: &HashSet<String>,
    since: u64,
) -> anyhow::Result<(f64, f64)> {
    let floor = bench.or_smoke(Duration::from_secs(5), Duration::from_millis(250));
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
        Ok::<_, anyhow::Error>(after.as_secs_f64() - floor.as_secs_f64())
    };
    Ok((late(least)?, late(most)?))
}

/// Creates beyond one for each task. A create without an answer is known to the provider alone, and
/// its attempt has no id: at most so many may be unknown here.
fn submitted_twice(store: &Path, asked: &[Record], before: usize) -> anyhow::Result<usize> {
    let connection = fill::open(store)?;
    let mut made = connection.prepare(
        "SELECT number, upstream_id FROM attempts WHERE task_id > \
         (SELECT id FROM tasks WHERE lane = 7 ORDER BY id DESC LIMIT 1)",
    )?;
    let made = made.query_map([], |row| {
        Ok((row.get::<_, u32>(0)?, row.get::<_, Option<String>>(1)?))
    })?;
    let made = made.collect::<Result<Vec<_>, _>>()?;
    let again = made.iter().filter(|(number, _)| *number > 1).count();
    let known = made.iter().filter_map(|(_, id)| id.as_ref()).count();
    let unanswered = made.len() - known;
    let created = asked.len() - before;
    Ok(again + created.saturating_sub(known + unanswered))
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

fn rows(rounds: &[Start], finished: u32, live: usize, twice: usize) -> Vec<Row> {
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
            "polls resume, after the floor: the first".to_owned(),
            figure(seconds, |one| one.first_poll),
        ),
        row(
            "polls resume, after the floor: the last".to_owned(),
            figure(seconds, |one| one.last_poll),
        )
        .goal(Goal::AtMost(2.0)),
        row(
            "creates beyond one a task, over all kills".to_owned(),
            Figure::new(Unit::Count, [bytes(twice as u64)]),
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

/// Between two looks at whether the tasks are submitted.
const SETTLES: Duration = Duration::from_secs(1);
/// Looks at what is waited for.
const PATIENCE: u32 = 120;
