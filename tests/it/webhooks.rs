//! Who is told of a task's end: once if it goes well, again if it does not, and nobody else.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mediagen::pb::v1::{CreateRequest, DeleteRequest, ListRequest, Task};
use serde_json::Value;
use tempfile::TempDir;
use tonic::{Code, Request};

use crate::harness::child::{free_address, program, run};
use crate::harness::client::{connect, finish};
use crate::harness::receiver::{Receiver, Says};
use crate::harness::{
    Server, TestApp, Upstream, create, eventually, http, quick, refused, sound, video, within,
};

fn telling(url: &str) -> CreateRequest {
    CreateRequest {
        webhook_url: url.to_owned(),
        ..sound("a bell")
    }
}

/// A server that may call these origins, and soon again.
async fn app(origins: &[String]) -> TestApp {
    app_with(origins, &[]).await
}

async fn app_with(origins: &[String], further: &[(&str, &str)]) -> TestApp {
    let allow = origins.join(",");
    let mut settings = vec![
        ("webhooks.allow", &*allow),
        ("webhooks.first_retry", "50ms"),
    ];
    settings.extend(further);
    TestApp::with(quick(), &settings).await
}

/// The record of how a task's end was told.
async fn record(address: SocketAddr, id: &str) -> Vec<Value> {
    let answer = http::get(address, &format!("/v1/videos/{id}/deliveries")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["object"], "list");
    answer.json()["data"].as_array().unwrap().clone()
}

/// The one delivery of a task, when it is as wanted.
async fn told(address: SocketAddr, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let look = || async {
        let record = record(address, id).await;
        match record.as_slice() {
            [one] if wanted(one) => Ok(one.clone()),
            _ => Err(record),
        }
    };
    eventually("the end is told as wanted", look).await
}

async fn secret(address: SocketAddr) -> String {
    let answer = http::get(address, "/v1/webhooks/secret").await;
    answer.json()["secret"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_end_is_told_once_signed_and_on_record() {
    let receiver = Receiver::willing().await;
    let app = app(&[receiver.origin()]).await;
    let task = app
        .run(CreateRequest {
            webhook_url: receiver.url(),
            ..video("a lake")
        })
        .await;
    let one = told(app.address, &task.id, |one| one["status"] == "delivered").await;
    let got = receiver.got();
    assert_eq!(got.len(), 1, "{got:?}");
    let got = &got[0];
    assert_eq!(got.path, "/hook?token=secret-of-the-receiver");
    assert_eq!(got.header("content-type"), "application/json");
    assert!(got.header("user-agent").starts_with("mediagen/"));
    assert!(got.is_signed_with(&secret(app.address).await), "{got:?}");
    let event = got.json();
    let digits = task.id.strip_prefix("task_").unwrap();
    assert_eq!(event["id"], got.id());
    assert_eq!(event["type"], "video.completed");
    assert_eq!(event["data"]["id"], format!("video_{digits}"));
    assert_eq!(event["data"]["status"], "completed");
    assert_eq!(event["data"]["prompt"], "a lake");
    assert_eq!(one["id"], got.id());
    assert_eq!(one["type"], "video.completed");
    assert_eq!(one["tries"], 1);
    assert_eq!(one["last_status_code"], 204);
    assert_eq!(one["last_error"], Value::Null);
    assert_eq!(one["url"], format!("{}/hook", receiver.origin()));
}

#[tokio::test]
async fn what_is_not_taken_is_told_again_under_the_same_id_and_no_redirect_is_followed() {
    let other = Receiver::willing().await;
    let elsewhere = other.url();
    let receiver = Receiver::new(move |n| match n {
        0 => Says::Status(500),
        1 => Says::Elsewhere(307, elsewhere.clone()),
        _ => Says::Status(200),
    })
    .await;
    let app = app(&[receiver.origin(), other.origin()]).await;
    let task = app.run(telling(&receiver.url())).await;
    let one = told(app.address, &task.id, |one| one["status"] == "delivered").await;
    assert_eq!(one["tries"], 3);
    let got = receiver.got();
    let secret = secret(app.address).await;
    for call in &got {
        assert_eq!(call.id(), got[0].id());
        assert!(call.is_signed_with(&secret));
        assert_eq!(call.json()["type"], "audio.completed");
    }
    assert_eq!((got.len(), other.got().len()), (3, 0));
}

#[tokio::test]
async fn who_does_not_answer_in_time_or_does_not_listen_is_told_again() {
    let silent = Receiver::new(|n| match n {
        0 => Says::Nothing,
        _ => Says::Status(204),
    })
    .await;
    let address = free_address();
    let origins = [silent.origin(), format!("http://{address}")];
    let app = app_with(&origins, &[("webhooks.timeout", "1s")]).await;
    let late = app.create(telling(&silent.url())).await;
    let away = app.create(telling(&format!("http://{address}/x"))).await;
    let failed = told(app.address, &away.id, |one| one["tries"] == 1).await;
    assert_eq!(failed["status"], "pending");
    assert_eq!(failed["last_status_code"], Value::Null);
    let why = failed["last_error"].as_str().unwrap();
    assert!(why.contains("cannot connect"), "{why}");
    assert!(failed["next_try_at"].is_i64());
    let _there = Receiver::at(address, |_| Says::Status(204)).await;
    told(app.address, &away.id, |one| one["status"] == "delivered").await;
    let one = told(app.address, &late.id, |one| one["status"] == "delivered").await;
    assert_eq!(one["tries"], 2);
    let got = silent.got();
    assert_eq!(got[0].id(), got[1].id());
}

#[tokio::test]
async fn who_is_gone_is_told_no_more() {
    let receiver = Receiver::new(|_| Says::Status(410)).await;
    let app = app(&[receiver.origin()]).await;
    let task = app.run(telling(&receiver.url())).await;
    let one = told(app.address, &task.id, |one| one["status"] == "given_up").await;
    assert_eq!(
        (&one["tries"], &one["last_status_code"]),
        (&1.into(), &410.into())
    );
    assert!(one["given_up_at"].is_i64());
    assert_eq!(receiver.got().len(), 1);
}

#[tokio::test]
async fn a_bad_address_is_refused_by_name_and_leaves_nothing() {
    let receiver = Receiver::willing().await;
    let app = app(&["https://hooks.internal:8443".to_owned()]).await;
    let own = receiver.url();
    let long = format!("https://hooks.example.com/{}", "a".repeat(2_048));
    for url in [
        own.as_str(),
        "http://hooks.example.com/a",
        "https://hooks.example.com:8443/a",
        "https://user:pw@hooks.example.com/a",
        "https://hooks.example.com/a#b",
        "https://localhost/a",
        "https://10.0.0.1/a",
        "https://[::1]/a",
        "https://169.254.169.254/latest/meta-data",
        "https://printer.local/a",
        "http://hooks.internal:8443/a",
        "ftp://hooks.example.com/a",
        "hooks.example.com",
        " ",
        "\u{1F600}",
        long.as_str(),
    ] {
        let refusal = app.refusal(telling(url)).await;
        let is_named = refusal.is(Code::InvalidArgument, "FIELD_INVALID")
            && refusal.names("webhook_url")
            && refusal.fields.len() == 1;
        assert!(is_named, "{url}: {refusal:?}");
    }
    let mut client = app.client.clone();
    let listed = client.list(ListRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().tasks, Vec::<Task>::new());
    assert_eq!(receiver.got().len(), 0);
    assert!(app.upstream.sandbox.ledger().is_empty());
}

#[tokio::test]
async fn a_request_that_names_another_receiver_is_another_request() {
    let app = app(&["http://127.0.0.1:9".to_owned()]).await;
    let request = telling("http://127.0.0.1:9/a");
    let task = app.create(request.clone()).await;
    assert_eq!(app.create(request.clone()).await.id, task.id);
    for url in ["http://127.0.0.1:9/b", ""] {
        let other = CreateRequest {
            webhook_url: url.to_owned(),
            ..request.clone()
        };
        let refusal = app.refusal(other).await;
        assert!(
            refusal.is(Code::AlreadyExists, "REQUEST_ID_REUSED"),
            "{refusal:?}"
        );
    }
}

const ALICES: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const FORMER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[tokio::test]
async fn a_key_has_a_receiver_and_secrets_of_its_own() {
    let (alices, named) = (Receiver::willing().await, Receiver::willing().await);
    let (url, origins) = (alices.url(), [alices.origin(), named.origin()]);
    let app = TestApp::of_file(
        |upstream| {
            format!(
                "runway: {{base_url: '{upstream}', api_key: '{}'}}\n\
                 webhooks: {{allow: ['{}', '{}']}}\n\
                 keys:\n\
                 - id: alice\n  key: sk-alice-of-the-tests\n\
                 \x20 webhook: {{url: '{url}', secret: '{ALICES} {FORMER}'}}\n\
                 - {{id: bob, key: sk-bob-of-the-tests-too}}\n",
                mediagen::sandbox::DEFAULT_API_KEY,
                origins[0],
                origins[1],
            )
        },
        &[],
    )
    .await;
    let create = |key: &'static str, url: String| {
        let mut client = app.client.clone();
        let mut request = Request::new(telling(&url));
        let key = format!("Bearer {key}").parse().unwrap();
        request.metadata_mut().insert("authorization", key);
        async move { client.create(request).await.unwrap() }
    };
    create("sk-alice-of-the-tests", String::new()).await;
    let got = alices.calls(1).await;
    assert!(got[0].is_signed_with(ALICES) && got[0].is_signed_with(FORMER));
    create("sk-alice-of-the-tests", named.url()).await;
    create("sk-bob-of-the-tests-too", named.url()).await;
    let got = named.calls(2).await;
    let by_alice = got.iter().filter(|call| call.is_signed_with(ALICES));
    assert_eq!(by_alice.count(), 1, "bob's are signed with another secret");
    create("sk-bob-of-the-tests-too", String::new()).await;
    assert_eq!(alices.got().len(), 1, "bob names nobody");
    let ask = |key: &'static str| async move {
        let asked = http::client().get(format!("http://{}/v1/webhooks/secret", app.address));
        let answer = asked.header("x-api-key", key).send().await.unwrap();
        http::Answer::of(answer).await
    };
    let (alice, bob) = (
        ask("sk-alice-of-the-tests").await.json(),
        ask("sk-bob-of-the-tests-too").await.json(),
    );
    assert_eq!(alice["secrets"], serde_json::json!([ALICES, FORMER]));
    let bobs = bob["secret"].as_str().unwrap();
    assert_eq!(
        got.iter().filter(|call| call.is_signed_with(bobs)).count(),
        1
    );
    assert_eq!(ask("sk-nobody").await.status, 401);
}

#[tokio::test]
async fn where_nothing_fails_each_of_many_ends_is_told_exactly_once() {
    let receiver = Receiver::willing().await;
    let app = app_with(&[receiver.origin()], &[("webhooks.per_receiver", "16")]).await;
    let creates = (0..80).map(|_| app.create(telling(&receiver.url())));
    let tasks = join_all(creates).await;
    for task in &tasks {
        told(app.address, &task.id, |one| one["status"] == "delivered").await;
    }
    let got = receiver.got();
    let mut ids: Vec<_> = got.iter().map(|call| call.id().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((got.len(), ids.len()), (tasks.len(), tasks.len()));
}

#[tokio::test]
async fn a_slow_receiver_holds_up_nobody_else() {
    let slow = Receiver::new(|n| match n {
        0 => Says::Status(204),
        _ => Says::Nothing,
    })
    .await;
    let quick = Receiver::willing().await;
    let app = app(&[slow.origin(), quick.origin()]).await;
    for _ in 0..20 {
        app.create(telling(&slow.url())).await;
    }
    slow.calls(5).await;
    for _ in 0..6 {
        app.create(telling(&quick.url())).await;
    }
    quick.calls(6).await;
    assert_eq!(slow.got().len(), 5);
    assert_eq!(slow.most_open(), 4, "no more at once than is configured");
}

#[tokio::test]
async fn a_slow_path_holds_up_no_other_of_the_same_host() {
    let host = Receiver::by_path(|path| match path {
        "/fast" => Says::Status(204),
        _ => Says::Nothing,
    })
    .await;
    let settings = [("webhooks.timeout", "1s")];
    let app = app_with(&[host.origin()], &settings).await;
    for n in 0..20 {
        let url = format!("{}/slow/{n}", host.origin());
        app.create(telling(&url)).await;
    }
    host.calls(1).await;
    for _ in 0..3 {
        let slow = || host.got().iter().filter(|got| got.path != "/fast").count();
        let before = slow();
        let fast = telling(&format!("{}/fast", host.origin()));
        let task = app.run(fast).await;
        told(app.address, &task.id, |one| one["status"] == "delivered").await;
        let more = slow() - before;
        assert!(more < 10, "it waited for {more} of the slow ones");
    }
    assert!(host.most_open() <= 4, "no more at once than is configured");
}

#[tokio::test]
async fn who_does_not_listen_is_left_alone_for_longer_each_time() {
    let away = format!("http://{}", free_address());
    let app = app(std::slice::from_ref(&away)).await;
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        tasks.push(app.create(telling(&format!("{away}/x"))).await);
    }
    let tries = || async {
        let mut tries = 0;
        for task in &tasks {
            let record = record(app.address, &task.id).await;
            tries += record
                .iter()
                .filter_map(|one| one["tries"].as_u64())
                .sum::<u64>();
        }
        if tries < 5 { Err(tries) } else { Ok(tries) }
    };
    eventually("it is tried a few times", tries).await;
    // Before the fifth come rests of 0.1 s and twice that each time, 1.5 s in all.
    assert!(begun.elapsed() >= Duration::from_millis(1_500));
}

#[tokio::test]
async fn what_is_past_its_time_is_given_up_where_nobody_answers_and_only_there() {
    let away = format!("http://{}", free_address());
    let there = Receiver::new(|_| Says::Status(503)).await;
    let allow = format!("{away},{}", there.origin());
    let settings = [("webhooks.allow", &*allow), ("webhooks.give_up", "1m")];
    let mut app = TestApp::with(quick(), &settings).await;
    let mut late = Vec::new();
    for _ in 0..20 {
        late.push(app.create(telling(&format!("{away}/x?token=y"))).await);
    }
    let answered = app.create(telling(&there.url())).await;
    for task in late.iter().chain([&answered]) {
        app.finish(&task.id).await;
    }
    there.calls(1).await;
    app.stop().await;
    let store = app.archive("").join("../mediagen.db");
    let store = rusqlite::Connection::open(store).unwrap();
    let long_ago = "UPDATE deliveries SET created = created - 120000";
    assert_eq!(store.execute(long_ago, []).unwrap(), 21);
    drop(store);
    app.restart(&settings).await;
    for task in &late {
        let one = told(app.address, &task.id, |one| one["status"] == "given_up").await;
        assert_eq!(one["url"], format!("{away}/x"));
    }
    // Whoever answers is called once more.
    told(app.address, &answered.id, |one| one["status"] == "given_up").await;
    assert_eq!(there.got().len(), 2);
}

#[tokio::test]
async fn a_deleted_tasks_end_is_still_told_without_what_was_deleted() {
    let address = free_address();
    let app = app(&[format!("http://{address}")]).await;
    let task = app
        .run(telling(&format!("http://{address}/x?token=y")))
        .await;
    told(app.address, &task.id, |one| one["tries"] != 0).await;
    let mut client = app.client.clone();
    let id = task.id.clone();
    client.delete(DeleteRequest { task_id: id }).await.unwrap();
    let receiver = Receiver::at(address, |_| Says::Status(204)).await;
    let got = receiver.calls(1).await;
    assert_eq!(got[0].path, "/x?token=y");
    let event = got[0].json();
    assert_eq!(event["type"], "audio.completed");
    assert_eq!(event["data"]["prompt"], Value::Null);
    let gone = http::get(app.address, &format!("/v1/videos/{}/deliveries", task.id)).await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn tries_and_what_is_pending_are_counted_and_no_address_is_logged() {
    let (upstream, data) = (Upstream::quick().await, TempDir::new().unwrap());
    let receiver = Receiver::new(|n| Says::Status(if n == 0 { 503 } else { 204 })).await;
    let allow = receiver.origin();
    let settings = [
        ("webhooks.allow", &*allow),
        ("webhooks.first_retry", "50ms"),
    ];
    let mut server = Server::spawn(&upstream, data.path(), free_address(), &settings);
    let address = server.listening().await;
    let client = connect(address);
    let task = create(&client, telling(&receiver.url())).await.unwrap();
    told(address, &task.id, |one| one["status"] == "delivered").await;
    let metrics = http::get(address, "/metrics").await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    for line in [
        "mediagen_webhook_tries_total{outcome=\"delivered\"} 1",
        "mediagen_webhook_tries_total{outcome=\"failed\"} 1",
        "mediagen_webhooks_pending 0",
    ] {
        assert!(
            metrics.lines().any(|seen| seen == line),
            "{line}: {metrics}"
        );
    }
    let log = server.log();
    assert!(log.contains("told the receiver of the end"), "{log}");
    for secret in ["secret-of-the-receiver", "whsec_"] {
        assert!(!log.contains(secret), "{log}");
    }
    let key = data.path().join("webhook.key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let printed = printed_secret(data.path(), &upstream);
    assert_eq!(printed, secret(address).await);
    assert!(receiver.got()[0].is_signed_with(&printed));
}

/// What `mediagen webhooks secret` prints.
fn printed_secret(data: &std::path::Path, upstream: &Upstream) -> String {
    let mut command = program(&data.join("command.log"));
    command
        .args(["webhooks", "secret", "--data-dir"])
        .arg(data)
        .envs(upstream.environment());
    let ran = run(&mut command, Duration::from_secs(30));
    assert!(ran.status.success(), "{}", ran.stderr);
    ran.stdout.trim().to_owned()
}

/// Ends that came before the kill, and were told to nobody, or to somebody whose answer was not heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_the_end_and_its_delivery_it_tells_after_the_restart_under_the_same_id() {
    let (upstream, data, address) = (
        Upstream::quick().await,
        TempDir::new().unwrap(),
        free_address(),
    );
    // One takes what it is told and dies before it says so; the other is not there yet.
    let silent = Receiver::new(|n| match n {
        0 => Says::Nothing,
        _ => Says::Status(204),
    })
    .await;
    let away = free_address();
    let allow = format!("{},http://{away}", silent.origin());
    let settings = [
        ("webhooks.allow", &*allow),
        ("webhooks.first_retry", "50ms"),
    ];
    let mut server = Server::spawn(&upstream, data.path(), address, &settings);
    server.listening().await;
    let client = connect(address);
    let heard = create(&client, telling(&silent.url())).await.unwrap();
    let unheard = create(&client, telling(&format!("http://{away}/x")))
        .await
        .unwrap();
    for task in [&heard, &unheard] {
        finish(&client, &task.id).await;
    }
    silent.calls(1).await;
    let before = told(address, &unheard.id, |_| true).await;
    server.kill();

    let there = Receiver::at(away, |_| Says::Status(204)).await;
    let mut server = Server::spawn(&upstream, data.path(), address, &settings);
    server.listening().await;
    let twice = silent.calls(2).await;
    assert_eq!(twice[0].id(), twice[1].id());
    assert_eq!(twice[0].json()["id"], twice[1].json()["id"]);
    let one = told(address, &heard.id, |one| one["status"] == "delivered").await;
    assert_eq!(
        (&one["id"], &one["tries"]),
        (&twice[0].id().into(), &1.into())
    );
    let first = there.calls(1).await;
    assert_eq!(before["id"], first[0].id());
    told(address, &unheard.id, |one| one["status"] == "delivered").await;
    let secret = secret(address).await;
    for call in twice.iter().chain(&first) {
        assert!(
            call.is_signed_with(&secret),
            "the secret outlives the process"
        );
    }
    // Told and on record, it is told no more.
    server.kill();
    let mut server = Server::spawn(&upstream, data.path(), address, &settings);
    server.listening().await;
    let last = create(&client, telling(&silent.url())).await.unwrap();
    told(address, &last.id, |one| one["status"] == "delivered").await;
    assert_eq!((silent.got().len(), there.got().len()), (3, 1));
}

/// SIGTERM while a receiver holds a call: the drain ends, and it is told again afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_loses_no_delivery() {
    let (upstream, data, address) = (
        Upstream::quick().await,
        TempDir::new().unwrap(),
        free_address(),
    );
    let receiver = Receiver::new(|n| match n {
        0 => Says::Nothing,
        _ => Says::Status(204),
    })
    .await;
    let allow = receiver.origin();
    let settings = [
        ("webhooks.allow", &*allow),
        ("webhooks.first_retry", "50ms"),
        ("webhooks.timeout", "2s"),
    ];
    let mut server = Server::spawn(&upstream, data.path(), address, &settings);
    server.listening().await;
    let client = connect(address);
    let task = create(&client, telling(&receiver.url())).await.unwrap();
    receiver.calls(1).await;
    server.terminate();
    let ended = within("the drain", server.end()).await;
    assert_eq!(ended.code(), Some(0), "{}", server.log());
    let mut server = Server::spawn(&upstream, data.path(), address, &settings);
    server.listening().await;
    let got = receiver.calls(2).await;
    assert_eq!(got[0].id(), got[1].id());
    told(address, &task.id, |one| one["status"] == "delivered").await;
}

#[tokio::test]
async fn a_command_names_a_receiver() {
    let receiver = Receiver::willing().await;
    let app = app(&[receiver.origin()]).await;
    let data = TempDir::new().unwrap();
    let mut command = program(&data.path().join("command.log"));
    command
        .args(["create", "--server", &format!("http://{}", app.address)])
        .args(["--model", "gen4.5", "--seconds", "2", "--size", "1280x720"])
        .args(["--webhook", &receiver.url(), "a lake"]);
    let patience = Duration::from_secs(30);
    let ran = tokio::task::spawn_blocking(move || run(&mut command, patience)).await;
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{}", ran.stderr);
    receiver.calls(1).await;
    let refusal = refused(create(&app.client, telling("https://10.0.0.1/")).await);
    assert!(refusal.names("webhook_url"));
}
