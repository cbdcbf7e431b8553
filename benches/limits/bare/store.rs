//! Rows on disk, by one thread that commits for all who wait.

use std::path::Path;
use std::thread;

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

type Row = (Uuid, Vec<u8>, oneshot::Sender<()>);

/// The thread's queue.
pub struct Store {
    queue: mpsc::Sender<Row>,
}

impl Store {
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA wal_autocheckpoint = 4000; \
             CREATE TABLE IF NOT EXISTS tasks (id BLOB PRIMARY KEY, task BLOB NOT NULL);",
        )?;
        let (queue, rows) = mpsc::channel(4096);
        thread::spawn(move || {
            if let Err(error) = write(&connection, rows) {
                // What it answers from here on would be no limit of anything.
                eprintln!("bare: {error}");
                std::process::exit(1);
            }
        });
        Ok(Self { queue })
    }

    /// Resolves when the row is on disk.
    pub async fn insert(&self, id: Uuid, task: Vec<u8>) -> anyhow::Result<()> {
        let (done, on_disk) = oneshot::channel();
        self.queue.send((id, task, done)).await?;
        Ok(on_disk.await?)
    }
}

fn write(connection: &Connection, mut rows: mpsc::Receiver<Row>) -> rusqlite::Result<()> {
    let mut batch = Vec::new();
    let mut told = Vec::new();
    while rows.blocking_recv_many(&mut batch, 256) > 0 {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for (id, task, done) in batch.drain(..) {
            connection
                .prepare_cached("INSERT INTO tasks (id, task) VALUES (?1, ?2)")?
                .execute(params![id.as_bytes(), task])?;
            told.push(done);
        }
        connection.execute_batch("COMMIT")?;
        for done in told.drain(..) {
            // Whoever went away needs no answer.
            let _ = done.send(());
        }
    }
    Ok(())
}
