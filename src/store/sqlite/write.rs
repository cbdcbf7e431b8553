//! The writer thread: waiting writes share a transaction, and so an fsync.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::super::census::{Counted, Spot};
use super::super::{Admission, Census, Created, Saved, StoreError};
use super::{Kept, rows};
use crate::domain::caller::Budget;
use crate::domain::id::TaskId;
use crate::domain::task::Task;

/// The handle on the writer thread. Dropping it waits until every write begun is answered: only
/// then may the file lock go.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    transactions: Arc<AtomicU64>,
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// One write and who waits for it.
enum Job {
    Create(Box<(Task, Admission)>, Reply<Created>),
    Save(Box<Task>, Budget, Reply<Saved>),
    Remove(Vec<TaskId>, Reply<usize>),
    Plain(Box<Plain>, Reply<usize>),
}

/// A write that nobody is told of; says how many rows it changed.
type Plain = dyn FnOnce(&Connection) -> Result<usize, StoreError> + Send;

/// A write done inside the open transaction, not yet on disk.
enum Done {
    Created(Created, Reply<Created>),
    Saved(Saved, Reply<Saved>),
    Removed(Vec<TaskId>, usize, Reply<usize>),
    Plain(usize, Reply<usize>),
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection, kept: Kept, batch: usize) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let transactions = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&transactions);
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&connection, jobs, batch, &counter, &kept))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            transactions,
        })
    }

    /// How many transactions were tried: each is one fsync, whatever it holds.
    pub(super) fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    pub(super) async fn create(
        &self,
        task: Task,
        admission: Admission,
    ) -> Result<Created, StoreError> {
        let asked = Box::new((task, admission));
        self.ask(|reply| Job::Create(asked, reply)).await
    }

    pub(super) async fn save(&self, task: Task, budget: Budget) -> Result<Saved, StoreError> {
        self.ask(|reply| Job::Save(Box::new(task), budget, reply))
            .await
    }

    pub(super) async fn remove(&self, ids: Vec<TaskId>) -> Result<usize, StoreError> {
        self.ask(|reply| Job::Remove(ids, reply)).await
    }

    /// Runs a write that changes no task.
    pub(super) async fn run(
        &self,
        write: impl FnOnce(&Connection) -> Result<usize, StoreError> + Send + 'static,
    ) -> Result<usize, StoreError> {
        self.ask(|reply| Job::Plain(Box::new(write), reply)).await
    }

    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let gone = || StoreError::Unavailable("the writer has stopped".to_owned());
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(job(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // It only panics with a bug, which the panic hook has told already.
            let _ = thread.join();
        }
    }
}

fn run(
    connection: &Connection,
    mut jobs: mpsc::Receiver<Job>,
    most: usize,
    transactions: &AtomicU64,
    kept: &Kept,
) {
    let mut batch = Vec::with_capacity(most);
    while jobs.blocking_recv_many(&mut batch, most) > 0 {
        transactions.fetch_add(1, Ordering::Relaxed);
        let (done, committed) = transact(connection, &mut batch, &kept.census);
        for write in done {
            match &committed {
                Ok(()) => write.announce(kept),
                Err(error) => write.fail(error),
            }
        }
    }
}

/// Does the batch in one transaction. Writes refused on their own are answered already.
fn transact(
    connection: &Connection,
    batch: &mut Vec<Job>,
    census: &Census,
) -> (Vec<Done>, rusqlite::Result<()>) {
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        for job in batch.drain(..) {
            job.fail(clone_error(&error));
        }
        return (Vec::new(), Ok(()));
    }
    let mut done = Vec::with_capacity(batch.len());
    let mut moves = Moves::new(census, batch.len());
    for job in batch.drain(..) {
        if connection.is_autocommit() {
            job.fail(StoreError::Unavailable(UNDONE.to_owned()));
            continue;
        }
        if let Some(write) = job.perform(connection, census) {
            moves.count(&write);
            done.push(write);
        }
    }
    // A full or failing disk may end the whole transaction under one of its writes. This COMMIT then
    // finds none and fails, which tells everybody whose write went with it.
    let committed = connection.execute_batch("COMMIT");
    if committed.is_err() {
        // A failed commit may leave the transaction open; what it held is then undone.
        let _ = connection.execute_batch("ROLLBACK");
        moves.undo();
    }
    (done, committed)
}

/// Where the tasks of an open transaction were counted before it.
struct Moves<'a> {
    census: &'a Census,
    before: Vec<(Arc<Task>, Option<Spot>)>,
}

impl<'a> Moves<'a> {
    fn new(census: &'a Census, most: usize) -> Self {
        let before = Vec::with_capacity(most);
        Self { census, before }
    }

    fn count(&mut self, done: &Done) {
        if let Done::Created(Created::New(task), _) | Done::Saved(Saved::Committed(task), _) = done
        {
            let before = self.census.count(task);
            self.before.push((Arc::clone(task), before));
        }
    }

    fn undo(self) {
        for (task, before) in self.before.into_iter().rev() {
            self.census.put(Counted::of(&task), before);
        }
    }
}

impl Job {
    fn perform(self, connection: &Connection, census: &Census) -> Option<Done> {
        match self {
            Self::Create(asked, reply) => {
                let (task, admission) = *asked;
                let created = apart(connection, |c| rows::create(c, task, &admission, census));
                answer(created, reply, Done::Created)
            }
            Self::Save(task, budget, reply) => answer(
                apart(connection, |c| rows::save(c, *task, budget)),
                reply,
                Done::Saved,
            ),
            Self::Remove(ids, reply) => {
                let removed = apart(connection, |c| rows::remove(c, &ids));
                answer(removed, reply, |count, reply| {
                    Done::Removed(ids, count, reply)
                })
            }
            Self::Plain(write, reply) => answer(apart(connection, write), reply, Done::Plain),
        }
    }

    fn fail(self, error: StoreError) {
        // A caller that went away needs no answer.
        match self {
            Self::Create(_, reply) => drop(reply.send(Err(error))),
            Self::Save(_, _, reply) => drop(reply.send(Err(error))),
            Self::Remove(_, reply) | Self::Plain(_, reply) => drop(reply.send(Err(error))),
        }
    }
}

impl Done {
    fn announce(self, kept: &Kept) {
        match self {
            Self::Created(created, reply) => {
                if let Created::New(task) = &created {
                    kept.announce(task);
                }
                drop(reply.send(Ok(created)));
            }
            Self::Saved(saved, reply) => {
                if let Saved::Committed(task) = &saved {
                    kept.announce(task);
                }
                drop(reply.send(Ok(saved)));
            }
            Self::Removed(ids, count, reply) => {
                for id in ids {
                    kept.recent.forget(id);
                }
                drop(reply.send(Ok(count)));
            }
            Self::Plain(count, reply) => drop(reply.send(Ok(count))),
        }
    }

    fn fail(self, error: &rusqlite::Error) {
        match self {
            Self::Created(_, reply) => drop(reply.send(Err(clone_error(error)))),
            Self::Saved(_, reply) => drop(reply.send(Err(clone_error(error)))),
            Self::Removed(_, _, reply) | Self::Plain(_, reply) => {
                drop(reply.send(Err(clone_error(error))));
            }
        }
    }
}

fn answer<T>(
    result: Result<T, StoreError>,
    reply: Reply<T>,
    done: impl FnOnce(T, Reply<T>) -> Done,
) -> Option<Done> {
    match result {
        Ok(value) => Some(done(value, reply)),
        Err(error) => {
            drop(reply.send(Err(error)));
            None
        }
    }
}

/// Runs one write so that its failure undoes it alone.
fn apart<T>(
    connection: &Connection,
    write: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.prepare_cached("SAVEPOINT one")?.execute([])?;
    let result = write(connection);
    if connection.is_autocommit() {
        return result.and_then(|_| Err(StoreError::Unavailable(UNDONE.to_owned())));
    }
    if result.is_err() && connection.execute_batch("ROLLBACK TO one").is_err() {
        // Half a write must not be committed with the others.
        connection.execute_batch("ROLLBACK")?;
        return result;
    }
    connection.prepare_cached("RELEASE one")?.execute([])?;
    result
}

fn clone_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
        _ => StoreError::Unavailable(error.to_string()),
    }
}

const UNDONE: &str = "the transaction was undone under the write";
/// Writes that may wait; more wait at their caller.
const QUEUE: usize = 4096;
