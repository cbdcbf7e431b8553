//! The published retry configurations of gRPC clients, which no server reads: what they name is in
//! the contract, and they repeat only what is safe to repeat.

use std::collections::BTreeSet;

use mediagen::pb::FILE_DESCRIPTOR_SET;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use serde_json::{Value as Json, json};

const WITHOUT_CREATE: &str = include_str!("../../config/grpc_service_config.json");
const WITH_CREATE: &str = include_str!("../../config/grpc_service_config_with_create.json");
/// What changes nothing, so that a repeat is free.
const READS: [&str; 4] = ["EstimateCost", "List", "ListModels", "Status"];

#[test]
fn clients_repeat_reads_and_create_only_where_they_always_set_a_request_id() {
    let reads = READS.map(|method| format!("mediagen.v1.MediaGeneration/{method}"));
    let mut expected = BTreeSet::from(reads);
    assert_eq!(methods(WITHOUT_CREATE), expected);
    expected.insert("mediagen.v1.MediaGeneration/Create".to_owned());
    assert_eq!(methods(WITH_CREATE), expected);
}

#[test]
fn every_method_that_clients_repeat_is_in_the_contract() {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut offered = BTreeSet::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let (package, service) = (file.package(), service.name());
                offered.insert(format!("{package}.{service}/{}", method.name()));
            }
        }
    }
    for config in [WITHOUT_CREATE, WITH_CREATE] {
        let named = methods(config);
        assert!(named.is_subset(&offered), "{named:?}");
    }
}

#[test]
fn clients_repeat_after_unavailable_alone_within_the_bounds_that_grpc_sets() {
    for config in [WITHOUT_CREATE, WITH_CREATE] {
        let config: Json = serde_json::from_str(config).unwrap();
        for entry in config["methodConfig"].as_array().unwrap() {
            let policy = &entry["retryPolicy"];
            assert_eq!(policy["retryableStatusCodes"], json!(["UNAVAILABLE"]));
            // gRPC takes more than 5 as 5, and refuses less than 2.
            let attempts = policy["maxAttempts"].as_u64().unwrap();
            assert!((2..=5).contains(&attempts), "{attempts}");
            assert!(seconds(&policy["initialBackoff"]) <= seconds(&policy["maxBackoff"]));
            assert!(policy["backoffMultiplier"].as_f64().unwrap() > 1.0);
        }
        let throttling = &config["retryThrottling"];
        assert!(throttling["maxTokens"].as_f64().unwrap() > 0.0);
        assert!(throttling["tokenRatio"].as_f64().unwrap() > 0.0);
    }
}

/// The methods that a configuration names, as `service/method`; a whole service is not taken.
fn methods(config: &str) -> BTreeSet<String> {
    let config: Json = serde_json::from_str(config).unwrap();
    let entries = config["methodConfig"].as_array().unwrap();
    let names = entries.iter().flat_map(|entry| {
        let names = entry["name"].as_array().unwrap();
        names.iter().map(|name| {
            let [service, method] = ["service", "method"].map(|part| name[part].as_str().unwrap());
            format!("{service}/{method}")
        })
    });
    names.collect()
}

/// A duration as proto3's JSON has it, above zero.
fn seconds(duration: &Json) -> f64 {
    let text = duration.as_str().unwrap();
    let seconds: f64 = text.strip_suffix('s').unwrap().parse().unwrap();
    assert!(seconds > 0.0, "{text}");
    seconds
}
