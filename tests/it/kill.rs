//! `kill -9` at any moment: nothing accepted is lost, nothing is charged twice, nobody is misled.
//!
//! The program is killed again and again, at moments that chance chooses, while writers create
//! tasks and repeat each create until it is acknowledged, and while a watcher follows each task
//! through every restart. The provider lives in this process and keeps its ledger.
//! `MEDIAGEN_TEST_KILLS` asks for another number of kills than 50. A second story has two accounts, of
//! which the first fails all that it takes, and a fifth of the kills.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mediagen::pb::v1::watch_task_response::Event;
use mediagen::pb::v1::{
    CreateRequest, ListRequest, Resolution, ResolveUnknownRequest, Task, TaskStatus,
    WatchTaskRequest,
};
use mediagen::sandbox::{self, DEFAULT_API_KEY};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::harness::client::{assert_whole_history, connect, is_terminal};
use crate::harness::wait::eventually_within;
use crate::harness::{Client, Server, Upstream, child, quick, sound};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_loses_no_task_and_charges_none_twice() {
    tell(Scene::new(None).await, kills()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_tasks_are_made_again_it_pays_for_each_attempt_once() {
    let failing = sandbox::Config {
        fail_with: Some("INTERNAL".to_owned()),
        charge_failures: true,
        ..quick()
    };
    let failing = Upstream::start(failing).await;
    tell(Scene::new(Some(failing)).await, (kills() / 5).max(4)).await;
}

async fn tell(scene: Scene, kills: usize) {
    let scene = Arc::new(scene);
    let mut crowd = JoinSet::new();
    for writer in 0..WRITERS {
        crowd.spawn(write(Arc::clone(&scene), writer));
    }
    for kill in 0..kills {
        run_and_kill(&scene, kill).await;
    }
    scene.over.store(true, Ordering::Relaxed);
    let _last = scene.spawn();
    let client = connect(scene.address);
    while let Some(ended) = crowd.join_next().await {
        ended.unwrap();
    }
    let tasks = settle(&scene, &client).await;
    wait_for_watchers(&scene).await;
    check(&scene, &tasks);
    let unknown = tasks.iter().filter(|task| was_unknown(task)).count();
    let (breaks, charged) = (
        scene.breaks.load(Ordering::Relaxed),
        scene.upstream.sandbox.ledger().len(),
    );
    println!(
        "{kills} kills: {} tasks, {charged} charged, {unknown} unknown for a while, \
         {breaks} watches broken off and resumed",
        tasks.len()
    );
    assert!(
        tasks.len() >= kills,
        "too little happened: {} tasks",
        tasks.len()
    );
}

/// What all take part in.
struct Scene {
    upstream: Upstream,
    /// One that is tried before it, and fails all that it takes.
    failing: Option<Upstream>,
    data: TempDir,
    address: SocketAddr,
    /// One connection for each writer; the watchers share them.
    clients: Vec<Client>,
    /// Whether the killing is over.
    over: AtomicBool,
    /// Task ids by the request ids that were acknowledged.
    acknowledged: Mutex<BTreeMap<String, String>>,
    watchers: Mutex<JoinSet<()>>,
    /// Watches that a kill broke off.
    breaks: AtomicUsize,
    /// Bounds the tasks that are under way.
    room: Semaphore,
}

impl Scene {
    async fn new(failing: Option<Upstream>) -> Self {
        let address = child::free_address();
        let (upstream, data) = (Upstream::start(quick()).await, TempDir::new().unwrap());
        if let Some(failing) = &failing {
            let text = two_accounts(failing, &upstream);
            std::fs::write(data.path().join(FILE), text).unwrap();
        }
        Self {
            upstream,
            failing,
            data,
            address,
            clients: (0..WRITERS).map(|_| connect(address)).collect(),
            over: AtomicBool::new(false),
            acknowledged: Mutex::default(),
            watchers: Mutex::default(),
            breaks: AtomicUsize::new(0),
            room: Semaphore::new(UNDER_WAY),
        }
    }

    fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        self.failing.iter().chain([&self.upstream])
    }

    fn spawn(&self) -> Server {
        let file = self.data.path().join(FILE).display().to_string();
        let mut settings = vec![
            ("submit.on_unknown_outcome", "hold"),
            ("watch.heartbeat", "1s"),
        ];
        if self.failing.is_some() {
            settings.push(("config", &file));
        }
        Server::spawn(&self.upstream, self.data.path(), self.address, &settings)
    }
}

/// A configuration where the first account is tried first, and what fails there is made again.
fn two_accounts(first: &Upstream, second: &Upstream) -> String {
    let account = |name: &str, upstream: &Upstream| {
        let url = upstream.sandbox.base_url();
        format!(
            "  {name}: {{provider: runwayml, api_key: '{DEFAULT_API_KEY}', base_url: '{url}'}}\n"
        )
    };
    let entry = |account: &str, weight: u32| {
        let model = sound("").model;
        format!(
            "  - {{model_name: {model}, model: runwayml/{model}, account: {account}, \
             weight: {weight}}}\n"
        )
    };
    [
        "accounts:\n".to_owned(),
        account("first", first),
        account("second", second),
        "model_list:\n".to_owned(),
        entry("first", 1_000_000),
        entry("second", 1),
        "routing: {strategy: simple-shuffle, retry_failed_tasks: 5}\n".to_owned(),
    ]
    .concat()
}

/// One life of the server. Every other kill waits until it listens, so that something happens; some
/// lives are long enough for tasks to end in them, so that room is made for others.
async fn run_and_kill(scene: &Scene, kill: usize) {
    let mut server = scene.spawn();
    if kill.is_multiple_of(2) {
        server.listening().await;
    }
    let longest = if kill.is_multiple_of(8) { 2_500 } else { 400 };
    sleep(Duration::from_millis(rand::random_range(0..longest))).await;
    assert_eq!(server.ended(), None, "it ended by itself");
    server.kill();
}

/// Creates tasks until the killing is over, each until it is acknowledged.
async fn write(scene: Arc<Scene>, writer: usize) {
    let client = scene.clients[writer].clone();
    for n in 0.. {
        let permit = scene.room.acquire().await.unwrap();
        if scene.over.load(Ordering::Relaxed) {
            return;
        }
        permit.forget();
        let id = format!("request-{writer}-{n}.");
        let request = CreateRequest {
            request_id: id.clone(),
            ..sound(&id)
        };
        let task = acknowledged(&client, &request).await;
        if n % 5 == 0 {
            let again = acknowledged(&client, &request).await;
            assert_eq!(again.id, task.id, "one request id, two tasks");
        }
        scene.acknowledged.lock().insert(id, task.id.clone());
        let watching = follow(Arc::clone(&scene), task.id);
        scene.watchers.lock().spawn(watching);
    }
}

async fn acknowledged(client: &Client, request: &CreateRequest) -> Task {
    let look = || async {
        let mut client = client.clone();
        let create = timeout(CALL, client.create(request.clone())).await;
        match create.unwrap_or_else(|_| Err(Status::unavailable("no answer"))) {
            Ok(answer) => Ok(answer.into_inner().task.unwrap()),
            Err(status) => Err(passing(status)),
        }
    };
    eventually_within(PATIENCE, "an acknowledgement", look).await
}

/// Follows a task to its end, through every restart.
async fn follow(scene: Arc<Scene>, id: String) {
    let client = scene.clients[rand::random_range(0..WRITERS)].clone();
    let mut seen = Seen::default();
    let watching = async {
        while !seen.ended {
            if let Err(status) = watch_on(&client, &id, &mut seen, &scene.room).await {
                passing(status);
                scene.breaks.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let ended = timeout(long(), watching).await;
    assert!(
        ended.is_ok(),
        "{id} has not ended; seen up to revision {}",
        seen.revision
    );
}

/// What a watcher knows of its task.
#[derive(Default)]
struct Seen {
    revision: u64,
    /// Whether the terminal task came.
    ended: bool,
    /// The history, as it was first told.
    history: HashMap<u64, i32>,
    /// Whether room was made for another task.
    counted: bool,
}

async fn watch_on(
    client: &Client,
    id: &str,
    seen: &mut Seen,
    room: &Semaphore,
) -> Result<(), Status> {
    let request = WatchTaskRequest {
        task_id: id.to_owned(),
        after_revision: seen.revision,
    };
    let mut progress = f32::MIN;
    let mut stream = client.clone().watch_task(request).await?.into_inner();
    loop {
        let next = timeout(CALL, stream.message()).await;
        let Some(message) = next.unwrap_or_else(|_| Err(Status::unavailable("silence")))? else {
            assert!(
                seen.ended,
                "the watch of {id} ended well before the task did"
            );
            return Ok(());
        };
        let Some(Event::Task(task)) = message.event else {
            continue;
        };
        assert!(!seen.ended, "something came after the end of {id}");
        let rises = task.revision > seen.revision
            || (task.revision == seen.revision && task.progress > progress);
        assert!(
            rises,
            "revision {} of {id} after {}",
            task.revision, seen.revision
        );
        assert_whole_history(&task);
        for entry in &task.history {
            let told = *seen.history.entry(entry.revision).or_insert(entry.status);
            assert_eq!(told, entry.status, "the history of {id} was rewritten");
        }
        (seen.revision, progress) = (task.revision, task.progress);
        seen.ended = is_terminal(&task);
        let parked = task.status() == TaskStatus::SubmissionUnknown;
        if (seen.ended || parked) && !std::mem::replace(&mut seen.counted, true) {
            room.add_permits(1);
        }
    }
}

/// What only a kill explains; anything else is a bug.
fn passing(status: Status) -> Status {
    let fatal = [
        Code::InvalidArgument,
        Code::NotFound,
        Code::AlreadyExists,
        Code::FailedPrecondition,
        Code::PermissionDenied,
        Code::Unimplemented,
        Code::DataLoss,
        Code::OutOfRange,
    ];
    assert!(!fatal.contains(&status.code()), "{status:?}");
    let ours = !status.details().is_empty();
    assert!(!(ours && status.code() == Code::Internal), "{status:?}");
    status
}

/// Waits until every task has ended or is parked, settles those that are, and waits for the rest.
async fn settle(scene: &Scene, client: &Client) -> Vec<Task> {
    let parked = |task: &Task| task.status() == TaskStatus::SubmissionUnknown;
    let still = until_all(client, |task| is_terminal(task) || parked(task)).await;
    for task in still.iter().filter(|task| parked(task)) {
        let on_record = |id: &str| task.attempts.iter().any(|a| a.provider_task_id == id);
        let found = scene.upstreams().flat_map(|u| u.charged(&task.request_id));
        let mut found = found.filter(|entry| !on_record(&entry.id));
        let (resolution, provider_task_id) = match found.next() {
            Some(entry) => (Resolution::Attach, entry.id),
            None => (Resolution::Charged, String::new()),
        };
        let request = ResolveUnknownRequest {
            task_id: task.id.clone(),
            resolution: resolution as i32,
            provider_task_id,
        };
        timeout(CALL, client.clone().resolve_unknown(request))
            .await
            .unwrap()
            .unwrap();
    }
    until_all(client, is_terminal).await
}

async fn until_all(client: &Client, wanted: impl Fn(&Task) -> bool) -> Vec<Task> {
    let look = || async {
        let tasks = all(client).await.map_err(|status| format!("{status:?}"))?;
        match tasks.iter().find(|task| !wanted(task)) {
            None => Ok(tasks),
            Some(task) => Err(format!("{task:#?}")),
        }
    };
    eventually_within(long(), "all tasks are as wanted", look).await
}

async fn all(client: &Client) -> Result<Vec<Task>, Status> {
    let mut tasks = Vec::new();
    let mut request = ListRequest {
        page_size: 200,
        ..ListRequest::default()
    };
    loop {
        let page = client.clone().list(request.clone()).await?.into_inner();
        tasks.extend(page.tasks);
        if page.next_page_token.is_empty() {
            return Ok(tasks);
        }
        request.page_token = page.next_page_token;
    }
}

async fn wait_for_watchers(scene: &Scene) {
    loop {
        let ended = scene.watchers.lock().try_join_next();
        match ended {
            Some(ended) => ended.unwrap(),
            None if scene.watchers.lock().is_empty() => return,
            None => sleep(Duration::from_millis(20)).await,
        }
    }
}

fn was_unknown(task: &Task) -> bool {
    task.history
        .iter()
        .any(|entry| entry.status() == TaskStatus::SubmissionUnknown)
}

/// The promises, over everything that is on record.
fn check(scene: &Scene, tasks: &[Task]) {
    let mut by_request: BTreeMap<&str, &Task> = BTreeMap::new();
    for task in tasks {
        let twice = by_request.insert(&task.request_id, task);
        assert!(twice.is_none(), "{} has two tasks", task.request_id);
        assert_whole_history(task);
    }
    let acknowledged = scene.acknowledged.lock();
    for (request, id) in acknowledged.iter() {
        let kept = by_request.get(&**request).map(|task| &task.id);
        assert_eq!(kept, Some(id), "{request} was acknowledged");
    }
    assert_eq!(
        by_request.len(),
        acknowledged.len(),
        "each create was acknowledged in the end"
    );
    let mut charged: HashMap<String, u32> = HashMap::new();
    let ledgers = scene.upstreams().map(|upstream| upstream.sandbox.ledger());
    for entry in ledgers.flatten() {
        let task = by_request[&*entry.prompt_text];
        let ids = task.attempts.iter().map(|a| &*a.provider_task_id);
        let times = ids.filter(|id| *id == entry.id).count();
        assert_eq!(times, 1, "{entry:?} is not on {task:#?}");
    }
    for entry in scene.upstream.sandbox.ledger() {
        *charged.entry(entry.prompt_text).or_default() += 1;
    }
    for (request, count) in &charged {
        assert_eq!(*count, 1, "{request} was charged {count} times");
    }
    for task in tasks {
        let made = charged.contains_key(&task.request_id);
        let expected = if made {
            TaskStatus::Completed
        } else {
            TaskStatus::Failed
        };
        assert_eq!(task.status(), expected, "{task:#?}");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one thing that a tester may ask for"
)]
fn kills() -> usize {
    let asked = std::env::var("MEDIAGEN_TEST_KILLS").ok();
    asked.map_or(50, |text| {
        text.parse().expect("MEDIAGEN_TEST_KILLS is a number")
    })
}

/// For what waits for the end of the killing.
fn long() -> Duration {
    let kills = u32::try_from(kills()).unwrap();
    2 * PATIENCE + kills * Duration::from_secs(2)
}

const WRITERS: usize = 4;
/// The configuration of a server with two accounts.
const FILE: &str = "mediagen.yaml";
/// Tasks under way at once, at most.
const UNDER_WAY: usize = 48;
/// A call that takes longer has met a dead server.
const CALL: Duration = Duration::from_secs(5);
/// For what takes several lives of the server.
const PATIENCE: Duration = Duration::from_mins(1);
