//! A thousand tasks at once: all complete, and meanwhile the server answers. How fast is for the
//! benchmarks to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use mediagen::pb::v1::{CreateRequest, ListRequest, TaskStatus};
use mediagen::sandbox;

use crate::harness::client::{connect, fresh, status, watch};
use crate::harness::wait::eventually_within;
use crate::harness::{TestApp, create, sound};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tasks_in_flight_at_once_all_complete() {
    let config = sandbox::Config::default().with_task_duration(RUN);
    let settings = [("poll.interval", "1s"), ("submit.concurrency", "32")];
    let app = TestApp::with(config, &settings).await;
    let begun = Instant::now();
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| connect(app.address)).collect();
    let creating = stream::iter(0..TASKS).map(|n| {
        let client = &clients[n % CONNECTIONS];
        async move {
            let request = CreateRequest {
                request_id: fresh("load"),
                ..sound(&format!("bell {n}"))
            };
            let asked = Instant::now();
            let task = create(client, request).await.unwrap();
            (task.id, asked.elapsed())
        }
    });
    let made: Vec<_> = creating.buffer_unordered(AT_ONCE).collect().await;
    let (ids, creates): (Vec<String>, Vec<Duration>) = made.into_iter().unzip();
    let all_made = begun.elapsed();

    let over = Arc::new(AtomicBool::new(false));
    let asking = tokio::task::JoinSet::from_iter([ask(
        app.another_client(),
        ids.clone(),
        Arc::clone(&over),
    )]);
    let watching = watch(&clients[0], &ids[TASKS / 2], 0);
    let in_flight = async {
        let look = || async {
            let count = app.upstream.sandbox.ledger().len();
            if count == TASKS { Ok(()) } else { Err(count) }
        };
        eventually_within(PATIENCE, "all tasks at the provider", look).await;
        let entries = app.upstream.sandbox.ledger();
        entries
            .iter()
            .filter(|entry| entry.status != "SUCCEEDED")
            .count()
    };
    let (watched, in_flight) = tokio::join!(watching, in_flight);
    assert_eq!(in_flight, TASKS, "some ended before the last was taken");
    let alone = create_alone(&app).await;
    watched.end.unwrap();
    let look = || async {
        let done = count_completed(&app).await;
        if done == TASKS + MORE {
            Ok(())
        } else {
            Err(done)
        }
    };
    eventually_within(PATIENCE, "all tasks are done", look).await;
    over.store(true, Ordering::Relaxed);
    let statuses = asking.join_all().await.remove(0);
    assert_eq!(app.upstream.sandbox.ledger().len(), TASKS + MORE);
    let gap = app.upstream.sandbox.counts().min_poll_gap_ms.unwrap();
    assert!(gap >= 1000, "{gap} ms between two reads of a task");
    let (creates, alone) = (Percentiles::of(creates), Percentiles::of(alone));
    let statuses = Percentiles::of(statuses);
    println!(
        "{TASKS} tasks: created in {all_made:.1?}, done in {:.1?}, {} reads; {AT_ONCE} Creates at \
         once: {creates}; one at a time: {alone}; Status: {statuses}",
        begun.elapsed(),
        app.upstream.sandbox.counts().polls
    );
}

/// Creates a few more, one after the other, and gives how long each answer took.
async fn create_alone(app: &TestApp) -> Vec<Duration> {
    let mut took = Vec::new();
    for n in 0..MORE {
        let asked = Instant::now();
        app.create(sound(&format!("one more bell {n}"))).await;
        took.push(asked.elapsed());
    }
    took
}

/// Reads tasks at random until it is over, and gives how long each answer took.
async fn ask(
    client: crate::harness::Client,
    ids: Vec<String>,
    over: Arc<AtomicBool>,
) -> Vec<Duration> {
    let mut took = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let id = &ids[rand::random_range(0..ids.len())];
        let asked = Instant::now();
        status(&client, id).await.unwrap();
        took.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    took
}

async fn count_completed(app: &TestApp) -> usize {
    let mut request = ListRequest {
        page_size: 1000,
        ..ListRequest::default()
    };
    let mut done = 0;
    loop {
        let page = app
            .client
            .clone()
            .list(request.clone())
            .await
            .unwrap()
            .into_inner();
        for task in &page.tasks {
            assert_ne!(task.status(), TaskStatus::Failed, "{task:#?}");
            done += usize::from(task.status() == TaskStatus::Completed);
        }
        if page.next_page_token.is_empty() {
            return done;
        }
        request.page_token = page.next_page_token;
    }
}

struct Percentiles {
    p50: Duration,
    p99: Duration,
    max: Duration,
}

impl Percentiles {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort();
        let at = |share: usize| all[(all.len() - 1) * share / 100];
        Self {
            p50: at(50),
            p99: at(99),
            max: at(100),
        }
    }
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "p50 {:.1?} p99 {:.1?} max {:.1?}",
            self.p50, self.p99, self.max
        )
    }
}

const TASKS: usize = 1000;
/// Created while those are in flight.
const MORE: usize = 30;
const CONNECTIONS: usize = 8;
/// Creates on their way at once.
const AT_ONCE: usize = 64;
/// Long enough that the first still runs when the last is taken.
const RUN: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_mins(2);
