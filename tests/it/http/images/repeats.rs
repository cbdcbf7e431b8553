//! What OpenAI's libraries repeat by themselves, without a key, is paid for once.

use mediagen::config::callers::digest;
use mediagen::config::{Config, Key};
use mediagen::domain::caller::{AllowedModels, KeyId, KeyLimits, Scope};
use mediagen::domain::generation::Part;
use mediagen::domain::id::{RequestId, TenantId};
use mediagen::domain::webhook::KeyWebhook;
use mediagen::pb::v1::TaskStatus;
use serde_json::json;

use super::waits::sent;
use super::{ask, data, image, tasks, until_made};
use crate::harness::http::{Answer, client};
use crate::harness::{TestApp, Upstream, eventually, video};

const FIRST: [(&str, &str); 1] = [("x-stainless-retry-count", "0")];
const REPEAT: [(&str, &str); 1] = [("x-stainless-retry-count", "1")];

#[tokio::test]
async fn a_repeat_of_a_lost_answer_gets_the_same_task_also_after_a_restart() {
    let mut app = TestApp::start().await;
    let body = image("a lake [sandbox:seconds=1]");
    let stream = sent(
        app.address,
        &body.to_string(),
        "x-stainless-retry-count: 0\r\n",
    )
    .await;
    let id = until_made(&app, 1).await[0].id.clone();
    drop(stream);
    let repeat = ask(app.address, &body, &REPEAT).await;
    assert_eq!(data(&repeat).len(), 1);
    assert_eq!(repeat.header("x-litellm-call-id"), id);
    app.restart(&[]).await;
    let repeat = ask(app.address, &body, &REPEAT).await;
    assert_eq!(repeat.header("x-litellm-call-id"), id);
    assert_eq!(tasks(&app).await.len(), 1);
    assert_eq!(app.upstream.charged("a lake").len(), 1);
}

#[tokio::test]
async fn what_is_no_repeat_of_it_makes_a_task_of_its_own() {
    let app = TestApp::start().await;
    let first = ask(app.address, &image("a lake"), &FIRST).await;
    let first = first.header("x-litellm-call-id");
    let mut other = image("a lake");
    other["seed"] = json!(7);
    for (body, headers) in [
        (&image("a lake"), &FIRST[..]),
        (&image("a lake"), &[]),
        (&image("another lake"), &REPEAT),
        (&other, &REPEAT),
        (
            &image("a lake"),
            &[("x-stainless-retry-count", "no number")],
        ),
    ] {
        let answer = ask(app.address, body, headers).await;
        assert_eq!(data(&answer).len(), 1);
        assert_ne!(
            answer.header("x-litellm-call-id"),
            first,
            "{body} {headers:?}"
        );
    }
    // One under a key is nobody's else.
    let keyed = ask(app.address, &image("a pond"), &[("idempotency-key", "k")]).await;
    let repeat = ask(app.address, &image("a pond"), &REPEAT).await;
    assert_ne!(
        keyed.header("x-litellm-call-id"),
        repeat.header("x-litellm-call-id")
    );
}

#[tokio::test]
async fn a_repeat_for_several_images_gets_all_of_them_again() {
    let app = TestApp::start().await;
    let mut body = image("lakes");
    body["n"] = json!(3);
    let first = ask(app.address, &body, &FIRST).await;
    let repeat = ask(app.address, &body, &REPEAT).await;
    assert_eq!(data(&repeat).len(), 3);
    assert_eq!(
        first.header("x-litellm-call-id"),
        repeat.header("x-litellm-call-id")
    );
    assert_eq!(app.upstream.charged("lakes").len(), 3);
    // The answer is the same but for the ends of its addresses.
    assert_eq!(first.json()["created"], repeat.json()["created"]);
    // One with the bytes, of which the end was lost, is no other.
    let mut bytes = image("ponds");
    bytes["response_format"] = json!("b64_json");
    let first = ask(app.address, &bytes, &FIRST).await;
    let repeat = ask(app.address, &bytes, &REPEAT).await;
    assert_eq!(
        first.header("x-litellm-call-id"),
        repeat.header("x-litellm-call-id")
    );
    assert_eq!(app.upstream.charged("ponds").len(), 1);
}

/// One key, which may have one unfinished task.
fn narrow(config: &mut Config) {
    config.callers.keys = vec![Key {
        id: KeyId::new("narrow"),
        sha256: digest("sk-narrow-of-the-tests"),
        tenant: TenantId::named("t"),
        models: AllowedModels::All,
        scopes: Scope::ALL.to_vec(),
        expires: None,
        revoked: None,
        webhook: KeyWebhook::default(),
        limits: KeyLimits {
            tasks_in_flight: Some(1),
            ..KeyLimits::default()
        },
    }];
}

#[tokio::test]
async fn a_repeat_of_what_was_refused_is_not_given_the_task_of_an_equal_call() {
    let app = TestApp::tuned_on(Upstream::quick().await, narrow).await;
    let key = ("x-api-key", "sk-narrow-of-the-tests");
    let (body, headers) = (image("a lake [sandbox:seconds=1]"), [key, FIRST[0]]);
    let second = async {
        loop {
            let refused = ask(app.address, &body, &headers).await;
            if refused.status == 429 {
                assert_eq!(refused.header("x-should-retry"), "true");
                return;
            }
        }
    };
    // Which of the two comes first does not matter: one of them is refused and repeated.
    let (first, ()) = tokio::join!(ask(app.address, &body, &headers), second);
    let done = app.upstream.charged("a lake").len();
    let repeat = ask(app.address, &body, &[key, REPEAT[0]]).await;
    assert_eq!(repeat.status, 200, "{repeat:?}");
    assert_ne!(
        first.header("x-litellm-call-id"),
        repeat.header("x-litellm-call-id")
    );
    assert_eq!(app.upstream.charged("a lake").len(), done + 1);
}

#[tokio::test]
async fn where_not_all_fit_none_is_made() {
    let app = TestApp::tuned_on(Upstream::quick().await, narrow).await;
    let mut body = image("lakes");
    body["n"] = json!(3);
    let key = [("x-api-key", "sk-narrow-of-the-tests")];
    let refused = ask(app.address, &body, &key).await;
    assert_eq!(
        (refused.problem().0, &*refused.problem().2),
        (429, "task_limit_reached")
    );
    assert_eq!(refused.header("x-litellm-call-id"), "");
    assert!(app.upstream.charged("lakes").is_empty());
    body["n"] = json!(1);
    assert_eq!(data(&ask(app.address, &body, &key).await).len(), 1);
}

#[tokio::test]
async fn what_cannot_all_be_made_names_what_was() {
    let app = TestApp::start().await;
    let key = RequestId::parse("k").unwrap();
    let second = Part::all(2).nth(1).unwrap().request_id(&key);
    let mut taken = video("taken");
    taken.request_id = second.as_str().to_owned();
    app.run(taken).await;
    let mut body = image("lakes [sandbox:seconds=1]");
    body["n"] = json!(2);
    let refused = ask(app.address, &body, &[("idempotency-key", "k")]).await;
    assert_eq!(
        (refused.problem().0, &*refused.problem().2),
        (409, "idempotency_key_reused")
    );
    assert_eq!(refused.header("x-should-retry"), "false");
    let made = tasks(&app)
        .await
        .into_iter()
        .find(|task| task.request_id == "k")
        .unwrap();
    assert_eq!(refused.header("x-litellm-call-id"), made.id);
    let message = refused.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains(made.id.strip_prefix("task_").unwrap()),
        "{message}"
    );
    // It was ended where no provider had it yet, and goes on otherwise.
    let charged = app.finish(&made.id).await.status() == TaskStatus::Completed;
    assert_eq!(app.upstream.charged("lakes").len(), usize::from(charged));
}

#[tokio::test]
async fn a_refused_call_for_several_images_is_given_no_image_of_an_equal_call() {
    let two = |config: &mut Config| {
        narrow(config);
        config.callers.keys[0].limits.tasks_in_flight = Some(2);
    };
    let app = TestApp::tuned_on(Upstream::quick().await, two).await;
    let key = ("x-api-key", "sk-narrow-of-the-tests");
    let mut body = image("lakes [sandbox:seconds=1]");
    body["n"] = json!(2);
    let headers = [key, FIRST[0]];
    let second = async {
        until_made_by(&app, key, 2).await;
        assert_eq!(ask(app.address, &body, &headers).await.status, 429);
    };
    let (first, ()) = tokio::join!(ask(app.address, &body, &headers), second);
    assert_eq!(data(&first).len(), 2);
    let repeat = ask(app.address, &body, &[key, REPEAT[0]]).await;
    assert_eq!(data(&repeat).len(), 2, "{repeat:?}");
    assert_eq!(app.upstream.charged("lakes").len(), 4);
}

/// Waits until a key's tenant has so many tasks.
async fn until_made_by(app: &TestApp, (name, key): (&str, &str), count: usize) {
    let url = format!("http://{}/v1/videos", app.address);
    eventually("the tasks are made", || async {
        let list = client().get(&url).header(name, key).send().await.unwrap();
        let made = Answer::of(list).await.json()["data"]
            .as_array()
            .unwrap()
            .len();
        if made == count { Ok(()) } else { Err(made) }
    })
    .await;
}
