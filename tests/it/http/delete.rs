//! DELETE ends what runs and removes what has ended.

use std::time::Duration;

use mediagen::sandbox;
use serde_json::{Value, json};

use crate::harness::http::{self, Answer};
use crate::harness::{TestApp, video};

async fn delete(app: &TestApp, id: &str) -> Answer {
    let url = format!("http://{}/v1/videos/{id}", app.address);
    Answer::of(http::client().delete(url).send().await.unwrap()).await
}

#[tokio::test]
async fn what_has_ended_is_removed_once() {
    let app = TestApp::start().await;
    let task = app.run(video("a lake")).await;
    let id = task.id.replace("task_", "video_");
    let gone = delete(&app, &id).await;
    let expected = json!({"id": id, "object": "video.deleted", "deleted": true});
    assert_eq!((gone.status.as_u16(), gone.json()), (200, expected));
    let again = delete(&app, &id).await;
    let (status, kind, code, _) = again.problem();
    assert_eq!(
        (status, &*kind, &*code),
        (404, "invalid_request_error", "deleted")
    );
    let read = http::get(app.address, &format!("/v1/videos/{id}")).await;
    assert_eq!(read.status, 404);
}

#[tokio::test]
async fn what_runs_is_ended_and_stays_to_be_read() {
    let slow = sandbox::Config::default().with_task_duration(Duration::from_mins(1));
    let app = TestApp::with(slow, &[]).await;
    let task = app.create(video("a lake")).await;
    let id = task.id.replace("task_", "video_");
    let ended = delete(&app, &id).await.json();
    assert_eq!(ended["object"], "video.deleted");
    assert_eq!(
        (&ended["deleted"], &ended["cancelled"]),
        (&json!(false), &json!(true))
    );
    let outcome = ended["outcome"].as_str().unwrap();
    let known = ["cancelled_before_submit", "requested", "cancelled_upstream"];
    assert!(known.contains(&outcome), "{ended}");
    app.finish(&task.id).await;
    let shown = http::get(app.address, &format!("/v1/videos/{id}"))
        .await
        .json();
    assert_eq!(shown["status"], "failed");
    assert_eq!(shown["error"]["code"], "cancelled");
    let gone = delete(&app, &id).await.json();
    assert_eq!(
        (&gone["deleted"], &gone["cancelled"]),
        (&json!(true), &Value::Null)
    );
}
