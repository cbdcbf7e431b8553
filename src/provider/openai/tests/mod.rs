//! The adapter against a scripted server: what every kind of answer is taken for.
//!
//! Here is the bench; the facts stand in the files beside.

mod bodies;
mod creates;
mod images;
mod questions;

use std::sync::Mutex;

use bytes::Bytes;

use super::*;
use crate::config::catalog;
use crate::domain::money::Millicredits;
use crate::provider::http::scripted::{Act, Server, http, json, kind};

fn account(base: &str, change: impl FnOnce(&mut Settings)) -> OpenAi {
    let catalog = Arc::new(catalog::embedded().unwrap());
    let mut settings = Settings::new("main", base, SecretString::from("sk-0123456789"));
    change(&mut settings);
    OpenAi::new(settings, catalog).unwrap()
}

fn prepared(endpoint: &str) -> Prepared {
    Prepared {
        endpoint: endpoint.to_owned(),
        content_type: "application/json".to_owned(),
        body: Bytes::from_static(b"{\"model\":\"sora-2\",\"prompt\":\"a lake\"}"),
    }
}

/// One server and one account for many answers: an account is costly to set up.
struct Bench {
    act: Arc<Mutex<Act>>,
    server: Server,
    account: OpenAi,
}

impl Bench {
    async fn new() -> Self {
        let act = Arc::new(Mutex::new(Act::Say(Vec::new())));
        let next = act.clone();
        let server = Server::new(move |_| next.lock().unwrap().clone()).await;
        let account = account(&server.base(), |_| {});
        Self {
            act,
            server,
            account,
        }
    }

    fn next(&self, act: Act) {
        *self.act.lock().unwrap() = act;
        self.server.forget();
    }

    async fn outcome(&self, endpoint: &str, act: Act) -> SubmitOutcome {
        self.next(act);
        let outcome = self.account.submit(prepared(endpoint)).await;
        assert_eq!(self.server.requests().len(), 1, "a create is sent once");
        outcome
    }

    async fn video(&self, answer: Vec<u8>) -> SubmitOutcome {
        self.outcome(translate::VIDEOS, Act::Say(answer)).await
    }

    async fn image(&self, answer: Vec<u8>) -> SubmitOutcome {
        self.outcome(translate::IMAGES, Act::Say(answer)).await
    }
}

#[test]
fn unusable_settings_are_refused_without_showing_the_key() {
    for (base, key) in [
        ("http://example.com", "sk-1"),
        ("https://example.com", "sec\nret"),
        ("", "sk-1"),
    ] {
        let settings = Settings::new("a", base, SecretString::from(key));
        let error = OpenAi::new(settings, Arc::default()).unwrap_err();
        assert!(!error.to_string().contains("ret"), "{error}");
    }
}
