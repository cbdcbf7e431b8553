//! What has a route and what has none.

use crate::harness::{TestApp, http, video};

#[tokio::test]
async fn a_task_of_the_other_face_is_a_video_here_with_and_without_the_prefix() {
    let app = TestApp::start().await;
    let task = app.run(video("a lake")).await;
    let digits = task.id.strip_prefix("task_").unwrap();
    for path in [
        format!("/v1/videos/video_{digits}"),
        format!("/videos/{}", task.id),
    ] {
        let shown = http::get(app.address, &path).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        assert_eq!(shown.header("x-litellm-call-id"), task.id);
        let body = shown.json();
        assert_eq!(body["id"], format!("video_{digits}"));
        assert_eq!(body["object"], "video");
        assert_eq!(body["status"], "completed");
        assert_eq!(body["progress"], 100);
    }
}

#[tokio::test]
async fn what_has_no_route_and_what_has_no_task_is_told_in_one_shape() {
    let app = TestApp::start().await;
    for (path, code) in [
        ("/v1/nothing", "unknown_url"),
        ("/", "unknown_url"),
        ("/v1/videos/video_0", "not_found"),
        ("/v1/videos/..%2f..%2fetc", "not_found"),
        (
            "/v1/videos/video_0192f3a4b5c67d8e9fa0b1c2d3e4f506",
            "not_found",
        ),
    ] {
        let refused = http::get(app.address, path).await;
        let expected = (404, "invalid_request_error", code, "");
        let (status, kind, found, param) = refused.problem();
        assert_eq!((status, &*kind, &*found, &*param), expected, "{path}");
    }
}
