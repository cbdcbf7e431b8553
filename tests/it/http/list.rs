//! Lists are walked by cursor in either order.

use serde_json::{Value, json};

use crate::harness::http;
use crate::harness::{TestApp, video};

async fn page(app: &TestApp, query: &str) -> Value {
    let answer = http::get(app.address, &format!("/v1/videos?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn ids(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().unwrap().iter();
    data.map(|video| video["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_walk_meets_every_task_once_in_either_order() {
    let app = TestApp::start().await;
    let mut made = Vec::new();
    for n in 0..7 {
        let task = app.create(video(&format!("lake {n}"))).await;
        made.push(task.id.replace("task_", "video_"));
    }
    for order in ["asc", "desc"] {
        let (mut walked, mut query) = (Vec::new(), format!("limit=3&order={order}"));
        loop {
            let page = page(&app, &query).await;
            assert_eq!(page["object"], "list");
            let found = ids(&page);
            assert_eq!(page["first_id"].as_str(), found.first().map(String::as_str));
            assert_eq!(page["last_id"].as_str(), found.last().map(String::as_str));
            walked.extend(found);
            if page["has_more"] == json!(false) {
                break;
            }
            let last = page["last_id"].as_str().unwrap();
            query = format!("limit=3&order={order}&after={last}");
        }
        let mut expected = made.clone();
        if order == "desc" {
            expected.reverse();
        }
        assert_eq!(walked, expected, "{order}");
    }
}

#[tokio::test]
async fn a_walk_goes_on_after_a_deleted_task_and_ends_empty() {
    let app = TestApp::start().await;
    let first = app.run(video("one")).await;
    let second = app.run(video("two")).await;
    let path = format!("/v1/videos/{}", second.id);
    let url = format!("http://{}{path}", app.address);
    let gone = http::client().delete(url).send().await.unwrap();
    assert_eq!(gone.status(), 200);
    let rest = page(&app, &format!("after={}", second.id)).await;
    assert_eq!(ids(&rest), [first.id.replace("task_", "video_")]);
    let end = page(&app, &format!("after={}", first.id)).await;
    let expected = json!({"object": "list", "data": [], "first_id": null, "last_id": null,
                          "has_more": false});
    assert_eq!(end, expected);
}
