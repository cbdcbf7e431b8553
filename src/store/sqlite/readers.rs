//! The reading connections, each on a thread of its own.
//!
//! What a connection allocates (pages, statements, rows) stays with the allocator's arena of its thread.
//! On whichever thread of a pool is free it would lie in all of them, and hold them open.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, InterruptHandle};
use tokio::sync::{Semaphore, oneshot};

use super::super::StoreError;

/// A few connections that only read, used one query at a time. Dropping it cuts off what they do, and
/// waits until they are closed.
pub(super) struct Readers {
    idle: Arc<Mutex<Idle>>,
    permits: Arc<Semaphore>,
    threads: Vec<(thread::JoinHandle<()>, InterruptHandle)>,
}

/// The threads that wait for a query; the one that had the last comes first.
struct Idle {
    threads: Vec<mpsc::Sender<Query>>,
    /// No query begins any more.
    closing: bool,
}

type Query = Box<dyn FnOnce(&Connection) + Send>;

impl Readers {
    pub(super) fn start(connections: Vec<Connection>) -> io::Result<Self> {
        let permits = Arc::new(Semaphore::new(connections.len()));
        let (mut idle, mut threads) = (Vec::new(), Vec::new());
        for connection in connections {
            let interrupt = connection.get_interrupt_handle();
            let (sender, queries) = mpsc::channel::<Query>();
            let answer = move || queries.iter().for_each(|query| query(&connection));
            let named = thread::Builder::new().name("store-reader".to_owned());
            threads.push((named.spawn(answer)?, interrupt));
            idle.push(sender);
        }
        let idle = Idle {
            threads: idle,
            closing: false,
        };
        Ok(Self {
            idle: Arc::new(Mutex::new(idle)),
            permits,
            threads,
        })
    }

    /// Runs a query on a free connection.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::Unavailable("no reading connection".to_owned());
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| gone())?;
        let idle = Arc::clone(&self.idle);
        let reader = idle.lock().threads.pop().ok_or_else(gone)?;
        let (tell, told) = oneshot::channel();
        let again = reader.clone();
        let run = move |connection: &Connection| {
            if idle.lock().closing {
                return;
            }
            // A bug in a query, which the panic hook tells, takes no connection with it.
            let result = catch_unwind(AssertUnwindSafe(|| query(connection)));
            let mut idle = idle.lock();
            if !idle.closing {
                idle.threads.push(again);
            }
            drop((idle, permit));
            if let Ok(result) = result {
                // Nobody may wait for it any more.
                let _ = tell.send(result);
            }
        };
        reader.send(Box::new(run)).map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let mut idle = self.idle.lock();
        idle.closing = true;
        idle.threads.clear();
        drop(idle);
        // A query that is between two statements does not hear it, and is told again.
        while self.threads.iter().any(|(thread, _)| !thread.is_finished()) {
            for (_, interrupt) in &self.threads {
                interrupt.interrupt();
            }
            thread::sleep(AGAIN);
        }
        for (thread, _) in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

const AGAIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn readers(count: usize) -> Readers {
        let open = |_| Connection::open_in_memory().unwrap();
        Readers::start((0..count).map(open).collect()).unwrap()
    }

    fn number(connection: &Connection) -> Result<i64, StoreError> {
        Ok(connection.query_row("SELECT 42", [], |row| row.get(0))?)
    }

    /// Runs until it is cut off.
    fn endless(connection: &Connection) -> Result<i64, StoreError> {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        Ok(connection.query_row(sql, [], |row| row.get(0))?)
    }

    #[tokio::test]
    async fn a_query_that_panics_or_is_not_waited_for_takes_no_connection_with_it() {
        let readers = readers(1);
        let panicked = readers.run(|_| -> Result<(), StoreError> { panic!("a bug") });
        assert!(panicked.await.is_err());
        for _ in 0..3 {
            let slow = readers.run(|_| {
                thread::sleep(Duration::from_millis(20));
                Ok(())
            });
            let given_up = tokio::time::timeout(Duration::from_millis(1), slow).await;
            assert!(given_up.is_err());
        }
        assert_eq!(readers.run(number).await.unwrap(), 42);
    }

    #[tokio::test]
    async fn as_many_queries_run_at_once_as_there_are_connections() {
        let readers = readers(2);
        let barrier = Arc::new(std::sync::Barrier::new(2));
        let meet = || {
            let barrier = Arc::clone(&barrier);
            readers.run(move |_| {
                barrier.wait();
                Ok(())
            })
        };
        let (one, other) = tokio::join!(meet(), meet());
        assert!(one.is_ok() && other.is_ok());
    }

    #[tokio::test]
    async fn the_end_cuts_off_every_query_and_closes_the_connections() {
        let readers = readers(3);
        let wait = Duration::from_millis(50);
        let begun = Instant::now();
        let both = futures_util::future::join(readers.run(endless), readers.run(endless));
        assert!(tokio::time::timeout(wait, both).await.is_err());
        // And one that had no time to begin.
        drop(futures_util::poll!(std::pin::pin!(readers.run(endless))));
        drop(readers);
        assert!(begun.elapsed() < Duration::from_mins(1));
    }
}
