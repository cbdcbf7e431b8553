//! Creates that a client's library repeats by itself, without a key: nothing is paid for twice, and of
//! equal calls each has a task of its own.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mediagen::config::callers::digest;
use mediagen::config::{Config, Key};
use mediagen::domain::caller::{AllowedModels, KeyId, KeyLimits, Scope};
use mediagen::domain::id::TenantId;
use mediagen::domain::webhook::KeyWebhook;
use serde_json::{Value, json};

use crate::harness::http::{Answer, client};
use crate::harness::{TestApp, Upstream};

/// A create that says how often it was sent before; `None` says nothing.
pub(super) async fn send(app: &TestApp, key: &str, number: Option<u32>, body: &Value) -> Answer {
    let mut call = client()
        .post(format!("http://{}/v1/videos", app.address))
        .header("x-api-key", key)
        .json(body);
    if let Some(number) = number {
        call = call.header("x-stainless-retry-count", number.to_string());
    }
    Answer::of(call.send().await.unwrap()).await
}

/// The task of a create that was taken.
async fn made(app: &TestApp, key: &str, number: Option<u32>, body: &Value) -> String {
    let answer = send(app, key, number, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("x-litellm-call-id").to_owned()
}

fn film(prompt: &str) -> Value {
    json!({"model": "gen4.5", "prompt": prompt, "seconds": 5, "size": "1280x720"})
}

/// A film that takes its time.
fn long() -> Value {
    film("a lake [sandbox:seconds=60]")
}

pub(super) const ONE: &str = "sk-one-of-the-tests";
const TWO: &str = "sk-two-of-the-tests";

/// Two keys of one tenant: one with limits.
pub(super) fn keys(limits: KeyLimits) -> impl FnOnce(&mut Config) {
    move |config| {
        let key = |id: &str, secret: &str, limits| Key {
            id: KeyId::new(id),
            sha256: digest(secret),
            tenant: TenantId::named("t"),
            models: AllowedModels::All,
            scopes: Scope::ALL.to_vec(),
            expires: None,
            revoked: None,
            webhook: KeyWebhook::default(),
            limits,
        };
        let free = KeyLimits::default();
        config.callers.keys = vec![key("one", ONE, limits), key("two", TWO, free)];
    }
}

#[tokio::test]
async fn who_does_not_count_repeats_makes_a_task_with_each_call() {
    let app = TestApp::start().await;
    let calls = [None, Some(0), None, Some(0)];
    let mut ids = BTreeSet::new();
    for number in calls {
        ids.insert(made(&app, "any", number, &film("a lake")).await);
    }
    assert_eq!(ids.len(), calls.len());
}

#[tokio::test]
async fn equal_calls_whose_answers_were_all_lost_each_get_their_own_task() {
    let mut app = TestApp::start().await;
    let body = film("a lake");
    let mut first = BTreeSet::new();
    for _ in 0..3 {
        first.insert(made(&app, "any", Some(0), &body).await);
    }
    for number in 1..=2 {
        let repeats = [(); 3].map(|()| made(&app, "any", Some(number), &body));
        let repeats = futures_util::future::join_all(repeats).await;
        assert_eq!(BTreeSet::from_iter(repeats), first, "{number}");
    }
    // A fourth, whose first call never came this far.
    let fourth = made(&app, "any", Some(1), &body).await;
    assert!(!first.contains(&fourth));
    assert_eq!(made(&app, "any", Some(2), &body).await, fourth);
    app.restart(&[]).await;
    assert_eq!(made(&app, "any", Some(2), &body).await, fourth);
}

#[tokio::test]
async fn a_refusal_that_nobody_repeats_makes_no_repeat_a_first_call() {
    let limits = KeyLimits {
        tasks_in_flight: Some(1),
        ..KeyLimits::default()
    };
    let app = TestApp::tuned_on(Upstream::quick().await, keys(limits)).await;
    let id = made(&app, ONE, Some(0), &long()).await;
    // A client that does not repeat, and a library that has repeated as often as it does.
    for number in [None, Some(2)] {
        let other = film("another lake");
        assert_eq!(send(&app, ONE, number, &other).await.status, 429);
    }
    assert_eq!(send(&app, ONE, None, &long()).await.status, 429);
    assert_eq!(made(&app, ONE, Some(1), &long()).await, id);
    assert_eq!(made(&app, ONE, Some(2), &long()).await, id);
}

#[tokio::test]
async fn a_refusal_that_was_given_up_makes_no_later_repeat_a_first_call() {
    let limits = KeyLimits {
        tasks_in_flight: Some(1),
        ..KeyLimits::default()
    };
    let app = TestApp::tuned_on(Upstream::quick().await, keys(limits)).await;
    let other = made(&app, ONE, Some(0), &film("a sea [sandbox:seconds=60]")).await;
    let refused = send(&app, ONE, Some(0), &long()).await;
    assert_eq!(refused.status, 429);
    let due = Instant::now() + Duration::from_secs(refused.header("retry-after").parse().unwrap());
    // Its caller gave up, and calls anew when there is room; that answer is lost.
    let url = format!("http://{}/v1/videos/{other}", app.address);
    let end = client().delete(&url).header("x-api-key", ONE);
    assert_eq!(end.send().await.unwrap().status(), 200);
    let first = crate::harness::eventually("there is room", || async {
        let answer = send(&app, ONE, Some(0), &long()).await;
        if answer.status == 200 {
            Ok(answer.header("x-litellm-call-id").to_owned())
        } else {
            Err(answer.status)
        }
    });
    let first = first.await;
    let repeat = send(&app, ONE, Some(1), &long()).await;
    assert!(Instant::now() < due, "too slow to tell");
    assert_eq!(repeat.header("x-litellm-call-id"), first);
    assert_eq!(made(&app, ONE, Some(2), &long()).await, first);
}

#[tokio::test]
async fn who_comes_when_he_was_told_repeats_what_was_refused() {
    let limits = KeyLimits {
        tasks_in_flight: Some(1),
        ..KeyLimits::default()
    };
    let app = TestApp::tuned_on(Upstream::quick().await, keys(limits)).await;
    let quick = film("a pond [sandbox:seconds=1]");
    let other = made(&app, ONE, Some(0), &quick).await;
    let refused = send(&app, ONE, Some(0), &quick).await;
    assert_eq!(refused.status, 429);
    let wait = Duration::from_secs(refused.header("retry-after").parse().unwrap());
    let due = Instant::now() + wait;
    let equal = crate::harness::eventually("there is room", || async {
        let answer = send(&app, ONE, Some(0), &quick).await;
        if answer.status == 200 {
            Ok(answer.header("x-litellm-call-id").to_owned())
        } else {
            Err(answer.status)
        }
    });
    // Made after the refusal, and read by nobody.
    let equal = equal.await;
    tokio::time::sleep(due.saturating_duration_since(Instant::now())).await;
    let repeat = send(&app, ONE, Some(1), &quick).await;
    let given = repeat.header("x-litellm-call-id");
    assert_eq!(repeat.status, 200, "{repeat:?}");
    assert!(given != other && given != equal, "{given}");
}

#[tokio::test]
async fn what_its_caller_has_read_is_no_lost_answer() {
    let app = TestApp::start().await;
    let body = film("a lake");
    let get = |path: String| {
        let url = format!("http://{}/v1/videos{path}", app.address);
        async move { assert_eq!(client().get(url).send().await.unwrap().status(), 200) }
    };
    let read = made(&app, "any", Some(0), &body).await;
    get(format!("/{read}")).await;
    // Its first call never came.
    let second = made(&app, "any", Some(1), &body).await;
    assert_ne!(second, read);
    // Who may have the id from a list may have no answer.
    get(String::new()).await;
    get(format!("/{second}")).await;
    assert_eq!(made(&app, "any", Some(2), &body).await, second);
}

#[tokio::test]
async fn what_one_key_was_refused_is_no_news_of_another() {
    let limits = KeyLimits {
        tasks_in_flight: Some(1),
        ..KeyLimits::default()
    };
    let app = TestApp::tuned_on(Upstream::quick().await, keys(limits)).await;
    made(&app, ONE, Some(0), &long()).await;
    assert_eq!(send(&app, ONE, Some(0), &long()).await.status, 429);
    let id = made(&app, TWO, Some(0), &long()).await;
    assert_eq!(made(&app, TWO, Some(1), &long()).await, id);
}

#[tokio::test]
async fn a_repeat_that_comes_too_fast_is_still_a_repeat_afterwards() {
    let limits = KeyLimits {
        requests_per_minute: Some(12),
        ..KeyLimits::default()
    };
    let app = TestApp::tuned_on(Upstream::quick().await, keys(limits)).await;
    let id = made(&app, ONE, Some(0), &long()).await;
    // Its answer was lost, and the key is busy elsewhere.
    let list = || client().get(format!("http://{}/v1/videos", app.address));
    while list()
        .header("x-api-key", ONE)
        .send()
        .await
        .unwrap()
        .status()
        != 429
    {}
    assert_eq!(send(&app, ONE, Some(1), &long()).await.status, 429);
    // Another call of the key is refused too, unread.
    assert_eq!(send(&app, ONE, Some(0), &film("a sea")).await.status, 429);
    assert_eq!(send(&app, ONE, Some(1), &film("a sea")).await.status, 429);
    let again = crate::harness::eventually("the key may call again", || async {
        let answer = send(&app, ONE, Some(2), &long()).await;
        if answer.status == 200 {
            Ok(answer.header("x-litellm-call-id").to_owned())
        } else {
            Err(answer.status)
        }
    });
    assert_eq!(again.await, id);
}
