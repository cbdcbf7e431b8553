//! The same walk against the sandbox, whose contract and whose prices are written apart from all of
//! this.

use std::time::Duration;

use serde_json::Value as Json;

use super::super::translate::{body, endpoint};
use super::drafts::pairs;
use super::embedded;
use crate::domain::generation::{Generation, Limits};
use crate::domain::money::Millicredits;
use crate::domain::pricing;
use crate::sandbox::{Config, DEFAULT_API_KEY, Sandbox};
use crate::shutdown::Shutdown;

#[tokio::test]
async fn the_least_and_the_most_of_every_model_become_tasks_that_cost_at_most_the_estimate() {
    let life = Shutdown::new();
    let forever = Config::default().with_task_duration(Duration::from_hours(1));
    let sandbox = Sandbox::start(forever, &life).await.unwrap();
    let (catalog, http) = (embedded(), reqwest::Client::new());
    let (mut refused, mut equal) = (Vec::new(), 0);
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
            let (taken, said) = (answer.status() == 200, answer.json::<Json>().await.unwrap());
            let price = said["estimatedCost"]["credits"].as_u64();
            let price = price.map(Millicredits::from_credits);
            let spec = catalog.spec(&pair.model, pair.operation).unwrap();
            let estimate = pricing::estimate(&generation, spec);
            if !taken || estimate.is_some_and(|most| Some(most) < price) {
                refused.push(format!(
                    "{name} of {} {}, estimated at {estimate:?}: {said}",
                    pair.operation, pair.model
                ));
            }
            equal += u32::from(estimate == price);
        }
    }
    life.stop();
    assert!(refused.is_empty(), "{refused:#?}");
    assert_eq!(sandbox.ledger().len(), 2 * 98);
    assert!(equal > 50, "{equal} of two readings of the prices agree");
}
