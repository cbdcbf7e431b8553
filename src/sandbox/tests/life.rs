//! The life of a task, throttling, removal, the ledger.

use std::time::Duration;

use serde_json::json;

use super::{Site, film, read, signed, text};
use crate::sandbox::Config;

#[tokio::test]
async fn a_task_succeeds_with_an_output_and_its_cost() {
    let site = Site::quick().await;
    let id = site.film("a quiet lake").await;
    let task = site.task(&id).await;
    assert_eq!(task["status"], "SUCCEEDED");
    assert_eq!(task["cost"]["credits"], 144);
    assert_eq!(task["output"].as_array().map(Vec::len), Some(1));
    let created = text(&task["createdAt"]);
    assert!(created.len() == 24 && created.ends_with('Z'), "{created}");
}

#[tokio::test]
async fn a_task_is_pending_and_then_running_with_progress() {
    let hour = Duration::from_hours(1);
    let pending = Site::with(Config {
        task_pending: hour,
        ..Config::default()
    })
    .await;
    let id = pending.film("a quiet lake").await;
    let task = pending.task(&id).await;
    assert_eq!(
        (&task["status"], &task["progress"]),
        (&json!("PENDING"), &json!(null))
    );
    assert_eq!(task["estimatedCost"]["credits"], 144);
    let running = Site::slow().await;
    let id = running.film("a quiet lake").await;
    let task = running.task(&id).await;
    assert_eq!(
        (&task["status"], &task["progress"]),
        (&json!("RUNNING"), &json!(0.0))
    );
    assert_eq!(task["output"], json!(null));
}

#[tokio::test]
async fn a_task_over_the_limit_is_throttled_until_a_cancel_frees_the_slot() {
    let config = Config {
        task_pending: Duration::ZERO,
        ..Config::default()
    };
    let hour = Duration::from_hours(1);
    let config = Config {
        concurrency_per_model: Some(1),
        task_running: hour,
        ..config
    };
    let site = Site::with(config).await;
    let (first, second) = (site.film("one").await, site.film("two").await);
    let third = site.film("three").await;
    assert_eq!(site.task(&first).await["status"], "RUNNING");
    assert_eq!(site.task(&second).await["status"], "THROTTLED");
    let credits = site.sandbox.credits();
    assert_eq!(site.delete(&format!("/v1/tasks/{first}")).await, 204);
    assert_eq!(site.task(&second).await["status"], "RUNNING");
    assert_eq!(site.task(&third).await["status"], "THROTTLED");
    assert_eq!(
        site.sandbox.credits(),
        credits,
        "a running task is not refunded"
    );
    assert_eq!(site.delete(&format!("/v1/tasks/{third}")).await, 204);
    assert_eq!(site.sandbox.credits(), credits + 144, "a waiting task is");
}

#[tokio::test]
async fn a_cancelled_task_is_gone_and_a_second_delete_finds_nothing() {
    let site = Site::slow().await;
    let path = format!("/v1/tasks/{}", site.film("a quiet lake").await);
    assert_eq!(site.delete(&path).await, 204);
    let answer = site.get(&path).await;
    assert_eq!(answer.status(), 404);
    assert_eq!(read(answer).await, json!({"error": "Could not find Task"}));
    assert_eq!(site.delete(&path).await, 404);
    let counts = site.sandbox.counts();
    assert_eq!(
        (counts.cancelled, counts.deleted, counts.deletes_unknown),
        (1, 0, 1)
    );
    assert_eq!(site.sandbox.ledger()[0].status, "CANCELLED");
}

#[tokio::test]
async fn deleting_a_finished_task_deletes_its_output() {
    let site = Site::quick().await;
    let id = site.film("a quiet lake").await;
    let url = site.output(&id).await;
    assert_eq!(site.delete(&format!("/v1/tasks/{id}")).await, 204);
    assert_eq!(
        site.client
            .get(url)
            .send()
            .await
            .expect("an answer")
            .status(),
        404
    );
    assert_eq!(site.sandbox.counts().deleted, 1);
    assert_eq!(site.sandbox.ledger()[0].status, "DELETED");
}

#[tokio::test]
async fn the_ledger_is_in_its_file_when_the_create_is_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger.jsonl");
    let site = Site::with(Config {
        ledger_path: Some(path.clone()),
        ..Config::default()
    })
    .await;
    let ids = [site.film("one").await, site.film("two").await];
    let lines = std::fs::read_to_string(path).expect("the file");
    let written: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect();
    let found: Vec<_> = written.iter().map(|entry| text(&entry["id"])).collect();
    assert_eq!(found, ids);
    assert_eq!(written[1]["promptText"], "two");
}

#[tokio::test]
async fn the_oldest_records_go_when_the_book_is_full() {
    let config = Config {
        max_tasks: 2,
        ..Config::default()
    };
    let site = Site::with(config).await;
    let first = site.film("one").await;
    site.film("two").await;
    site.film("three").await;
    assert_eq!(site.get(&format!("/v1/tasks/{first}")).await.status(), 404);
    let prompts: Vec<_> = site
        .sandbox
        .ledger()
        .into_iter()
        .map(|e| e.prompt_text)
        .collect();
    assert_eq!(prompts, ["two", "three"]);
}

#[tokio::test]
async fn reads_are_counted_per_task_with_the_shortest_gap() {
    let site = Site::slow().await;
    let id = site.film("a quiet lake").await;
    for _ in 0..3 {
        site.task(&id).await;
    }
    let seen = read(site.get("/_sandbox/requests").await).await;
    assert_eq!(seen["tasks"][&id]["polls"], 3);
    assert_eq!(seen["counts"]["polls"], 3);
    let gap = seen["counts"]["minPollGapMs"]
        .as_i64()
        .expect("two reads have a gap");
    assert!((0..60_000).contains(&gap));
    let ledger = read(site.get("/_sandbox/ledger").await).await;
    assert_eq!(ledger[0]["id"], json!(id));
    assert_eq!(ledger[0]["endpoint"], "/v1/text_to_video");
}

#[tokio::test]
async fn a_hanging_request_ends_when_the_sandbox_stops() {
    let site = Site::quick().await;
    let body = film("a lake [sandbox:accept-then-hang]");
    let request = signed(site.client.post(site.url("/v1/text_to_video")).json(&body));
    let stop = async {
        while site.sandbox.ledger().is_empty() {
            tokio::task::yield_now().await;
        }
        site.life.stop();
        site.life.finished().await;
    };
    let (answer, ()) = tokio::join!(request.send(), stop);
    assert!(answer.is_err());
    assert!(
        site.client
            .get(site.url("/v1/organization"))
            .send()
            .await
            .is_err()
    );
}
