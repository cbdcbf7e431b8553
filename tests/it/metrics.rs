//! What Prometheus reads is what happened. The program runs by itself here, since the registry is
//! the process's.

use futures_util::future::join_all;
use mediagen::pb::v1::{self, Operation, TaskStatus};
use mediagen::sandbox::{Effect, Fault, Place};
use tempfile::TempDir;

use crate::harness::client::{connect, finish, watch};
use crate::harness::scrape::{Scraped, get};
use crate::harness::{Client, Server, TestApp, Upstream, create, eventually, quick, sound};

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

    async fn run(&self, prompt: &str) -> v1::Task {
        let task = create(&self.client, sound(prompt)).await.unwrap();
        finish(&self.client, &task.id).await
    }
}

fn refused_once() -> Fault {
    let effect = Effect::Answer {
        status: 503,
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
    assert_eq!(before.value("mediagen_tasks_created_total", &[]), 0.0);
    assert_eq!(before.value("mediagen_build_info", &[]), 1.0);
    assert_eq!(before.value("mediagen_config_generation", &[]), 1.0);
    let mut tasks = Vec::new();
    for prompt in ["a bell", "a gong", "a bell [sandbox:fail=INTERNAL]"] {
        tasks.push(scene.run(prompt).await);
    }
    tasks.push(scene.run("a bell [sandbox:fail=SAFETY.INPUT.TEXT]").await);
    tasks.push(scene.run("a bell [sandbox:status=400]").await);
    scene.upstream.sandbox.inject(refused_once());
    tasks.push(scene.run("a chime").await);
    let lost = create(&scene.client, sound("a bell [sandbox:accept-then-500]")).await;
    let lost = lost.unwrap().id;
    let is_unknown = || async {
        let task = crate::harness::client::status(&scene.client, &lost)
            .await
            .unwrap();
        let unknown = task.status() == TaskStatus::SubmissionUnknown;
        unknown.then_some(()).ok_or(task)
    };
    eventually("the outcome is unknown", is_unknown).await;
    let seen = Scraped::of(scene.address).await;
    let count = |name: &str, labels: &[(&str, &str)]| seen.value(name, labels);
    let ended = |status| tasks.iter().filter(|task| task.status() == status).count() as f64;
    let model = ("model", "eleven_text_to_sound_v2");
    assert_eq!(count("mediagen_tasks_created_total", &[model]), 7.0);
    for (outcome, status) in [
        ("completed", TaskStatus::Completed),
        ("failed", TaskStatus::Failed),
    ] {
        let labels = [model, ("outcome", outcome)];
        assert_eq!(count("mediagen_tasks_ended_total", &labels), ended(status));
        assert!(ended(status) >= 3.0);
        let took = "mediagen_task_duration_seconds_count";
        assert_eq!(count(took, &labels), ended(status));
    }
    for task in tasks.iter().filter_map(|task| task.error.as_ref()) {
        let labels = [("reason", task.reason.as_str())];
        assert_eq!(
            count("mediagen_tasks_failed_total", &labels),
            1.0,
            "{task:?}"
        );
    }
    // The live ones: one, of which nobody knows whether the provider has it.
    assert_eq!(count("mediagen_tasks", &[]), 1.0);
    assert_eq!(
        count("mediagen_tasks", &[("state", "submission_unknown")]),
        1.0
    );
    assert_eq!(count("mediagen_unknown_outcomes_open", &[]), 1.0);
    assert_eq!(count("mediagen_unknown_outcomes_total", &[]), 1.0);
    assert_eq!(count("mediagen_queue_depth", &[]), 0.0);
    // The provider's ledger, of which one line is the lost create's.
    let ledger = scene.upstream.sandbox.ledger();
    let attempts = |outcome| count("mediagen_attempts_total", &[("outcome", outcome)]);
    assert_eq!(
        attempts("accepted") + attempts("unknown"),
        ledger.len() as f64
    );
    assert_eq!(attempts("rejected"), 2.0);
    assert_eq!(
        count("mediagen_rejections_total", &[("fault", "CALLER")]),
        1.0
    );
    assert_eq!(count("mediagen_retries_total", &[]), 1.0);
    let polls: u32 = ledger.iter().map(|entry| entry.polls).sum();
    let asked = count(
        "mediagen_provider_call_duration_seconds_count",
        &[("call", "poll")],
    );
    assert_eq!(asked, f64::from(polls));
    let told = attempts("accepted");
    assert_eq!(count("mediagen_polls_per_task_count", &[]), told);
    assert_eq!(count("mediagen_discovery_lag_seconds_count", &[]), told);
    assert!(count("mediagen_polls_per_task_sum", &[]) <= f64::from(polls));
    // Money, as the tasks show it.
    let actual: i64 = tasks
        .iter()
        .filter_map(|task| task.cost.as_ref()?.actual_millicredits)
        .sum();
    let spent = |kind| count("mediagen_spend_millicredits_total", &[("kind", kind)]);
    assert!(actual > 0);
    assert_eq!(spent("actual"), actual as f64);
    assert!(spent("estimated") >= spent("actual"));
    let usd = count("mediagen_spend_usd_micros_total", &[("kind", "actual")]);
    assert_eq!(usd, actual as f64 * 10.0);
    // Calls and streams: every watch is closed.
    let calls = |method| {
        count(
            "mediagen_grpc_requests_total",
            &[("method", method), ("code", "OK")],
        )
    };
    assert_eq!(calls("Create"), 7.0);
    assert_eq!(calls("WatchTask"), tasks.len() as f64);
    assert_eq!(count("mediagen_streams_open", &[]), 0.0);
    assert!(count("mediagen_watch_latency_seconds_count", &[]) >= tasks.len() as f64);
    assert_eq!(
        count("mediagen_archive_duration_seconds_count", &[]),
        ended(TaskStatus::Completed)
    );
    assert!(count("mediagen_archive_bytes", &[]) > 0.0);
    assert!(count("mediagen_process_resident_memory_bytes", &[]) > 1e6);
    for task in &tasks {
        assert!(!seen.text.contains(&task.id) && !seen.text.contains("bell"));
    }
}

#[tokio::test]
async fn what_lives_is_counted_after_a_restart_too() {
    let mut scene = Scene::start().await;
    let long = create(&scene.client, sound("a bell [sandbox:seconds=6]"))
        .await
        .unwrap();
    let open = tokio::spawn({
        let (client, id) = (scene.client.clone(), long.id.clone());
        async move { watch(&client, &id, 0).await }
    });
    let live = |state: &'static str, address| async move {
        let seen = Scraped::of(address).await;
        let found = seen.value("mediagen_tasks", &[("state", state)]) == 1.0;
        if found { Ok(seen) } else { Err(seen.text) }
    };
    let running = eventually("it runs", || live("running", scene.address)).await;
    assert_eq!(
        running.value("mediagen_streams_open", &[("kind", "watch")]),
        1.0
    );
    scene.again().await;
    let _ = open.await.unwrap();
    let seen = Scraped::of(scene.address).await;
    assert_eq!(seen.value("mediagen_tasks", &[("state", "running")]), 1.0);
    assert_eq!(seen.value("mediagen_tasks_created_total", &[]), 0.0);
    finish(&scene.client, &long.id).await;
    let seen = Scraped::of(scene.address).await;
    assert_eq!(seen.value("mediagen_tasks", &[]), 0.0);
    let labels = [("outcome", "completed"), ("deployment", "other")];
    assert_eq!(seen.value("mediagen_tasks_ended_total", &labels[..1]), 1.0);
    assert_eq!(seen.value("mediagen_tasks_ended_total", &labels), 0.0);
}

#[tokio::test]
async fn a_thousand_names_that_nobody_configured_make_no_series() {
    let scene = Scene::start().await;
    let ask = |number: usize| {
        let request = v1::CreateRequest {
            model: format!("runwayml/evil_{number}"),
            operation: Operation::TextToImage as i32,
            ..sound("a bell [sandbox:status=400]")
        };
        create(&scene.client, request)
    };
    let mut made = 0;
    for round in 0..20 {
        let round = join_all((0..50).map(|number| ask(round * 50 + number))).await;
        made += round.iter().filter(|answer| answer.is_ok()).count();
    }
    assert_eq!(made, 1000);
    let seen = Scraped::of(scene.address).await;
    assert!(!seen.text.contains("evil"), "{}", seen.text);
    let created = seen.value("mediagen_tasks_created_total", &[("model", "other")]);
    assert_eq!(created, 1000.0);
    assert!(seen.series() < 500, "{}", seen.series());
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
