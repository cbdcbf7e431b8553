//! The life of a task, from its creation to its tombstone.

use mediagen::pb::v1::{
    CancelOutcome, CancelRequest, Charge, DeleteRequest, ListRequest, TaskFilters, TaskStatus,
};
use tonic::Code;

use crate::harness::client::{assert_whole_history, content, status, watch};
use crate::harness::media::{png, sha256};
use crate::harness::{TestApp, create, eventually, picture, refused, sound, video, within};

#[tokio::test]
async fn a_task_is_created_watched_to_its_end_and_downloaded() {
    let app = TestApp::start().await;
    let request = video("a serene lake at dawn");
    let made = app.create(request.clone()).await;
    assert_eq!((made.revision, made.status()), (1, TaskStatus::Queued));
    assert_eq!(made.request_id, request.request_id);
    assert_eq!((made.seconds, &*made.size), (Some(2), "1280x720"));
    let watched = watch(&app.client, &made.id, 0).await;
    watched.end.unwrap();
    let seen: Vec<(u64, f32)> = watched
        .tasks
        .iter()
        .map(|t| (t.revision, t.progress))
        .collect();
    let rises = |pair: &[(u64, f32)]| {
        pair[0].0 < pair[1].0 || (pair[0].0 == pair[1].0 && pair[0].1 < pair[1].1)
    };
    assert!(seen.windows(2).all(rises), "{seen:?}");
    let done = watched.tasks.last().unwrap();
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let ended = watched
        .tasks
        .iter()
        .filter(|task| task.complete_time.is_some());
    assert_eq!(ended.count(), 1);
    assert_whole_history(done);
    assert_eq!(*done, app.status(&made.id).await);
    let (output, attempt) = (&done.outputs[0], &done.attempts[0]);
    assert_eq!(output.content_type, "video/mp4");
    assert_eq!((output.width, output.height), (Some(1280), Some(720)));
    assert_eq!(output.duration.as_ref().unwrap().seconds, 2);
    assert_eq!(done.cost.as_ref().unwrap().charge(), Charge::Charged);
    let bytes = content(&app.client, &made.id).await;
    assert_eq!(bytes, served(&app, &attempt.provider_task_id).await);
    assert_eq!(sha256(&bytes), output.sha256);
    assert_eq!(bytes.len() as u64, output.size_bytes);
    assert_eq!(app.upstream.sandbox.ledger().len(), 1);
}

/// The file as the provider serves it to a caller of its own.
async fn served(app: &TestApp, upstream_id: &str) -> Vec<u8> {
    let sandbox = &app.upstream.sandbox;
    let http = reqwest::Client::new();
    let task = http
        .get(format!("{}/v1/tasks/{upstream_id}", sandbox.base_url()))
        .bearer_auth(mediagen::sandbox::DEFAULT_API_KEY)
        .header("x-runway-version", "2024-11-06");
    let task: serde_json::Value = task.send().await.unwrap().json().await.unwrap();
    let url = task["output"][0].as_str().unwrap();
    http.get(url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap()
        .to_vec()
}

#[tokio::test]
async fn a_list_is_filtered_and_paged_newest_first() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for n in 0..7 {
        let mut request = sound(&format!("bell {n}"));
        request.labels = [("parity".to_owned(), (n % 2).to_string())].into();
        ids.push(app.create(request).await.id);
    }
    for id in &ids {
        app.finish(id).await;
    }
    ids.reverse();
    let list = async |page_size, page_token: &str, filters| {
        let request = ListRequest {
            page_size,
            page_token: page_token.into(),
            filters,
        };
        let mut client = app.client.clone();
        let page = within("a page", client.list(request))
            .await
            .unwrap()
            .into_inner();
        let ids: Vec<String> = page.tasks.into_iter().map(|task| task.id).collect();
        (ids, page.next_page_token)
    };
    let mut paged = Vec::new();
    let mut token = String::new();
    loop {
        let (page, next) = list(3, &token, None).await;
        assert!(page.len() <= 3);
        paged.extend(page);
        if next.is_empty() {
            break;
        }
        token = next;
    }
    assert_eq!(paged, ids);
    let odd = TaskFilters {
        labels: [("parity".to_owned(), "1".to_owned())].into(),
        statuses: vec![TaskStatus::Completed as i32],
        ..TaskFilters::default()
    };
    let (found, next) = list(0, "", Some(odd.clone())).await;
    assert_eq!(found, [&*ids[1], &*ids[3], &*ids[5]]);
    assert_eq!(next, "");
    let failed = TaskFilters {
        statuses: vec![TaskStatus::Failed as i32],
        ..odd.clone()
    };
    assert!(list(0, "", Some(failed)).await.0.is_empty());
    let other = TaskFilters {
        model: "gen4.5".into(),
        ..odd.clone()
    };
    assert!(list(0, "", Some(other)).await.0.is_empty());
    let before = app.status(&ids[3]).await.create_time;
    let older = TaskFilters {
        create_time_before: before,
        ..TaskFilters::default()
    };
    assert_eq!(list(0, "", Some(older)).await.0, ids[4..]);
    let (_, token) = list(1, "", None).await;
    let foreign = ListRequest {
        page_size: 1,
        page_token: token,
        filters: Some(odd),
    };
    let refusal = refused(app.client.clone().list(foreign).await);
    assert!(
        refusal.is(Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_deleted_task_leaves_a_tombstone_that_never_pays_again() {
    let app = TestApp::start().await;
    let mut request = picture("a lake", png(10_000));
    request.labels = [("team".to_owned(), "a".to_owned())].into();
    let task = app.create(request.clone()).await;
    let delete = async || {
        let mut client = app.client.clone();
        let asked = DeleteRequest {
            task_id: task.id.clone(),
        };
        within("the answer to Delete", client.delete(asked)).await
    };
    let refusal = refused(delete().await);
    assert!(
        refusal.is(Code::FailedPrecondition, "TASK_NOT_TERMINAL"),
        "{refusal:?}"
    );
    let done = app.finish(&task.id).await;
    delete().await.unwrap();
    let gone = refused(status(&app.client, &task.id).await);
    assert!(gone.is(Code::NotFound, "TASK_DELETED"), "{gone:?}");
    let again = refused(delete().await);
    assert!(again.is(Code::NotFound, "TASK_DELETED"), "{again:?}");
    let end = watch(&app.client, &task.id, 0).await.end;
    assert!(refused(end).is(Code::NotFound, "TASK_DELETED"));
    let tombstone = create(&app.client, request).await.unwrap();
    assert_eq!((&tombstone.id, &*tombstone.prompt), (&task.id, ""));
    assert_eq!(
        (tombstone.labels["team"].as_str(), tombstone.outputs.len()),
        ("a", 0)
    );
    assert_eq!(tombstone.cost, done.cost);
    eventually("the files are removed", || async {
        let files = app.files(&task.id);
        if files.is_empty() { Ok(()) } else { Err(files) }
    })
    .await;
    assert_eq!(app.upstream.sandbox.ledger().len(), 1);
}

#[tokio::test]
async fn an_inline_image_is_kept_until_the_end_and_no_longer() {
    let app = TestApp::start().await;
    let made = app
        .create(picture("a fish [sandbox:seconds=1]", png(100_000)))
        .await;
    assert!(
        app.files(&made.id).contains(&"input-0".to_owned()),
        "{:?}",
        app.files(&made.id)
    );
    let done = app.finish(&made.id).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let ledger = app.upstream.sandbox.ledger();
    assert_eq!(
        (ledger.len(), &*ledger[0].endpoint),
        (1, "/v1/image_to_video")
    );
    assert_eq!(app.upstream.sandbox.counts().uploads, 0);
    only_the_output_is_left(&app, &made.id).await;
}

#[tokio::test]
async fn an_image_too_large_for_a_data_uri_is_uploaded() {
    let app = TestApp::start().await;
    let image = png(4_500_000);
    assert!(image.len() > 4_000_000);
    let done = app.run(picture("a large fish", image)).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    assert_eq!(app.upstream.sandbox.counts().uploads, 1);
    only_the_output_is_left(&app, &done.id).await;
}

async fn only_the_output_is_left(app: &TestApp, id: &str) {
    eventually("the spool is empty", || async {
        let files = app.files(id);
        if files == ["0", "0.sums"] {
            Ok(())
        } else {
            Err(files)
        }
    })
    .await;
}

#[tokio::test]
async fn a_task_survives_a_restart_at_any_point_of_its_life() {
    let mut app = TestApp::start().await;
    let done = app.run(sound("a bell")).await;
    let running = app.create(sound("a long bell [sandbox:seconds=1]")).await;
    app.until(&running.id, |task| task.status() == TaskStatus::InProgress)
        .await;
    app.restart(&[]).await;
    assert_eq!(app.status(&done.id).await, done);
    let finished = app.finish(&running.id).await;
    assert_eq!(finished.status(), TaskStatus::Completed, "{finished:#?}");
    assert_whole_history(&finished);
    assert_eq!(app.upstream.sandbox.ledger().len(), 2);
    assert_eq!(
        content(&app.client, &done.id).await.len() as u64,
        done.outputs[0].size_bytes
    );
    let cancelled = app
        .client
        .clone()
        .cancel(CancelRequest { task_id: done.id })
        .await
        .unwrap();
    assert_eq!(cancelled.into_inner().outcome(), CancelOutcome::TooLate);
}
