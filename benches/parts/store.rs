//! The store beside bare rows: one write with a commit of its own, 64 that wait together, and reads.
//!
//! *Empty* is a store that was just made; creates are measured over a new one for each sample. The
//! *full* one holds 100,000 waiting tasks, and what is created while it is measured.

use std::cell::{LazyCell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use criterion::{Bencher, BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use futures_util::future::try_join_all;
use mediagen::config::catalog;
use mediagen::domain::generation::Generation;
use mediagen::domain::id::{TaskId, TenantId};
use mediagen::domain::task::{Lane, Task};
use mediagen::domain::time::Timestamp;
use mediagen::store::sqlite::SqliteStore;
use mediagen::store::{Created, ListQuery, Sorted, TaskFilter, TaskStore as _};
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{is_test, sample};

pub fn measure(criterion: &mut Criterion) -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    let request = sample::generation(&sample::words(), &catalog::embedded()?)?;
    let home = || Home::new(&runtime, &request);
    // It takes seconds to fill, and not everybody asks for it.
    let full = LazyCell::new(|| {
        let mut full = home()?;
        full.fill(if is_test() { 1_000 } else { 100_000 })?;
        anyhow::Ok(RefCell::new(full))
    });
    let full = || full.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"));

    let mut group = criterion.benchmark_group("store");
    group.sample_size(20);
    for together in [1, 64] {
        group.throughput(Throughput::Elements(together));
        bench(&mut group, format!("create/empty/{together}"), |rounds| {
            home()?.creates(rounds, together)
        });
        bench(&mut group, format!("create/full/{together}"), |rounds| {
            full()?.borrow_mut().creates(rounds, together)
        });
        bench(
            &mut group,
            format!("create/bare rows/{together}"),
            |rounds| Rows::new()?.inserts(rounds, together),
        );
        bench(&mut group, format!("save/empty/{together}"), |rounds| {
            home()?.saves(rounds, together)
        });
        bench(&mut group, format!("save/full/{together}"), |rounds| {
            full()?.borrow_mut().saves(rounds, together)
        });
    }
    group.throughput(Throughput::Elements(1));
    bench(&mut group, "get/full/recent".to_owned(), |rounds| {
        full()?.borrow().gets(rounds, Which::Newest)
    });
    bench(&mut group, "get/full/from disk".to_owned(), |rounds| {
        full()?.borrow().gets(rounds, Which::Old)
    });
    let rows = LazyCell::new(|| Rows::new()?.filled(if is_test() { 1_000 } else { 100_000 }));
    bench(&mut group, "get/bare rows".to_owned(), |rounds| {
        let rows = rows
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error:#}"))?;
        rows.gets(rounds)
    });
    bench(&mut group, "a page of 50/empty".to_owned(), |rounds| {
        home()?.lists(rounds)
    });
    bench(&mut group, "a page of 50/full".to_owned(), |rounds| {
        full()?.borrow().lists(rounds)
    });
    bench(&mut group, "64 due/empty".to_owned(), |rounds| {
        home()?.dues(rounds)
    });
    bench(&mut group, "64 due/full".to_owned(), |rounds| {
        full()?.borrow().dues(rounds)
    });
    group.finish();
    Ok(())
}

/// Measures what takes its own time. A benchmark has no other way to fail than to end.
fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: String,
    timed: impl Fn(u64) -> anyhow::Result<Duration>,
) {
    group.bench_function(name, |b: &mut Bencher<'_>| {
        b.iter_custom(|rounds| timed(rounds).expect("the store does as it is told"));
    });
}

/// A store in a folder of its own.
struct Home<'a> {
    runtime: &'a Runtime,
    request: &'a Generation,
    store: SqliteStore,
    next: u32,
    /// Removed after the store was closed.
    _folder: TempDir,
}

#[derive(Clone, Copy)]
enum Which {
    /// The one that was written last.
    Newest,
    /// Those of the first half, in turns: more than are kept in memory.
    Old,
}

impl<'a> Home<'a> {
    fn new(runtime: &'a Runtime, request: &'a Generation) -> anyhow::Result<Self> {
        let folder = folder()?;
        let store = SqliteStore::open(&folder.path().join("store.db"), GROUP_COMMIT)?;
        Ok(Self {
            runtime,
            request,
            store,
            next: 0,
            _folder: folder,
        })
    }

    fn fill(&mut self, count: u32) -> anyhow::Result<()> {
        while self.next < count {
            let tasks = self.tasks(u64::from(count - self.next).min(1_000))?;
            self.create(tasks)?;
        }
        Ok(())
    }

    fn tasks(&mut self, count: u64) -> anyhow::Result<Vec<Task>> {
        let mut fresh = || {
            self.next += 1;
            sample::task(self.next, self.request)
        };
        (0..count).map(|_| fresh()).collect()
    }

    /// Commits tasks that wait together.
    fn create(&self, tasks: Vec<Task>) -> anyhow::Result<Vec<Arc<Task>>> {
        let created = tasks.into_iter().map(|task| self.store.create(task));
        let created = self.runtime.block_on(try_join_all(created))?;
        let new = created.into_iter().map(|created| match created {
            Created::New(task) => Ok(task),
            other => anyhow::bail!("not created: {other:?}"),
        });
        new.collect()
    }

    fn creates(&mut self, rounds: u64, together: u64) -> anyhow::Result<Duration> {
        let mut took = Duration::ZERO;
        for _ in 0..rounds {
            let tasks = self.tasks(together)?;
            let begun = Instant::now();
            self.create(tasks)?;
            took += begun.elapsed();
        }
        Ok(took)
    }

    /// The intent of tasks that were just created.
    fn saves(&mut self, rounds: u64, together: u64) -> anyhow::Result<Duration> {
        let mut took = Duration::ZERO;
        for _ in 0..rounds {
            let tasks = self.tasks(together)?;
            let next = self.create(tasks)?.into_iter().map(|task| {
                let now = Timestamp(task.times.updated.0 + 1);
                Ok(task.apply(&sample::claimed(), now)?)
            });
            let next: Vec<Task> = next.collect::<anyhow::Result<_>>()?;
            let saves = next.into_iter().map(|task| self.store.save(task));
            let begun = Instant::now();
            self.runtime.block_on(try_join_all(saves))?;
            took += begun.elapsed();
        }
        Ok(took)
    }

    fn gets(&self, rounds: u64, which: Which) -> anyhow::Result<Duration> {
        let numbers = (0..rounds).map(|round| match which {
            Which::Newest => Ok(self.next),
            Which::Old => u32::try_from(round % (u64::from(self.next) / 2) + 1),
        });
        let ids = numbers.map(|number| Ok(sample::task(number?, self.request)?.id));
        let ids: Vec<TaskId> = ids.collect::<anyhow::Result<_>>()?;
        let begun = Instant::now();
        self.runtime.block_on(async {
            for id in ids {
                self.store.get(id).await?.context("no such task")?;
            }
            Ok(begun.elapsed())
        })
    }

    fn lists(&self, rounds: u64) -> anyhow::Result<Duration> {
        let query = ListQuery {
            filter: TaskFilter {
                tenant: TenantId::local(),
                statuses: Vec::new(),
                models: Vec::new(),
                labels: Vec::new(),
                created_from: None,
                created_before: None,
            },
            after: None,
            sorted: Sorted::NewestFirst,
            limit: 50,
        };
        let page = usize::try_from(self.next)?.min(query.limit);
        let begun = Instant::now();
        self.runtime.block_on(async {
            for _ in 0..rounds {
                anyhow::ensure!(self.store.list(&query).await?.len() == page);
            }
            Ok(begun.elapsed())
        })
    }

    fn dues(&self, rounds: u64) -> anyhow::Result<Duration> {
        let page = usize::try_from(self.next)?.min(64);
        let begun = Instant::now();
        self.runtime.block_on(async {
            for _ in 0..rounds {
                let due = self.store.due(Lane::Dispatch, Timestamp::NEVER, None, 64);
                anyhow::ensure!(due.await?.len() == page);
            }
            Ok(begun.elapsed())
        })
    }
}

/// The least that SQLite does for a row that survives a crash, on the thread that asks.
struct Rows {
    connection: Connection,
    _folder: TempDir,
}

impl Rows {
    fn new() -> anyhow::Result<Self> {
        let folder = folder()?;
        let connection = Connection::open(folder.path().join("rows.db"))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             CREATE TABLE tasks (id INTEGER PRIMARY KEY, task BLOB NOT NULL);",
        )?;
        Ok(Self {
            connection,
            _folder: folder,
        })
    }

    fn filled(self, count: u64) -> anyhow::Result<Self> {
        self.inserts(1, count)?;
        Ok(self)
    }

    fn inserts(&self, rounds: u64, together: u64) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        for _ in 0..rounds {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            for _ in 0..together {
                self.connection
                    .prepare_cached("INSERT INTO tasks (task) VALUES (?1)")?
                    .execute(params![ROW])?;
            }
            self.connection.execute_batch("COMMIT")?;
        }
        Ok(begun.elapsed())
    }

    fn gets(&self, rounds: u64) -> anyhow::Result<Duration> {
        let count: i64 = self
            .connection
            .query_row("SELECT max(id) FROM tasks", [], |row| row.get(0))?;
        let begun = Instant::now();
        for round in 0..i64::try_from(rounds)? {
            let row: Vec<u8> = self
                .connection
                .prepare_cached("SELECT task FROM tasks WHERE id = ?1")?
                .query_row(params![round % count + 1], |row| row.get(0))?;
            anyhow::ensure!(row.len() == ROW.len());
        }
        Ok(begun.elapsed())
    }
}

fn folder() -> std::io::Result<TempDir> {
    // Where the build is there is a real disk; the folder for temporary files is often none.
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))
}

/// The default of `store.group_commit_max`.
const GROUP_COMMIT: usize = 256;
/// About what a task takes.
const ROW: &[u8] = &[0x5a; 1024];
