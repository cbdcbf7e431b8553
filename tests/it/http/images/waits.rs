//! Waiting for images: how it begins, how it ends, and that it costs next to nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mediagen::pb::v1::TaskStatus;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{ask, data, image, tasks, until_made};
use crate::harness::child::free_address;
use crate::harness::http::{self, Answer};
use crate::harness::{Server, TestApp, Upstream, eventually, quick, within};

/// Sends a call and reads nothing.
pub(super) async fn sent(address: SocketAddr, body: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

fn message(answer: &Answer) -> String {
    answer.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_wait_ends_and_names_the_task_which_goes_on() {
    let app = TestApp::with(quick(), &[("http.image_wait", "1s")]).await;
    let (body, key) = (
        image("a lake [sandbox:seconds=2]"),
        [("idempotency-key", "k")],
    );
    let late = ask(app.address, &body, &key).await;
    let (status, kind, code, _) = late.problem();
    assert_eq!(
        (status, &*kind, &*code),
        (504, "server_error", "wait_timeout")
    );
    assert_eq!(late.header("x-should-retry"), "false");
    let id = late.header("x-litellm-call-id").to_owned();
    let digits = id.strip_prefix("task_").unwrap();
    let told = message(&late);
    assert!(
        told.contains(&format!("/v1/videos/image_{digits}")),
        "{told}"
    );
    assert_eq!(app.finish(&id).await.status(), TaskStatus::Completed);
    let again = ask(app.address, &body, &key).await;
    assert_eq!(data(&again).len(), 1);
    assert_eq!(again.header("x-litellm-call-id"), id);
    assert_eq!(app.upstream.charged("a lake").len(), 1);
}

#[tokio::test]
async fn a_wait_ends_before_the_callers_own_does() {
    let app = TestApp::start().await;
    let begun = Instant::now();
    let own = [("x-stainless-read-timeout", "2")];
    let late = ask(app.address, &image("a lake [sandbox:seconds=600]"), &own).await;
    assert_eq!(late.problem().2, "wait_timeout");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn who_hangs_up_ends_the_wait_and_nothing_else() {
    let app = TestApp::with(quick(), &[("watch.max_streams", "1")]).await;
    let body = image("a lake [sandbox:seconds=1]").to_string();
    let stream = sent(app.address, &body, "").await;
    let id = until_made(&app, 1).await[0].id.clone();
    drop(stream);
    // Its place is free before the task has ended.
    let other = eventually("the place is given back", || async {
        let other = ask(app.address, &image("another lake"), &[]).await;
        if other.status == 200 {
            Ok(other)
        } else {
            Err(other.problem().2)
        }
    });
    other.await;
    let done = app.finish(&id).await;
    assert_eq!(done.status(), TaskStatus::Completed);
    assert_eq!(app.files(&id), ["0", "0.sums"]);
}

#[tokio::test]
async fn who_finds_no_place_to_wait_has_made_nothing() {
    let app = TestApp::with(quick(), &[("watch.max_streams", "1")]).await;
    let body = image("a long lake [sandbox:seconds=600]").to_string();
    let _stream = sent(app.address, &body, "").await;
    until_made(&app, 1).await;
    let refused = ask(app.address, &image("another lake"), &[]).await;
    assert_eq!(
        (refused.problem().0, &*refused.problem().2),
        (429, "stream_limit_reached")
    );
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(tasks(&app).await.len(), 1);
}

#[tokio::test]
async fn a_drain_ends_waits_at_once_and_the_tasks_go_on() {
    let mut app = TestApp::start().await;
    let body = image("a lake [sandbox:seconds=4]");
    let address = app.address;
    let begun = Instant::now();
    let stop = async {
        until_made(&app, 2).await;
        app.stop().await;
    };
    let keyed = [("idempotency-key", "k")];
    let (keyless, keyed, ()) =
        tokio::join!(ask(address, &body, &[]), ask(address, &body, &keyed), stop);
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    let mut ids = Vec::new();
    for (answer, repeat) in [(keyless, "false"), (keyed, "true")] {
        assert_eq!(
            (answer.problem().0, &*answer.problem().2),
            (503, "server_draining")
        );
        assert_eq!(answer.header("x-should-retry"), repeat);
        assert!(!answer.header("retry-after").is_empty());
        let id = answer.header("x-litellm-call-id").to_owned();
        assert!(message(&answer).contains(id.strip_prefix("task_").unwrap()));
        ids.push(id);
    }
    app.restart(&[]).await;
    for id in ids {
        assert_eq!(app.finish(&id).await.status(), TaskStatus::Completed);
    }
    let again = ask(app.address, &body, &[("idempotency-key", "k")]).await;
    assert_eq!(data(&again).len(), 1);
    assert_eq!(app.upstream.charged("a lake").len(), 2);
}

#[tokio::test]
async fn a_revoked_key_ends_its_wait() {
    let (upstream, data) = (Upstream::start(quick()).await, TempDir::new().unwrap());
    let file = data.path().join("keys.yaml");
    let key = "sk-of-somebody-who-goes";
    let good = format!("keys: [{{id: goes, key: {key}}}, {{id: stays, key: sk-who-stays-here}}]\n");
    std::fs::write(&file, &good).unwrap();
    let mut server = Server::spawn(&upstream, data.path(), free_address(), &[]);
    let address = server.listening().await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", &*bearer)];
    let revoke = async {
        eventually("the task is made", || async {
            let made = upstream.charged("a lake").len();
            if made == 1 { Ok(()) } else { Err(made) }
        })
        .await;
        std::fs::write(&file, good.replace(key, "sk-of-somebody-else")).unwrap();
        Instant::now()
    };
    let body = image("a lake [sandbox:seconds=600]");
    let (answer, revoked) = tokio::join!(ask(address, &body, &headers), revoke);
    assert!(
        revoked.elapsed() < Duration::from_secs(5),
        "{:?}",
        revoked.elapsed()
    );
    let (status, kind, code, _) = answer.problem();
    assert_eq!(
        (status, &*kind, &*code),
        (401, "authentication_error", "api_key_revoked")
    );
    assert!(answer.header("x-litellm-call-id").starts_with("task_"));
}

#[tokio::test]
async fn a_wait_that_a_crash_ends_loses_no_image() {
    let (upstream, data_dir) = (Upstream::start(quick()).await, TempDir::new().unwrap());
    let mut server = Server::spawn(&upstream, data_dir.path(), free_address(), &[]);
    let address = server.listening().await;
    let body = image("a lake [sandbox:seconds=2]");
    let _stream = sent(address, &body.to_string(), "idempotency-key: k\r\n").await;
    let list = async |address| http::get(address, "/v1/videos").await.json()["data"].take();
    eventually("the provider is at it", || async {
        let listed = list(address).await;
        if listed[0]["status"] == "in_progress" {
            Ok(())
        } else {
            Err(listed)
        }
    })
    .await;
    server.kill();
    let mut server = Server::spawn(&upstream, data_dir.path(), free_address(), &[]);
    let address = server.listening().await;
    let listed = eventually("the image is finished without being asked for", || async {
        let listed = list(address).await;
        if listed[0]["status"] == "completed" {
            Ok(listed)
        } else {
            Err(listed)
        }
    });
    let listed = listed.await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    let again = ask(address, &body, &[("idempotency-key", "k")]).await;
    assert_eq!(data(&again).len(), 1);
    let call = again.header("x-litellm-call-id");
    assert_eq!(call.replace("task_", "image_"), id);
    assert_eq!(upstream.charged("a lake").len(), 1);
}

#[tokio::test]
async fn two_hundred_waits_for_one_task_all_end_and_cost_the_provider_nothing() {
    let app = TestApp::start().await;
    let (body, key) = (
        image("a lake [sandbox:seconds=1.5]"),
        [("idempotency-key", "k")],
    );
    let waits = (0..200).map(|_| ask(app.address, &body, &key));
    let all = within("all waits", join_all(waits)).await;
    for answer in &all {
        assert_eq!(data(answer).len(), 1);
        assert_eq!(
            answer.header("x-litellm-call-id"),
            all[0].header("x-litellm-call-id")
        );
    }
    let ledger = app.upstream.charged("a lake");
    assert_eq!(ledger.len(), 1);
    assert!((2..=45).contains(&ledger[0].polls), "{:?}", ledger[0]);
    let gap = ledger[0].min_poll_gap_ms.unwrap();
    assert!(gap >= 40, "{gap} ms between two reads, and the floor is 40");
}
