//! SIGTERM under load: nothing is left unknown, everyone is told, and the process ends.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mediagen::pb::v1::{
    DownloadContentRequest, TaskStatus, WatchTaskRequest, download_content_response::Part,
};
use mediagen::sandbox::{Effect, Fault, Place};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::child::free_address;
use crate::harness::client::{channel, connect, finish, narrow, status, watch};
use crate::harness::media::sha256;
use crate::harness::{
    Client, Refused, Server, Upstream, create, eventually, quick, refused, sound, within,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_under_load_leaves_nothing_unknown_and_tells_everyone() {
    let upstream = Upstream::start(quick()).await;
    let data = TempDir::new().unwrap();
    let address = free_address();
    let mut server = Server::spawn(&upstream, data.path(), address, &[]);
    server.listening().await;
    let client = connect(address);
    let long = long_task(&client).await;
    // From here on each create takes its time, so that many are on their way when the signal comes.
    let effect = Effect::Delay { ms: 500 };
    upstream.sandbox.inject(Fault {
        on: Place::Create,
        times: 1_000,
        accept_first: true,
        effect,
    });

    let mut writers = JoinSet::new();
    for writer in 0..4 {
        writers.spawn(write(connect(address), writer));
    }
    let endless = create(&client, sound("an endless bell [sandbox:seconds=600]"))
        .await
        .unwrap();
    let watchers: Vec<_> = (0..20).map(|_| watch(&client, &endless.id, 0)).collect();
    let watchers = join_all(watchers);
    let health = watch_health(connect_health(address));
    let slow = slow_download(narrow(address), &long, Duration::from_millis(50));
    let signal = async {
        eventually("creates on their way", || async {
            let made = upstream.sandbox.ledger().len();
            if made >= 40 { Ok(()) } else { Err(made) }
        })
        .await;
        server.terminate();
    };
    let (watched, told, downloaded, ()) = within("the drain", async {
        tokio::join!(watchers, health, slow, signal)
    })
    .await;

    for watched in watched {
        let end = refused(watched.end);
        assert!(end.is(Code::Unavailable, "SERVER_DRAINING"), "{end:?}");
        let last = watched.tasks.last().map_or(0, |task| task.revision);
        assert_eq!(end.metadata["lastRevision"], last.to_string());
    }
    assert_eq!(told, [ServingStatus::Serving, ServingStatus::NotServing]);
    assert_eq!(downloaded.unwrap(), long.outputs[0].sha256);
    let ended = server.end().await;
    assert_eq!(ended.code(), Some(0), "{}", server.log());
    let mut acknowledged = vec![endless.id];
    while let Some(ids) = writers.join_next().await {
        acknowledged.extend(ids.unwrap());
    }
    assert!(acknowledged.len() > 40, "{}", acknowledged.len());

    upstream.sandbox.clear_faults();
    let mut server = Server::spawn(&upstream, data.path(), address, &[]);
    server.listening().await;
    for id in &acknowledged[1..] {
        let done = finish(&client, id).await;
        assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
        let unknown = done
            .history
            .iter()
            .any(|entry| entry.status() == TaskStatus::SubmissionUnknown);
        assert!(!unknown, "{done:#?}");
    }
    let goes_on = status(&client, &acknowledged[0]).await.unwrap();
    assert_ne!(goes_on.status(), TaskStatus::SubmissionUnknown);
    println!(
        "a drain under load: {} tasks, none unknown",
        acknowledged.len()
    );
}

/// A finished task of nearly a megabyte: more than windows and buffers hold.
async fn long_task(client: &Client) -> mediagen::pb::v1::Task {
    let mut request = sound("a long bell");
    request.seconds = Some(30);
    let made = create(client, request).await.unwrap();
    finish(client, &made.id).await
}

/// Creates until the server says that it goes away, and gives the ids that it acknowledged.
async fn write(client: Client, writer: usize) -> Vec<String> {
    let mut made = Vec::new();
    for n in 0..2_000 {
        match create(&client, sound(&format!("bell {writer}-{n}"))).await {
            Ok(task) => made.push(task.id),
            Err(status) => {
                let refusal = Refused::of(&status);
                assert_eq!(refusal.code, Code::Unavailable, "{status:?}");
                return made;
            }
        }
        sleep(Duration::from_millis(10)).await;
    }
    made
}

fn connect_health(address: std::net::SocketAddr) -> HealthClient<tonic::transport::Channel> {
    HealthClient::new(channel(address))
}

/// Everything that a watch of the health is told.
async fn watch_health(mut client: HealthClient<tonic::transport::Channel>) -> Vec<ServingStatus> {
    let stream = client.watch(HealthCheckRequest::default()).await.unwrap();
    let (mut stream, mut told) = (stream.into_inner(), Vec::new());
    while let Ok(Some(answer)) = stream.message().await {
        told.push(answer.status());
    }
    told.dedup();
    told.retain(|status| *status != ServingStatus::ServiceUnknown);
    told
}

/// Reads a download with a pause after each part, and gives the sum of its bytes.
async fn slow_download(
    mut client: Client,
    task: &mediagen::pb::v1::Task,
    pause: Duration,
) -> Result<String, tonic::Status> {
    let request = DownloadContentRequest {
        task_id: task.id.clone(),
        ..Default::default()
    };
    let mut stream = client.download_content(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(message) = stream.message().await? {
        if let Part::Chunk(chunk) = message.part.unwrap() {
            bytes.extend_from_slice(&chunk.data);
            sleep(pause).await;
        }
    }
    Ok(sha256(&bytes))
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let upstream = Upstream::start(quick()).await;
    let data = TempDir::new().unwrap();
    let address = free_address();
    let mut server = Server::spawn(&upstream, data.path(), address, &[]);
    server.listening().await;
    let client = connect(address);
    leave_unanswered(&upstream, &client).await;
    server.terminate();
    eventually("the drain has begun", || async {
        if server.log().contains("draining") {
            Ok(())
        } else {
            Err(server.log())
        }
    })
    .await;
    let by_itself = timeout(Duration::from_millis(1_500), server.end()).await;
    assert!(by_itself.is_err(), "it did not wait for the create");
    server.terminate();
    let ended = server.end().await;
    assert_eq!(ended.code(), Some(143), "{}", server.log());
}

#[tokio::test]
async fn a_reader_that_stalls_does_not_hold_the_drain() {
    let upstream = Upstream::start(quick()).await;
    let data = TempDir::new().unwrap();
    let address = free_address();
    let settings = [
        ("server.drain_timeout", "20s"),
        ("server.download_drain", "1s"),
    ];
    let mut server = Server::spawn(&upstream, data.path(), address, &settings);
    server.listening().await;
    let client = connect(address);
    let long = long_task(&client).await;
    let request = DownloadContentRequest {
        task_id: long.id,
        ..Default::default()
    };
    let mut held = narrow(address)
        .download_content(request)
        .await
        .unwrap()
        .into_inner();
    held.message().await.unwrap().unwrap();
    server.terminate();
    let begun = Instant::now();
    let ended = server.end().await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(ended.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn a_drain_cuts_off_what_takes_too_long() {
    let upstream = Upstream::start(quick()).await;
    let data = TempDir::new().unwrap();
    let address = free_address();
    let settings = [
        ("server.drain_timeout", "3s"),
        ("server.download_drain", "1s"),
    ];
    let mut server = Server::spawn(&upstream, data.path(), address, &settings);
    server.listening().await;
    let client = connect(address);
    leave_unanswered(&upstream, &client).await;
    server.terminate();
    let begun = Instant::now();
    let ended = server.end().await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(ended.code(), Some(1), "{}", server.log());
}

#[tokio::test]
async fn a_watch_ends_resumable_when_the_server_drains() {
    let app = crate::harness::TestApp::start().await;
    let made = app.create(sound("a bell [sandbox:seconds=600]")).await;
    let request = WatchTaskRequest {
        task_id: made.id,
        after_revision: 0,
    };
    let mut stream = app
        .client
        .clone()
        .watch_task(request)
        .await
        .unwrap()
        .into_inner();
    stream.message().await.unwrap().unwrap();
    let (end, ()) = tokio::join!(
        async {
            loop {
                match stream.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("it ended well"),
                    Err(status) => return Refused::of(&status),
                }
            }
        },
        app.stop()
    );
    assert!(end.is(Code::Unavailable, "SERVER_DRAINING"), "{end:?}");
}

/// A create that the provider took and never answers: it keeps a drain waiting.
async fn leave_unanswered(upstream: &Upstream, client: &Client) {
    upstream.sandbox.inject(Fault {
        on: Place::Create,
        times: 1,
        accept_first: true,
        effect: Effect::Hang,
    });
    create(client, sound("a bell that nobody answers"))
        .await
        .unwrap();
    eventually("the create is on its way", || async {
        let made = upstream.sandbox.ledger().len();
        if made == 1 { Ok(()) } else { Err(made) }
    })
    .await;
}
