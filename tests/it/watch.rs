//! Watches: never a gap, never a step back, the end exactly once, whoever watches.

use futures_util::future::join_all;
use mediagen::pb::v1::{TaskStatus, WatchTaskRequest, watch_task_response::Event};
use tonic::Code;

use crate::harness::client::watch;
use crate::harness::{TestApp, eventually, quick, refused, sound, within};

#[tokio::test]
async fn a_revision_that_does_not_exist_yet_is_refused() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    let refusal = refused(watch(&app.client, &done.id, done.revision + 1).await.end);
    assert!(
        refusal.is(Code::InvalidArgument, "WATCH_REVISION_IN_FUTURE"),
        "{refusal:?}"
    );
    assert!(refusal.names("after_revision"), "{refusal:?}");
}

#[tokio::test]
async fn a_watch_can_be_resumed_at_every_revision() {
    let app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    for after in 0..done.revision {
        let watched = watch(&app.client, &done.id, after).await;
        watched.end.unwrap();
        assert_eq!(watched.tasks, std::slice::from_ref(&done), "after {after}");
    }
    let nothing_new = watch(&app.client, &done.id, done.revision).await;
    nothing_new.end.unwrap();
    assert_eq!(
        (nothing_new.tasks.len(), nothing_new.heartbeats.len()),
        (0, 0)
    );
}

#[tokio::test]
async fn a_watch_of_a_live_task_from_any_revision_sees_only_what_is_newer() {
    let app = TestApp::start().await;
    let made = app.create(sound("a bell [sandbox:seconds=1]")).await;
    let running = app
        .until(&made.id, |task| task.status() == TaskStatus::InProgress)
        .await;
    for after in 0..=running.revision {
        let client = app.another_client();
        let watched = watch(&client, &made.id, after).await;
        watched.end.unwrap();
        let last = watched.tasks.last().map_or(after, |task| task.revision);
        assert!(
            watched
                .tasks
                .iter()
                .all(|task| task.revision > after || task.progress > 0.0)
        );
        assert_eq!(last, app.status(&made.id).await.revision);
    }
}

#[tokio::test]
async fn two_hundred_watchers_all_see_the_end_and_cost_the_provider_nothing() {
    let app = TestApp::start().await;
    let made = app.create(sound("a bell [sandbox:seconds=1.5]")).await;
    let clients: Vec<_> = (0..4).map(|_| app.another_client()).collect();
    let watching = (0..200).map(|n| watch(&clients[n % clients.len()], &made.id, 0));
    let all = within("all watches", join_all(watching)).await;
    for watched in all {
        watched.end.unwrap();
        let last = watched.tasks.last().unwrap();
        assert_eq!(last.status(), TaskStatus::Completed);
        let revisions: Vec<u64> = watched.tasks.iter().map(|task| task.revision).collect();
        assert!(revisions.is_sorted(), "{revisions:?}");
        let ends = watched
            .tasks
            .iter()
            .filter(|task| task.status() == TaskStatus::Completed);
        assert_eq!(ends.count(), 1);
    }
    let entry = &app.upstream.sandbox.ledger()[0];
    assert!((2..=45).contains(&entry.polls), "{entry:?}");
    let gap = entry.min_poll_gap_ms.unwrap();
    assert!(gap >= 40, "{gap} ms between two reads, and the floor is 40");
}

#[tokio::test]
async fn a_silent_watch_says_that_it_lives() {
    let app = TestApp::with(quick(), &[("watch.heartbeat", "1s")]).await;
    let made = app.create(sound("a long bell [sandbox:seconds=600]")).await;
    app.until(&made.id, |task| task.status() == TaskStatus::InProgress)
        .await;
    let mut client = app.client.clone();
    let request = WatchTaskRequest {
        task_id: made.id,
        after_revision: 0,
    };
    let mut stream = client.watch_task(request).await.unwrap().into_inner();
    let (mut revision, mut beats) = (0, 0);
    while beats < 2 {
        match within("a word", stream.message())
            .await
            .unwrap()
            .unwrap()
            .event
            .unwrap()
        {
            Event::Task(task) => revision = task.revision,
            Event::Heartbeat(beat) => {
                assert_eq!(beat.revision, revision);
                beats += 1;
            }
        }
    }
}

#[tokio::test]
async fn a_watcher_that_goes_away_is_forgotten() {
    let app = TestApp::with(quick(), &[("watch.max_streams", "8")]).await;
    let made = app.create(sound("a long bell [sandbox:seconds=600]")).await;
    let open = async || {
        let request = WatchTaskRequest {
            task_id: made.id.clone(),
            after_revision: 0,
        };
        app.client.clone().watch_task(request).await
    };
    for _ in 0..3 {
        let mut held = Vec::new();
        while held.len() < 8 {
            // Those let go a moment ago may still count.
            held.push(eventually("room for a watch", async || open().await).await);
        }
        let refusal = refused(open().await.map(|_| ()));
        assert!(
            refusal.is(Code::ResourceExhausted, "STREAM_LIMIT_REACHED"),
            "{refusal:?}"
        );
    }
}
