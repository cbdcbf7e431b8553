//! The same walk against the sandbox, whose contract is written apart from all of this.

use std::time::Duration;

use serde_json::Value as Json;

use super::super::translate::{body, endpoint};
use super::drafts::pairs;
use super::embedded;
use crate::domain::generation::{Generation, Limits};
use crate::sandbox::{Config, DEFAULT_API_KEY, Sandbox};
use crate::shutdown::Shutdown;

#[tokio::test]
async fn the_least_and_the_most_of_every_model_become_tasks_of_the_sandbox() {
    let life = Shutdown::new();
    let forever = Config::default().with_task_duration(Duration::from_hours(1));
    let sandbox = Sandbox::start(forever, &life).await.unwrap();
    let (catalog, http) = (embedded(), reqwest::Client::new());
    let mut refused = Vec::new();
    for pair in pairs() {
        for (name, draft) in [("least", pair.minimal()), ("most", pair.maximal())] {
            let generation = Generation::new(&draft, &catalog, &Limits::default()).unwrap();
            let uris: Vec<String> = (0..generation.inputs.len())
                .map(|index| format!("https://example.com/{index}"))
                .collect();
            let url = format!("{}{}", sandbox.base_url(), endpoint(pair.operation));
            let answer = http
                .post(url)
                .bearer_auth(DEFAULT_API_KEY)
                .header("x-runway-version", "2024-11-06")
                .json(&body(&generation, &uris, &catalog));
            let answer = answer.send().await.unwrap();
            if answer.status() != 200 {
                let said: Json = answer.json().await.unwrap();
                refused.push(format!(
                    "{name} of {} {}: {said}",
                    pair.operation, pair.model
                ));
            }
        }
    }
    life.stop();
    assert!(refused.is_empty(), "{refused:#?}");
    assert_eq!(sandbox.ledger().len(), 2 * 98);
}
