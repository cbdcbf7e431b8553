//! The video object, whole, in whatever state its task is.

use mediagen::pb::v1::TaskStatus;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::harness::http::{self, client};

const MEMBERS: [&str; 14] = [
    "completed_at",
    "created_at",
    "error",
    "expires_at",
    "id",
    "model",
    "object",
    "progress",
    "prompt",
    "remixed_from_video_id",
    "seconds",
    "size",
    "status",
    "usage",
];
const USAGE: [&str; 5] = [
    "cost_is_estimate",
    "cost_usd",
    "duration_seconds",
    "provider_reported_cost_usd",
    "video_resolution",
];

/// Every member is there, and of its kind.
fn whole(video: &Value) {
    let names = |value: &Value| {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(video), MEMBERS, "{video}");
    assert_eq!(names(&video["usage"]), USAGE, "{video}");
    let progress = video["progress"].as_u64().unwrap();
    let is_done = video["status"] == "completed";
    assert_eq!(progress == 100, is_done, "{video}");
    let has_ended = is_done || video["status"] == "failed";
    assert_eq!(video["completed_at"].is_i64(), has_ended, "{video}");
    assert_eq!(video["expires_at"].is_i64(), is_done, "{video}");
    assert_eq!(
        video["error"].is_object(),
        video["status"] == "failed",
        "{video}"
    );
    assert!(video["created_at"].is_i64() && video["remixed_from_video_id"].is_null());
    assert!(video["usage"]["cost_usd"].is_f64() && video["usage"]["cost_is_estimate"].is_boolean());
}

#[tokio::test]
async fn a_task_in_every_state_is_a_whole_video_object() {
    let app = TestApp::start().await;
    let (queued, failed) = ("queued", "failed");
    for (marker, wanted, status, code) in [
        ("throttled=600", TaskStatus::Throttled, queued, None),
        ("seconds=600", TaskStatus::InProgress, "in_progress", None),
        (
            "accept-then-reset",
            TaskStatus::SubmissionUnknown,
            queued,
            None,
        ),
        ("seconds=0.2", TaskStatus::Completed, "completed", None),
        (
            "fail=SAFETY.INPUT.TEXT",
            TaskStatus::Failed,
            failed,
            Some("moderated_input"),
        ),
        (
            "seconds=599",
            TaskStatus::Cancelled,
            failed,
            Some("cancelled"),
        ),
    ] {
        let prompt = format!("a lake [sandbox:{marker}]");
        let body = json!({"model": "runwayml/gen4.5", "prompt": prompt, "seconds": "5",
                          "size": "1280:720"});
        let made = http::post(app.address, "/v1/videos", &body).await;
        assert_eq!(
            (made.status.as_u16(), &made.json()["status"]),
            (200, &json!(queued))
        );
        whole(&made.json());
        let id = made.header("x-litellm-call-id").to_owned();
        let path = format!("/v1/videos/{id}");
        if wanted == TaskStatus::Cancelled {
            let url = format!("http://{}{path}", app.address);
            let ended = client().delete(url).send().await.unwrap();
            assert_eq!(ended.status(), 200);
        }
        app.until(&id, |task| task.status() == wanted).await;
        let answer = http::get(app.address, &path).await;
        let shown = answer.json();
        whole(&shown);
        assert_eq!(
            (answer.status.as_u16(), &shown["status"]),
            (200, &json!(status)),
            "{shown}"
        );
        assert_eq!(shown["error"]["code"].as_str(), code, "{shown}");
        let same = ["id", "object", "model", "size", "prompt", "created_at"];
        for name in same {
            assert_eq!(shown[name], made.json()[name], "{name}");
        }
        assert_eq!(
            (&shown["model"], &shown["size"]),
            (&body["model"], &json!("1280x720"))
        );
        assert_eq!(shown["usage"]["video_resolution"], "720p");
        assert!(shown["seconds"].is_string(), "{shown}");
        let has_ended = shown["completed_at"].is_i64();
        assert_eq!(answer.header("openai-poll-after-ms").is_empty(), has_ended);
    }
}

#[tokio::test]
async fn a_list_has_every_kind_of_task_whole() {
    let app = TestApp::start().await;
    let body = json!({"model": "gen4_image", "prompt": "a lake"});
    let image = http::post(app.address, "/v1/images/generations", &body).await;
    let image = app.status(image.header("x-litellm-call-id")).await;
    let sound = app.run(crate::harness::sound("rain")).await;
    let list = http::get(app.address, "/v1/videos").await.json();
    for (video, (kind, task)) in list["data"]
        .as_array()
        .unwrap()
        .iter()
        .zip([("audio", &sound), ("image", &image)])
    {
        whole(video);
        assert_eq!(video["object"], kind);
        assert_eq!(video["id"], task.id.replace("task", kind));
        assert_eq!(video["usage"]["video_resolution"], Value::Null);
        let path = format!("/v1/videos/{}", video["id"].as_str().unwrap());
        let one = http::get(app.address, &path).await.json();
        assert_eq!(one, *video);
    }
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
}
