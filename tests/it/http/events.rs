//! Server-sent events of a task: every state that matters in order, the end once, and a way back.

use std::time::Duration;

use mediagen::pb::v1::TaskStatus;
use tempfile::TempDir;

use super::sse::{Event, Events, open};
use crate::harness::child::free_address;
use crate::harness::client::{connect, create};
use crate::harness::{Server, TestApp, Upstream, eventually, http, quick, sound, video, within};
use crate::keys::{keys, made};

async fn events(app: &TestApp, id: &str, last: &str) -> Events {
    let path = format!("/v1/videos/{id}/events");
    let headers: &[(&str, &str)] = if last.is_empty() {
        &[]
    } else {
        &[("last-event-id", last)]
    };
    open(app.address, &path, headers).await.unwrap()
}

fn revision(event: &Event) -> u64 {
    let id = event.id.parse().unwrap();
    assert_eq!(event.data["revision"], id, "{event:?}");
    id
}

#[tokio::test]
async fn a_task_is_told_from_its_beginning_to_its_end_and_then_no_more() {
    let app = TestApp::start().await;
    let task = app.create(video("a lake")).await;
    let mut stream = events(&app, &task.id, "").await;
    let told = stream.all().await;
    assert_eq!(stream.retry, "2000");
    let revisions: Vec<u64> = told.iter().map(revision).collect();
    assert!(revisions.is_sorted() && revisions[0] >= 1, "{revisions:?}");
    for event in &told {
        let status = event.data["status"].as_str().unwrap();
        assert_eq!(event.name, format!("video.{status}"));
        assert_eq!(event.data["object"], "video");
        assert_eq!(event.data["id"], task.id.replace("task_", "video_"));
    }
    let ends = told.iter().filter(|event| event.name == "video.completed");
    assert_eq!(ends.count(), 1);
    let end = told.last().unwrap();
    assert_eq!(
        (end.name.as_str(), &end.data["progress"]),
        ("video.completed", &100.into())
    );
    let path = format!("/v1/videos/{}", task.id);
    let mut shown = http::get(app.address, &path).await.json();
    shown["revision"] = end.data["revision"].clone();
    assert_eq!(shown, end.data, "it is the video object");
}

#[tokio::test]
async fn a_stream_resumed_at_any_revision_is_told_what_came_after_and_at_the_last_204() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    for after in 0..done.revision {
        let told = events(&app, &done.id, &after.to_string()).await.all().await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].name, "audio.completed");
        assert_eq!(revision(&told[0]), done.revision);
    }
    let path = format!("/v1/videos/{}/events", done.id);
    let last = done.revision.to_string();
    let over = open(app.address, &path, &[("last-event-id", &last)]).await;
    let over = over.err().unwrap();
    assert_eq!((over.status.as_u16(), over.body.len()), (204, 0));
    let over = open(app.address, &format!("{path}?after_revision={last}"), &[]).await;
    assert_eq!(over.err().unwrap().status, 204);
    // What a client says when it comes back counts before its address.
    let path = format!("{path}?after_revision=0");
    let over = open(app.address, &path, &[("last-event-id", &last)]).await;
    assert_eq!(over.err().unwrap().status, 204);
}

#[tokio::test]
async fn a_live_stream_is_resumed_without_a_gap_and_without_a_repeat() {
    let app = TestApp::start().await;
    let task = app.create(sound("a bell [sandbox:seconds=1]")).await;
    let running = |task: &mediagen::pb::v1::Task| task.status() == TaskStatus::InProgress;
    app.until(&task.id, running).await;
    let first = events(&app, &task.id, "").await.next().await.unwrap();
    let mut rest = events(&app, &task.id, &first.id).await;
    let told = rest.all().await;
    assert_eq!(told.last().unwrap().name, "audio.completed");
    let mut last = (revision(&first), first.data["progress"].as_u64());
    for event in &told {
        let now = (revision(event), event.data["progress"].as_u64());
        assert!(now > last, "{now:?} after {last:?}");
        last = now;
    }
}

#[tokio::test]
async fn a_task_that_fails_ends_its_stream_with_why() {
    let app = TestApp::start().await;
    let task = app
        .create(video("x [sandbox:fail=SAFETY.INPUT.TEXT]"))
        .await;
    let told = events(&app, &task.id, "").await.all().await;
    let end = told.last().unwrap();
    assert_eq!(end.name, "video.failed");
    assert!(end.data["error"]["code"].is_string(), "{end:?}");
}

#[tokio::test]
async fn what_is_no_revision_or_not_yet_one_is_400_and_what_is_no_task_404() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    let path = format!("/v1/videos/{}/events", done.id);
    let beyond = (done.revision + 1).to_string();
    for (last, code) in [
        ("x", "invalid_value"),
        ("-1", "invalid_value"),
        ("1.5", "invalid_value"),
        ("18446744073709551616", "invalid_value"),
        (&beyond, "revision_in_future"),
        ("18446744073709551615", "revision_in_future"),
    ] {
        let asked = open(app.address, &path, &[("last-event-id", last)]).await;
        let refused = asked.err().unwrap();
        let (status, kind, found, param) = refused.problem();
        assert_eq!(
            (status, &*found, &*param),
            (400, code, "Last-Event-ID"),
            "{last}"
        );
        assert_eq!(kind, "invalid_request_error");
        if code == "revision_in_future" {
            let message = refused.json()["error"]["message"].to_string();
            assert!(message.contains(&done.revision.to_string()), "{message}");
        }
        let asked = format!("{path}?after_revision={last}");
        let refused = open(app.address, &asked, &[]).await.err().unwrap();
        assert_eq!(
            (refused.problem().0, &*refused.problem().3),
            (400, "after_revision")
        );
    }
    for id in ["video_0", "video_0192f3a4b5c67d8e9fa0b1c2d3e4f506", "%ff"] {
        let path = format!("/v1/videos/{id}/events");
        let refused = open(app.address, &path, &[]).await.err().unwrap();
        assert_eq!(refused.problem().0, 404, "{id}: {refused:?}");
    }
}

#[tokio::test]
async fn a_silent_stream_lives_by_comments_and_ends_at_its_age_to_be_resumed() {
    let app = TestApp::tuned(|config| {
        config.watch.heartbeat = Duration::from_millis(50);
        config.watch.max_age = Duration::from_millis(400);
    })
    .await;
    let task = app.create(sound("a bell [sandbox:seconds=600]")).await;
    let running = |task: &mediagen::pb::v1::Task| task.status() == TaskStatus::InProgress;
    let revision = app.until(&task.id, running).await.revision;
    let mut stream = events(&app, &task.id, "").await;
    let told = stream.all().await;
    let last = &told.last().unwrap().id;
    assert_eq!(*last, revision.to_string());
    let beats = stream.comments.iter();
    let beats = beats.filter(|comment| **comment == format!("heartbeat {revision}"));
    assert!(beats.count() >= 3, "{:?}", stream.comments);
    assert!(stream.comments.last().unwrap().contains("age"));
    let again = events(&app, &task.id, last).await.all().await;
    let same = |event: &Event| event.id == *last;
    assert!(again.iter().all(same), "{again:?}");
}

#[tokio::test]
async fn streams_are_bounded() {
    let app = TestApp::tuned(|config| config.watch.max_streams = 2).await;
    let task = app.create(sound("a bell [sandbox:seconds=600]")).await;
    let path = format!("/v1/videos/{}/events", task.id);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = open(app.address, &path, &[]).await.unwrap();
        stream.next().await.unwrap();
        held.push(stream);
    }
    let refused = open(app.address, &path, &[]).await.err().unwrap();
    let (status, kind, code, _) = refused.problem();
    assert_eq!(
        (status, &*kind, &*code),
        (429, "rate_limit_error", "stream_limit_reached")
    );
    assert_ne!(refused.header("retry-after"), "");
    drop(held);
    eventually("a place is free again", || async {
        let opened = open(app.address, &path, &[]).await;
        opened.map(drop).map_err(|refused| refused.status)
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_with_its_key_and_another_key_sees_none_of_it() {
    let (upstream, data) = (Upstream::start(quick()).await, TempDir::new().unwrap());
    let file = data.path().join("keys.yaml");
    let mine = made(&file, "--id mine --tenant a").await;
    let other = made(&file, "--id other --tenant b").await;
    let operator = made(&file, "--id operator --scopes operate").await;
    let mut server = Server::spawn(&upstream, data.path(), free_address(), &[]);
    let address = server.listening().await;
    let id = {
        use tonic::metadata::MetadataValue;
        let mut request = tonic::Request::new(sound("a bell [sandbox:seconds=600]"));
        let bearer: MetadataValue<_> = format!("Bearer {mine}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let answer = connect(address).create(request).await.unwrap();
        answer.into_inner().task.unwrap().id
    };
    let path = format!("/v1/videos/{id}/events");
    for (headers, status) in [
        (vec![], 401),
        (vec![("x-api-key", "sk-wrong")], 401),
        (vec![("x-api-key", other.as_str())], 404),
    ] {
        let refused = open(address, &path, &headers).await.err().unwrap();
        assert_eq!(refused.problem().0, status, "{headers:?}");
    }
    let mut stream = open(address, &path, &[("x-api-key", &mine)]).await.unwrap();
    stream.next().await.unwrap();
    let open_now = async || {
        let asked = http::client().get(format!("http://{address}/metrics"));
        let text = asked.bearer_auth(&operator).send().await.unwrap().text();
        text.await.unwrap()
    };
    let watches = "mediagen_streams_open{kind=\"watch\"} ";
    assert!(
        open_now().await.contains(&format!("{watches}1")),
        "it is counted"
    );
    assert!(keys(&file, "revoke mine").await.status.success());
    within("the end", stream.all()).await;
    assert!(
        open_now().await.contains(&format!("{watches}0")),
        "and no longer"
    );
    let why = stream.comments.last().unwrap();
    assert!(why.contains("revoked"), "{why}");
    let refused = open(address, &path, &[("x-api-key", &mine)]).await;
    assert_eq!(refused.err().unwrap().problem().2, "api_key_revoked");
}

#[tokio::test]
async fn head_tells_the_same_and_holds_no_stream() {
    let app = TestApp::tuned(|config| config.watch.max_streams = 1).await;
    let task = create(&app.client, sound("a bell [sandbox:seconds=600]")).await;
    let path = format!("/videos/{}/events", task.unwrap().id);
    for _ in 0..3 {
        let asked = http::client().head(format!("http://{}{path}", app.address));
        let answer = http::Answer::of(asked.send().await.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        assert_eq!(answer.header("content-type"), "text/event-stream");
    }
}
