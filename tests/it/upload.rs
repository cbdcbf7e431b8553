//! Uploads: sent once, kept until they expire, placed at the provider once, whatever happens between.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use futures_util::future::join_all;
use mediagen::domain::upload::SpoolId;
use mediagen::pb::v1::input_reference::Source;
use mediagen::pb::v1::{AttemptOutcome, CreateRequest, EstimateCostRequest, Task, TaskStatus};
use mediagen::sandbox::{Effect, Fault, Place};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;

use crate::harness::child::{free_address, program};
use crate::harness::client::{connect, content, finish, status, upload, uploaded};
use crate::harness::media::{png, sha256};
use crate::harness::{
    Server, TestApp, Upstream, create, eventually, picture, quick, video, within,
};

/// A PNG that no data URI holds.
const LARGE: usize = 8 << 20;

fn outcomes(task: &Task) -> Vec<AttemptOutcome> {
    let attempts = task.attempts.iter();
    attempts.map(mediagen::pb::v1::Attempt::outcome).collect()
}

fn assert_completed(task: &Task) {
    assert_eq!(task.status(), TaskStatus::Completed, "{task:#?}");
}

/// An answer of the provider to the next requests of a kind.
fn answer(on: Place, status: u16, times: u32, body: Option<Value>) -> Fault {
    Fault {
        on,
        times,
        accept_first: false,
        effect: Effect::Answer {
            status,
            headers: [].into(),
            body,
        },
    }
}

/// What the archive holds: tasks and uploads.
fn folders(app: &TestApp, kind: &str) -> Vec<String> {
    let entries = std::fs::read_dir(app.archive("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(kind)).collect()
}

#[tokio::test]
async fn a_film_of_eight_mebibytes_serves_two_tasks_and_reaches_the_provider_once() {
    let app = TestApp::start().await;
    let made = app.run(video("a lake")).await;
    let mut film = content(&app.client, &made.id).await;
    let padding = u32::try_from(LARGE).unwrap();
    film.extend_from_slice(&padding.to_be_bytes());
    film.extend_from_slice(b"free");
    film.resize(film.len() + LARGE - 8, 0);
    let kept = upload(&app.client, &film).await.unwrap();
    assert_eq!(kept.content_type, "video/mp4");
    assert_eq!(kept.size_bytes, film.len() as u64);
    assert_eq!(kept.sha256, sha256(&film));
    for prompt in ["in winter", "in summer"] {
        let mut request = uploaded(prompt, &kept.upload_id);
        request.model = "aleph2".into();
        (request.seconds, request.operation) = (None, 0);
        request.size.clear();
        let done = app.run(request).await;
        assert_completed(&done);
        assert_eq!(outcomes(&done).len(), 1);
    }
    assert_eq!(app.upstream.sandbox.counts().uploads, 1);
    let endpoints = app.upstream.sandbox.ledger();
    let endpoints: Vec<_> = endpoints.iter().map(|entry| &*entry.endpoint).collect();
    assert_eq!(endpoints[1..], ["/v1/video_to_video"; 2]);
}

#[tokio::test]
async fn a_price_goes_by_the_length_of_what_was_uploaded_or_sent() {
    let app = TestApp::start().await;
    let made = app.run(video("a lake")).await;
    let film = content(&app.client, &made.id).await;
    let kept = upload(&app.client, &film).await.unwrap();
    let mut by_name = uploaded("", &kept.upload_id);
    by_name.model = "ruby".into();
    (by_name.seconds, by_name.operation) = (None, 0);
    by_name.size.clear();
    let mut inline = by_name.clone();
    inline.input_references[0].source = Some(Source::Data(film.into()));
    for request in [by_name, inline] {
        let mut client = app.client.clone();
        let asked = EstimateCostRequest {
            request: Some(request),
        };
        let answer = within("a price", client.estimate_cost(asked))
            .await
            .unwrap();
        let cost = answer.into_inner().cost.unwrap();
        assert_eq!(
            cost.estimated_millicredits,
            Some(40_000),
            "2 s at 20 credits"
        );
    }
}

#[tokio::test]
async fn ten_tasks_at_once_place_one_upload_once() {
    let app = TestApp::start().await;
    let kept = upload(&app.client, &png(LARGE)).await.unwrap();
    let tasks = (0..10).map(|n| app.run(uploaded(&format!("fish {n}"), &kept.upload_id)));
    for done in join_all(tasks).await {
        assert_completed(&done);
        assert_eq!(outcomes(&done).len(), 1);
    }
    // Content is known by its hash: sent inline it is the same.
    assert_completed(&app.run(picture("an inline fish", png(LARGE))).await);
    assert_eq!(app.upstream.sandbox.counts().uploads, 1);
}

#[tokio::test]
async fn tasks_without_uploads_do_not_wait_for_one_that_is_slow() {
    let app = TestApp::tuned(|config| config.submit.concurrency = 1).await;
    let mut slow = answer(Place::Upload, 503, 100, None);
    slow.effect = Effect::Hang;
    assert!(app.upstream.sandbox.inject(slow));
    let [one, other] = [png(LARGE), png(LARGE + 1000)];
    let kept = upload(&app.client, &one).await.unwrap();
    let mut waiting = Vec::new();
    for prompt in ["a slow fish", "one that needs the same", "a third"] {
        waiting.push(app.create(uploaded(prompt, &kept.upload_id)).await.id);
    }
    // There is room to place one content, which this is not.
    let kept = upload(&app.client, &other).await.unwrap();
    waiting.push(app.create(uploaded("another", &kept.upload_id)).await.id);
    assert_completed(&app.run(video("a lake")).await);
    assert_completed(&app.run(picture("a small fish", png(10_000))).await);
    for id in &waiting {
        let task = app.status(id).await;
        assert_eq!(task.status(), TaskStatus::Queued);
        assert_eq!(outcomes(&task), []);
    }
    app.stop().await;
    app.upstream.sandbox.clear_faults();
    let mut app = app;
    app.restart(&[]).await;
    for id in &waiting {
        assert_completed(&app.finish(id).await);
    }
    assert_eq!(app.upstream.sandbox.ledger().len(), 6);
    assert_eq!(app.upstream.sandbox.counts().uploads, 2);
}

#[tokio::test]
async fn a_quota_of_uploads_stops_no_task_without_one() {
    let app = TestApp::start().await;
    assert!(
        app.upstream
            .sandbox
            .inject(answer(Place::Slot, 429, 1, None))
    );
    let kept = upload(&app.client, &png(LARGE)).await.unwrap();
    let waits = app.create(uploaded("a fish", &kept.upload_id)).await.id;
    let turned_away = |task: &Task| outcomes(task) == [AttemptOutcome::Rejected];
    app.until(&waits, turned_away).await;
    // The same model, whose own quota is not used up.
    let done = app.run(picture("a small fish", png(10_000))).await;
    assert_completed(&done);
    assert_eq!(outcomes(&done).len(), 1);
    assert_eq!(app.status(&waits).await.status(), TaskStatus::Queued);
}

#[tokio::test]
async fn killed_between_upload_create_and_submit_it_places_an_upload_once() {
    let upstream = Upstream::quick().await;
    let data = TempDir::new().unwrap();
    let address = free_address();
    let client = connect(address);
    let start = || Server::spawn(&upstream, data.path(), address, &[]);
    let mut server = start();
    server.listening().await;
    let kept = upload(&client, &png(LARGE)).await.unwrap();
    server.kill();

    let mut server = start();
    server.listening().await;
    let refuse = answer(Place::Upload, 503, 1, None);
    assert!(upstream.sandbox.inject(refuse));
    let made = create(&client, uploaded("a fish", &kept.upload_id)).await;
    let made = made.unwrap();
    eventually("its first try", || async {
        let task = status(&client, &made.id).await.unwrap();
        let tried = task
            .attempts
            .iter()
            .any(|attempt| attempt.end_time.is_some());
        if tried { Ok(()) } else { Err(task) }
    })
    .await;
    server.kill();

    let mut server = start();
    server.listening().await;
    assert_completed(&finish(&client, &made.id).await);
    server.kill();

    let mut server = start();
    server.listening().await;
    let again = create(&client, uploaded("another fish", &kept.upload_id)).await;
    assert_completed(&finish(&client, &again.unwrap().id).await);
    assert_eq!(upstream.sandbox.counts().uploads, 1);
}

#[tokio::test]
async fn what_the_provider_forgot_is_placed_again_once() {
    let mut app = TestApp::start().await;
    let kept = upload(&app.client, &png(LARGE)).await.unwrap();
    assert_completed(&app.run(uploaded("a fish", &kept.upload_id)).await);
    app.stop().await;
    // A provider that knows nothing of what the one before was sent.
    app.upstream = Upstream::quick().await;
    app.restart(&[]).await;
    let done = app.run(uploaded("another fish", &kept.upload_id)).await;
    assert_completed(&done);
    let expected = [AttemptOutcome::Rejected, AttemptOutcome::Accepted];
    assert_eq!(outcomes(&done)[..1], expected[..1], "{done:#?}");
    assert_eq!(outcomes(&done).len(), 2);
    let done = app.run(uploaded("a third fish", &kept.upload_id)).await;
    assert_eq!(outcomes(&done).len(), 1);
    assert_eq!(app.upstream.sandbox.counts().uploads, 1);
    assert_eq!(app.upstream.sandbox.ledger().len(), 2);
}

#[tokio::test]
async fn a_refusal_that_stays_is_tried_with_fresh_addresses_once_and_then_told() {
    let app = TestApp::start().await;
    let kept = upload(&app.client, &png(LARGE)).await.unwrap();
    assert_completed(&app.run(uploaded("a fish", &kept.upload_id)).await);
    let body = json!({ "error": "Failed to fetch asset." });
    let refuse = answer(Place::Create, 400, 10, Some(body));
    assert!(app.upstream.sandbox.inject(refuse));
    let done = app.run(uploaded("a bad fish", &kept.upload_id)).await;
    let error = done.error.clone().unwrap();
    assert_eq!(error.reason, "INVALID_INPUT", "{done:#?}");
    assert!(error.provider_message.contains("Failed to fetch asset"));
    assert_eq!(outcomes(&done), [AttemptOutcome::Rejected; 2]);
    // Without anything that could have been forgotten, it is told at once.
    let done = app.run(video("a lake")).await;
    assert_eq!(outcomes(&done), [AttemptOutcome::Rejected]);
    assert_eq!(app.upstream.sandbox.counts().uploads, 2);
}

#[tokio::test]
async fn an_upload_expires_and_its_tasks_keep_what_they_were_given() {
    let app = TestApp::tuned(|config| config.retention.uploads = Duration::from_secs(2)).await;
    let kept = upload(&app.client, &png(LARGE)).await.unwrap();
    let mut refuse = answer(Place::Upload, 503, 1, None);
    refuse.effect = Effect::Hang;
    assert!(app.upstream.sandbox.inject(refuse));
    let made = app
        .create(uploaded("a patient fish", &kept.upload_id))
        .await;
    assert_eq!(app.files(&made.id), ["input-0", "input-0.sums"]);
    // Refused in any case, so that nothing is made while the upload is still there.
    let mut late = uploaded("a late fish", &kept.upload_id);
    late.seconds = Some(99);
    let gone = eventually("the end of the upload", || async {
        let refusal = app.refusal(late.clone()).await;
        let names = refusal.names("input_references[0].upload_id");
        if names { Ok(refusal) } else { Err(refusal) }
    })
    .await;
    assert!(gone.is(Code::InvalidArgument, "FIELD_INVALID"), "{gone:?}");
    // A task that ends with inputs to remove calls the cleaner.
    eventually("the cleaner", || async {
        app.run(picture("a small fish", png(10_000))).await;
        let left = folders(&app, "upload_");
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    assert_eq!(app.files(&made.id), ["input-0", "input-0.sums"]);
    app.stop().await;
    let mut app = app;
    app.restart(&[]).await;
    assert_completed(&app.finish(&made.id).await);
}

#[tokio::test]
async fn what_a_crash_left_of_an_upload_is_swept_and_nothing_else() {
    let mut app = TestApp::start().await;
    let kept = upload(&app.client, &png(10_000)).await.unwrap();
    let name = |created_ms| SpoolId::new(created_ms, [7; 10]).to_string();
    let kept_name = kept.upload_id[..kept.upload_id.len() - 33].to_owned();
    let old = name(1_790_000_000_000);
    let young = SpoolId::new(now_ms(), [7; 10]).to_string();
    app.stop().await;
    for broken in [&old, &young] {
        std::fs::create_dir(app.archive(broken)).unwrap();
        std::fs::write(app.archive(broken).join("0#1"), b"half of a film").unwrap();
    }
    app.restart(&[]).await;
    eventually("the sweep", || async {
        let left = folders(&app, "upload_");
        if left.contains(&old) {
            Err(left)
        } else {
            Ok(())
        }
    })
    .await;
    let mut left = folders(&app, "upload_");
    left.sort();
    let mut expected = vec![kept_name, young];
    expected.sort();
    assert_eq!(left, expected);
    assert_completed(&app.run(uploaded("a fish", &kept.upload_id)).await);
}

fn now_ms() -> i64 {
    mediagen::clock::Clock.now_ms()
}

#[tokio::test]
async fn the_same_file_uploaded_again_repeats_its_create() {
    let app = TestApp::start().await;
    let image = png(10_000);
    let mut made: Vec<String> = Vec::new();
    for _ in 0..2 {
        let kept = upload(&app.client, &image).await.unwrap();
        let request = CreateRequest {
            request_id: "the-same-fish".into(),
            ..uploaded("a fish", &kept.upload_id)
        };
        made.push(app.create(request).await.id);
    }
    assert_eq!(made[0], made[1]);
    assert_completed(&app.finish(&made[0]).await);
    assert_eq!(app.upstream.sandbox.ledger().len(), 1);
    assert_eq!(app.upstream.sandbox.counts().uploads, 0, "it is small");
}

/// Runs a client command against the server.
async fn run(app: &TestApp, folder: &Path, args: &[&str]) -> Output {
    let mut command: Command = program(&folder.join("client.log"));
    command
        .args(args)
        .args(["--server", &format!("http://{}", app.address)])
        .stderr(std::process::Stdio::piped());
    let ran = tokio::task::spawn_blocking(move || command.output());
    within("the command", ran).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_uploads_what_a_request_cannot_hold() {
    let app = TestApp::start().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("fish.png");
    std::fs::write(&file, png(LARGE)).unwrap();
    let file = file.display().to_string();
    let said = |output: &Output| {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        (
            String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            error,
        )
    };
    let (text, error) = said(&run(&app, folder.path(), &["upload", &file, "--json"]).await);
    let kept: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(kept["sha256"], sha256(&std::fs::read(&file).unwrap()));
    assert_eq!(kept["content_type"], "image/png");
    assert_eq!(error, "", "a script reads the error alone there");
    let (id, error) = said(&run(&app, folder.path(), &["upload", &file]).await);
    assert!(error.contains("uploaded"), "{error}");
    assert!(id.starts_with("upload_"), "{id}");
    assert_eq!(folders(&app, "upload_").len(), 2);
    for image in [&file, &id] {
        let made = folder.path().join("out.mp4").display().to_string();
        let common = [
            "--model",
            "gen4_turbo",
            "--seconds",
            "2",
            "--size",
            "1280x720",
        ];
        let mut args = vec!["generate", "a fish", "--image", image, "--output", &made];
        args.extend(common);
        let (path, _) = said(&run(&app, folder.path(), &args).await);
        assert_eq!(path, made);
        assert!(std::fs::metadata(&made).unwrap().len() > 1000);
    }
    assert_eq!(folders(&app, "upload_").len(), 3);
    assert_eq!(app.upstream.sandbox.counts().uploads, 1);
    let refused = run(&app, folder.path(), &["upload", "Cargo.toml"]).await;
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{error}");
    assert!(error.contains("no known type"), "{error}");
}

#[tokio::test]
async fn the_sandbox_of_one_run_is_not_that_of_the_next() {
    let folder = TempDir::new().unwrap();
    let app = TestApp::with(quick(), &[]).await;
    let file = folder.path().join("fish.png");
    std::fs::write(&file, png(LARGE)).unwrap();
    let data = folder.path().join("data").display().to_string();
    for _ in 0..2 {
        let made = folder.path().join("out.mp4").display().to_string();
        let mut command = program(&folder.path().join("client.log"));
        command
            .args(["generate", "a fish", "--sandbox", "--data-dir", &data])
            .args([
                "--model",
                "gen4_turbo",
                "--seconds",
                "2",
                "--size",
                "1280x720",
            ])
            .args(["--image", &file.display().to_string(), "--output", &made])
            .stderr(std::process::Stdio::piped());
        let ran = tokio::task::spawn_blocking(move || command.output());
        let output = within("the command", ran).await.unwrap().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
    }
    assert_eq!(
        app.upstream.sandbox.counts().uploads,
        0,
        "they had their own"
    );
}
