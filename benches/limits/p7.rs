//! P7: how long after the end at the provider a task is COMPLETED.
//!
//! All tasks are created within the first seconds and run at the provider for a log-normal time, as
//! in the schedule's own simulation: 20 to 60 s at the default floor of 5 s, and it tells progress.
//! A lag is `complete_time` of the task, less the moment at which the provider had it done, less the
//! time for which the copy of its output ran; so a wait for the archiver is lag. The provider is this
//! program on the same wall clock. The sizes follow one another on one server, as the run times that
//! it has learned do in life. What polls at a fixed pace would ask, from the task's creation on, is
//! reckoned from the same tasks.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use mediagen::pb::v1::{ListRequest, Task, TaskFilters, TaskStatus};

use crate::bench::Bench;
use crate::call::{self, Client};
use crate::crowd;
use crate::process::{Process, Server};
use crate::sample::{Figure, Times, Unit};
use crate::table::{Goal, Row};
use crate::upstream::Record;

pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let upstream = Process::role(bench, &["upstream"]).await?;
    let floor = bench.or_smoke(Duration::from_secs(5), Duration::from_millis(300));
    let server = Server::new(bench)?
        .with("poll.interval", &format!("{}ms", floor.as_millis()))
        .upstream(&upstream);
    let server = server.start(bench).await?;
    let sizes: &[usize] = bench.or_smoke(&[100, 1_000, 10_000], &[100]);
    let mut rows = Vec::new();
    for size in sizes {
        let crowd = Crowd {
            floor,
            size: *size,
            server: &server,
            upstream: &upstream,
        };
        let processes = [&server, &upstream];
        let round = bench.one_round(&processes, async |_| crowd.follow().await);
        rows.extend(crowd.rows(&round.await?));
    }
    Ok(rows)
}

/// Tasks that are in flight together.
struct Crowd<'a> {
    floor: Duration,
    size: usize,
    server: &'a Process,
    upstream: &'a Process,
}

/// What became of one task, in milliseconds.
struct Followed {
    /// Done at the provider, until COMPLETED, without the copy.
    lag: f64,
    /// Done at the provider, until somebody who asked was told so.
    told: f64,
    /// From then until its copy began.
    waited: f64,
    /// From the end of the copy until COMPLETED.
    stored: f64,
    polls: f64,
    /// How often it would have been asked for at a fixed pace.
    fixed: f64,
}

impl Crowd<'_> {
    async fn follow(&self) -> anyhow::Result<Vec<Followed>> {
        let client = call::connect(self.server.address).await?;
        let prompts = (0..self.size).map(|_| self.prompt());
        let created = crowd::create_each(std::slice::from_ref(&client), prompts).await?;
        tokio::time::sleep(self.floor.mul_f64(LONGEST)).await;
        let unfinished = wait_for_all(&client).await?;
        anyhow::ensure!(unfinished == 0, "{unfinished} tasks do not end");
        let url = format!("http://{}/bench/tasks", self.upstream.address);
        let records: Vec<Record> = reqwest::get(url).await?.json().await?;
        let records: HashMap<_, _> = records.iter().map(|one| (&*one.id, one)).collect();
        let tasks = all(&client).await?;
        let tasks: HashMap<_, _> = tasks.iter().map(|task| (&*task.id, task)).collect();
        let followed = created.iter().map(|task| {
            let task = tasks.get(&*task.id).context("a task is not listed")?;
            let id = &task
                .attempts
                .first()
                .context("no attempt")?
                .provider_task_id;
            let record = records
                .get(&**id)
                .context("the provider does not know it")?;
            self.followed(task, record)
        });
        followed.collect()
    }

    fn followed(&self, task: &Task, record: &Record) -> anyhow::Result<Followed> {
        let status = task.status();
        anyhow::ensure!(status == TaskStatus::Completed, "{} is {status:?}", task.id);
        let completed = task.complete_time.as_ref().context("no time of its end")?;
        let completed = completed.seconds * 1_000_000 + i64::from(completed.nanos) / 1000;
        let copied = millis(record.copy_begun, record.copy_ended);
        let completed = u64::try_from(completed)?;
        let done = millis(record.done, completed);
        let runs = millis(record.created, record.done);
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let polls = record.polls as f64;
        Ok(Followed {
            lag: done - copied,
            told: millis(record.done, record.told),
            waited: millis(record.told, record.copy_begun),
            stored: millis(record.copy_ended, completed),
            polls,
            fixed: (runs / (self.floor.as_secs_f64() * 1e3)).ceil(),
        })
    }

    /// A task that runs for about seven floors, as the others do more or less.
    fn prompt(&self) -> String {
        let normal = (0..12).map(|_| rand::random::<f64>()).sum::<f64>() - 6.0;
        let floors = (USUAL * (SPREAD * normal).exp()).clamp(SHORTEST, LONGEST);
        let seconds = self.floor.mul_f64(floors).as_secs_f64();
        format!("[bench:seconds={seconds:.3}] A serene lake at dawn, mist over it")
    }

    fn rows(&self, followed: &[Followed]) -> Vec<Row> {
        let (floor, size) = (self.floor.as_secs_f64() * 1e3, self.size);
        let times = |of: fn(&Followed) -> f64| Times::of_millis(followed.iter().map(of));
        let row = |what: String, unit, value| {
            Row::new(
                "P7",
                format!("{size} in flight, {what}"),
                Figure::new(unit, [value]),
            )
        };
        let lag = times(|one| one.lag);
        let count = followed.len();
        let told = times(|one| one.told);
        let waited = times(|one| one.waited);
        let stored = times(|one| one.stored);
        let polls = mean(followed.iter().map(|one| one.polls));
        let fixed = mean(followed.iter().map(|one| one.fixed));
        let millis = Unit::Millis;
        vec![
            row(
                format!("discovery lag of {count}: p50"),
                millis,
                lag.within(0.5),
            )
            .goal(Goal::AtMost(floor / 2.0)),
            row("discovery lag: p99".to_owned(), millis, lag.within(0.99))
                .goal(Goal::AtMost(floor * 1.2)),
            row(
                "until the provider is asked: p99".to_owned(),
                millis,
                told.within(0.99),
            ),
            row(
                "then until the copy begins: p99".to_owned(),
                millis,
                waited.within(0.99),
            ),
            row(
                "from its last byte to COMPLETED: p99".to_owned(),
                millis,
                stored.within(0.99),
            ),
            row(
                "polls of a task, beside a fixed pace".to_owned(),
                Unit::Count,
                polls,
            )
            .beside(Figure::new(Unit::Count, [fixed]))
            .goal(Goal::ShareBelow(1.0)),
        ]
    }
}

/// Waits until no task is on its way, and says how many still are after all patience.
async fn wait_for_all(client: &Client) -> anyhow::Result<usize> {
    let mut left = 0;
    for _ in 0..PATIENCE {
        left = unfinished(client).await?;
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(left)
}

async fn unfinished(client: &Client) -> anyhow::Result<usize> {
    use TaskStatus::{InProgress, Queued, SubmissionUnknown, Throttled};
    let statuses = [Queued, Throttled, InProgress, SubmissionUnknown].map(Into::into);
    let filters = TaskFilters {
        statuses: statuses.into(),
        ..TaskFilters::default()
    };
    let asked = ListRequest {
        page_size: 1000,
        filters: Some(filters),
        ..ListRequest::default()
    };
    Ok(client.clone().list(asked).await?.into_inner().tasks.len())
}

/// Every task that the server has.
async fn all(client: &Client) -> anyhow::Result<Vec<Task>> {
    let mut tasks = Vec::new();
    let mut asked = ListRequest {
        page_size: 1000,
        ..ListRequest::default()
    };
    loop {
        let page = client.clone().list(asked.clone()).await?.into_inner();
        tasks.extend(page.tasks);
        if page.next_page_token.is_empty() {
            return Ok(tasks);
        }
        asked.page_token = page.next_page_token;
    }
}

/// From one moment to another, both in microseconds.
fn millis(from: u64, to: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let micros = |time: u64| time as f64;
    if to >= from {
        micros(to - from) / 1e3
    } else {
        -micros(from - to) / 1e3
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// The usual run time, in floors, and its deviation as the schedule's simulation has it.
const USUAL: f64 = 7.0;
const SPREAD: f64 = 0.25;
/// No run is shorter, in floors.
const SHORTEST: f64 = 4.0;
/// Or longer.
const LONGEST: f64 = 12.0;
/// Seconds after the last run's end in which all must have ended.
const PATIENCE: u32 = 60;
