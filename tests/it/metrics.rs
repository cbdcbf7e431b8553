//! What Prometheus reads is what happened. The program runs by itself here, since the registry is
//! the process's.

use futures_util::future::join_all;
use mediagen::pb::v1::{self, Operation, TaskStatus};
use mediagen::sandbox::{Effect, Fault, Place};
use mediagen::shutdown::Shutdown;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::client::{connect, finish, status, watch};
use crate::harness::scrape::{Scraped, get};
use crate::harness::{Client, Server, TestApp, Upstream, create, eventually, quick, sound, video};

/// The program, its provider, and a client.
struct Scene {
    server: Server,
    upstream: Upstream,
    client: Client,
    address: std::net::SocketAddr,
    data: TempDir,
}

impl Scene {
    async fn start() -> Self {
        let (upstream, data) = (Upstream::quick().await, TempDir::new().unwrap());
        let any = "127.0.0.1:0".parse().unwrap();
        let mut server = Server::spawn(&upstream, data.path(), any, &[]);
        let address = server.listening().await;
        Self {
            server,
            upstream,
            client: connect(address),
            address,
            data,
        }
    }

    async fn again(&mut self) {
        self.server.terminate();
        assert!(self.server.end().await.success());
        let any = "127.0.0.1:0".parse().unwrap();
        self.server = Server::spawn(&self.upstream, self.data.path(), any, &[]);
        self.address = self.server.listening().await;
        self.client = connect(self.address);
    }

    /// Creates a task of which nobody knows then whether the provider has it.
    async fn lose(&self, prompt: &str) {
        let task = create(&self.client, sound(prompt)).await.unwrap();
        let look = || async {
            let task = status(&self.client, &task.id).await.unwrap();
            let unknown = task.status() == TaskStatus::SubmissionUnknown;
            unknown.then_some(()).ok_or(task)
        };
        eventually("the outcome is unknown", look).await;
    }

    async fn run(&self, prompt: &str) -> v1::Task {
        let task = create(&self.client, sound(prompt)).await.unwrap();
        finish(&self.client, &task.id).await
    }
}

/// The provider answers one create with this status, and takes nothing.
fn refused_once(status: u16) -> Fault {
    let effect = Effect::Answer {
        status,
        headers: [].into(),
        body: None,
    };
    Fault {
        on: Place::Create,
        times: 1,
        accept_first: false,
        effect,
    }
}

#[tokio::test]
async fn what_is_counted_is_what_happened() {
    let scene = Scene::start().await;
    let before = Scraped::of(scene.address).await;
    assert_eq!(before.count("mediagen_tasks_created_total", &[]), 0);
    assert_eq!(before.count("mediagen_build_info", &[]), 1);
    assert_eq!(before.count("mediagen_config_generation", &[]), 1);
    let mut tasks = Vec::new();
    for prompt in [
        "a bell",
        "a gong",
        "a bell [sandbox:fail=INTERNAL]",
        "a bell [sandbox:fail=SAFETY.INPUT.TEXT]",
        "a bell [sandbox:status=400]",
    ] {
        tasks.push(scene.run(prompt).await);
    }
    scene.upstream.sandbox.inject(refused_once(503));
    tasks.push(scene.run("a chime").await);
    scene.lose("a bell [sandbox:accept-then-500]").await;
    let seen = Scraped::of(scene.address).await;
    the_tasks(&seen, &tasks);
    the_live_ones(&seen);
    the_provider(&seen, &scene.upstream);
    the_money(&seen, &tasks);
    the_calls(&seen, tasks.len());
    assert!(seen.count("mediagen_archive_bytes", &[]) > 0);
    assert!(seen.count("mediagen_process_resident_memory_bytes", &[]) > 1_000_000);
    for task in &tasks {
        assert!(!seen.text.contains(&task.id) && !seen.text.contains("bell"));
    }
}

fn the_tasks(seen: &Scraped, tasks: &[v1::Task]) {
    let model = ("model", "eleven_text_to_sound_v2");
    let created = seen.count("mediagen_tasks_created_total", &[model]);
    assert_eq!(created, tasks.len() as u64 + 1);
    for (outcome, status) in [
        ("completed", TaskStatus::Completed),
        ("failed", TaskStatus::Failed),
    ] {
        let labels = [model, ("outcome", outcome)];
        let ended = tasks.iter().filter(|task| task.status() == status).count() as u64;
        assert_eq!(seen.count("mediagen_tasks_ended_total", &labels), ended);
        assert_eq!(ended, 3);
        let took = "mediagen_task_duration_seconds_count";
        assert_eq!(seen.count(took, &labels), ended);
    }
    for task in tasks.iter().filter_map(|task| task.error.as_ref()) {
        let labels = [("reason", task.reason.as_str())];
        assert_eq!(
            seen.count("mediagen_tasks_failed_total", &labels),
            1,
            "{task:?}"
        );
    }
    assert_eq!(
        seen.count("mediagen_archive_duration_seconds_count", &[]),
        3
    );
}

/// One, of which nobody knows whether the provider has it.
fn the_live_ones(seen: &Scraped) {
    assert_eq!(seen.count("mediagen_tasks", &[]), 1);
    let unknown = [("state", "submission_unknown")];
    assert_eq!(seen.count("mediagen_tasks", &unknown), 1);
    assert_eq!(seen.count("mediagen_unknown_outcomes_open", &[]), 1);
    assert_eq!(seen.count("mediagen_unknown_outcomes_total", &[]), 1);
    assert_eq!(seen.count("mediagen_queue_depth", &[]), 0);
}

/// As its ledger says, of which one line is the lost create's.
fn the_provider(seen: &Scraped, upstream: &Upstream) {
    let ledger = upstream.sandbox.ledger();
    let attempts = |outcome| seen.count("mediagen_attempts_total", &[("outcome", outcome)]);
    let accepted = attempts("accepted");
    assert_eq!(accepted + attempts("unknown"), ledger.len() as u64);
    assert_eq!(attempts("rejected"), 2);
    assert_eq!(seen.count("mediagen_rejections_total", &[]), 2);
    assert_eq!(seen.count("mediagen_retries_total", &[]), 1);
    let polls: u64 = ledger.iter().map(|entry| u64::from(entry.polls)).sum();
    let poll = [("call", "poll")];
    let asked = seen.count("mediagen_provider_call_duration_seconds_count", &poll);
    assert_eq!(asked, polls);
    assert_eq!(seen.count("mediagen_polls_per_task_count", &[]), accepted);
    assert_eq!(
        seen.count("mediagen_discovery_lag_seconds_count", &[]),
        accepted
    );
    let told = seen.count("mediagen_polls_per_task_sum", &[]);
    assert!((accepted..=polls).contains(&told), "{told} of {polls}");
}

/// As the tasks show it.
fn the_money(seen: &Scraped, tasks: &[v1::Task]) {
    let costs = tasks.iter().filter_map(|task| task.cost.as_ref());
    let actual: i64 = costs.filter_map(|cost| cost.actual_millicredits).sum();
    let actual = u64::try_from(actual).unwrap();
    let spent = |kind| seen.count("mediagen_spend_millicredits_total", &[("kind", kind)]);
    assert!(actual > 0);
    assert_eq!(spent("actual"), actual);
    assert!(spent("estimated") > spent("actual"));
    let usd = seen.count("mediagen_spend_usd_micros_total", &[("kind", "actual")]);
    assert_eq!(usd, actual * 10);
}

/// One Create and one watch for each task, and one Create more; no stream is open.
fn the_calls(seen: &Scraped, tasks: usize) {
    let calls = |method| {
        let labels = [("method", method), ("code", "OK")];
        seen.count("mediagen_grpc_requests_total", &labels)
    };
    assert_eq!(calls("Create"), tasks as u64 + 1);
    assert_eq!(calls("WatchTask"), tasks as u64);
    assert_eq!(seen.count("mediagen_streams_open", &[]), 0);
    assert!(seen.count("mediagen_watch_latency_seconds_count", &[]) >= tasks as u64);
}

#[tokio::test]
async fn a_deployment_that_cools_down_is_told() {
    let scene = Scene::start().await;
    scene.run("a bell").await;
    let deployment = [("deployment", "runwayml/eleven_text_to_sound_v2")];
    let available = "mediagen_deployment_available";
    let seen = Scraped::of(scene.address).await;
    assert_eq!(seen.count(available, &deployment), 1, "{}", seen.text);
    scene.upstream.sandbox.inject(refused_once(429));
    create(&scene.client, sound("a gong")).await.unwrap();
    let quota = [("fault", "QUOTA"), deployment[0]];
    let look = || async {
        let seen = Scraped::of(scene.address).await;
        let told = seen.count("mediagen_rejections_total", &quota) == 1;
        if told { Ok(seen) } else { Err(seen.text) }
    };
    let seen = eventually("the rejection is told", look).await;
    assert_eq!(seen.count("mediagen_cooldowns_total", &deployment), 1);
    assert_eq!(seen.count(available, &deployment), 0);
}

#[tokio::test]
async fn while_it_drains_it_is_healthy_and_not_ready() {
    let scene = Scene::start().await;
    create(&scene.client, sound("a bell [sandbox:hang]"))
        .await
        .unwrap();
    let look = || async {
        let seen = Scraped::of(scene.address).await;
        let sent = seen.count("mediagen_tasks", &[("state", "submitting")]) == 1;
        if sent { Ok(()) } else { Err(seen.text) }
    };
    eventually("the create is sent", look).await;
    assert_eq!(get(scene.address, "/readyz").await.0, 200);
    scene.server.terminate();
    let look = || async {
        let (status, text) = get(scene.address, "/readyz").await;
        let draining = status == 503 && text == "draining\n";
        draining.then_some(()).ok_or((status, text))
    };
    eventually("it is not ready", look).await;
    assert_eq!(get(scene.address, "/healthz").await.0, 200);
}

#[tokio::test]
async fn what_lives_is_counted_after_a_restart_too() {
    let mut scene = Scene::start().await;
    let long = create(&scene.client, sound("a bell [sandbox:seconds=6]"))
        .await
        .unwrap();
    let open = Shutdown::new().spawn({
        let (client, id) = (scene.client.clone(), long.id.clone());
        async move { watch(&client, &id, 0).await }
    });
    let live = |state: &'static str, address| async move {
        let seen = Scraped::of(address).await;
        let found = seen.count("mediagen_tasks", &[("state", state)]) == 1;
        if found { Ok(seen) } else { Err(seen.text) }
    };
    let running = eventually("it runs", || live("running", scene.address)).await;
    assert_eq!(
        running.count("mediagen_streams_open", &[("kind", "watch")]),
        1
    );
    scene.again().await;
    let _ = open.await.unwrap();
    let seen = Scraped::of(scene.address).await;
    assert_eq!(seen.count("mediagen_tasks", &[("state", "running")]), 1);
    assert_eq!(seen.count("mediagen_tasks_created_total", &[]), 0);
    finish(&scene.client, &long.id).await;
    let seen = Scraped::of(scene.address).await;
    assert_eq!(seen.count("mediagen_tasks", &[]), 0);
    let labels = [("outcome", "completed"), ("deployment", "other")];
    assert_eq!(seen.count("mediagen_tasks_ended_total", &labels[..1]), 1);
    assert_eq!(seen.count("mediagen_tasks_ended_total", &labels), 0);
}

#[tokio::test]
async fn a_thousand_names_that_nobody_configured_make_no_series() {
    let scene = Scene::start().await;
    let ask = |number: usize| {
        let request = v1::CreateRequest {
            model: format!("runwayml/evil_{number}"),
            operation: Operation::TextToVideo as i32,
            ..video("a bell [sandbox:status=400]")
        };
        create(&scene.client, request)
    };
    for round in 0..20 {
        let asked = (0..50).map(|number| ask(round * 50 + number));
        for answer in join_all(asked).await {
            answer.unwrap();
        }
    }
    let seen = Scraped::of(scene.address).await;
    assert!(!seen.text.contains("evil"), "{}", seen.text);
    let created = seen.count("mediagen_tasks_created_total", &[("model", "other")]);
    assert_eq!(created, 1000);
    assert!(seen.series() < 500, "{}", seen.series());
}

#[tokio::test]
async fn a_client_that_goes_away_within_its_request_is_counted_as_cancelled() {
    let scene = Scene::start().await;
    for reason in [None, Some(h2::Reason::INTERNAL_ERROR)] {
        let socket = TcpStream::connect(scene.address).await.unwrap();
        let (mut calls, mut connection) = h2::client::handshake(socket).await.unwrap();
        let mut pings = connection.ping_pong().unwrap();
        let mut driven = JoinSet::new();
        driven.spawn(connection);
        let url = format!(
            "http://{}/mediagen.v1.MediaGeneration/Create",
            scene.address
        );
        let request = http::Request::post(url).header("content-type", "application/grpc");
        let (_answer, mut body) = calls
            .send_request(request.body(()).unwrap(), false)
            .unwrap();
        let begun = bytes::Bytes::from_static(&[0, 0, 0, 0, 9, 1]);
        body.send_data(begun, false).unwrap();
        // Once this comes back the server has what was sent before.
        pings.ping(h2::Ping::opaque()).await.unwrap();
        match reason {
            None => driven.abort_all(),
            Some(reason) => {
                body.send_reset(reason);
                pings.ping(h2::Ping::opaque()).await.unwrap();
            }
        }
    }
    let ended = |seen: &Scraped, code| {
        let labels = [("method", "Create"), ("code", code)];
        seen.count("mediagen_grpc_requests_total", &labels)
    };
    let look = || async {
        let seen = Scraped::of(scene.address).await;
        let cancelled = ended(&seen, "CANCELLED");
        (cancelled == 2).then_some(seen).ok_or(cancelled)
    };
    let seen = eventually("both are counted", look).await;
    let labels = [("method", "Create")];
    assert_eq!(seen.count("mediagen_grpc_requests_total", &labels), 2);
}

#[tokio::test]
async fn the_doors_for_machines_are_as_configured() {
    for (access, status) in [("auto", 200), ("open", 200), ("keyed", 401), ("off", 404)] {
        let app = TestApp::with(quick(), &[("telemetry.metrics", access)]).await;
        assert_eq!(get(app.address, "/healthz").await, (200, "ok\n".to_owned()));
        assert_eq!(get(app.address, "/readyz").await.0, 200);
        let (seen, text) = get(app.address, "/metrics").await;
        // What is not there is answered by the gRPC routes, in their own way.
        let hidden = status == 404 && !text.contains("mediagen_");
        assert!(seen == status || hidden, "{access}: {seen} {text}");
        assert_eq!(
            text.contains("mediagen_build_info"),
            status == 200,
            "{access}"
        );
    }
}
