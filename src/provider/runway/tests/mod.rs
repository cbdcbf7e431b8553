//! The adapter against a scripted server: what every kind of answer is taken for.
//!
//! Here is the bench; the facts stand in the files beside.

mod creates;
mod questions;
mod uploads;

use std::sync::{Arc, Mutex};

use super::*;
use crate::domain::model::Offer;
use crate::domain::money::Millicredits;
use crate::domain::task::{RejectionKind, UpstreamStatus};
use crate::provider::http::scripted::{Act, Server, http, json, kind};

fn runway(base: &str, change: impl FnOnce(&mut Settings)) -> Runway {
    let offer = Offer::default();
    let catalog = Arc::new(Catalog::new(
        "runwayml",
        std::collections::BTreeMap::new(),
        offer,
    ));
    let key = format!("key_{}", "ab".repeat(64));
    let mut settings = Settings::new("main", base, SecretString::from(key));
    change(&mut settings);
    Runway::new(settings, catalog).unwrap()
}

fn prepared() -> Prepared {
    let body = Bytes::from_static(b"{\"model\":\"gen4.5\",\"promptText\":\"a lake\"}");
    Prepared {
        endpoint: "/v1/text_to_video".to_owned(),
        content_type: "application/json".to_owned(),
        body,
    }
}

trait Account {
    fn runway(&self) -> Runway;
}

impl Account for Server {
    fn runway(&self) -> Runway {
        runway(&self.base(), |_| {})
    }
}

/// One server and one account for many answers: an account is costly to set up.
struct Bench {
    act: Arc<Mutex<Act>>,
    server: Server,
    runway: Runway,
}

impl Bench {
    async fn new() -> Self {
        let act = Arc::new(Mutex::new(Act::Say(Vec::new())));
        let next = act.clone();
        let server = Server::new(move |_| next.lock().unwrap().clone()).await;
        let runway = server.runway();
        Self {
            act,
            server,
            runway,
        }
    }

    async fn outcome(&self, act: Act) -> SubmitOutcome {
        *self.act.lock().unwrap() = act;
        self.server.forget();
        let outcome = self.runway.submit(prepared()).await;
        assert_eq!(self.server.requests().len(), 1, "a create is sent once");
        outcome
    }

    async fn kind(&self, answer: Vec<u8>) -> &'static str {
        kind(&self.outcome(Act::Say(answer)).await)
    }
}

async fn outcome(answer: Vec<u8>) -> SubmitOutcome {
    Bench::new().await.outcome(Act::Say(answer)).await
}

#[test]
fn unusable_settings_are_refused_without_showing_the_key() {
    let catalog = || {
        Arc::new(Catalog::new(
            "runwayml",
            std::collections::BTreeMap::new(),
            Offer::default(),
        ))
    };
    for (base, key) in [
        ("http://example.com", "key_1"),
        ("https://example.com", "sec\nret"),
        ("", "key_1"),
    ] {
        let error =
            Runway::new(Settings::new("a", base, SecretString::from(key)), catalog()).unwrap_err();
        assert!(!error.to_string().contains("ret"), "{error}");
    }
}
