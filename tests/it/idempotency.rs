//! One `request_id`, one task, one charge.

use futures_util::future::join_all;
use tonic::Code;

use crate::harness::client::fresh;
use crate::harness::{TestApp, create, refused, sound};

#[tokio::test]
async fn racing_creates_with_one_request_id_make_one_task() {
    let app = TestApp::start().await;
    for round in 0..3 {
        let request = sound(&format!("a bell, round {round}."));
        let clients: Vec<_> = (0..4).map(|_| app.another_client()).collect();
        let racing = (0..64).map(|n| create(&clients[n % clients.len()], request.clone()));
        let made = join_all(racing).await;
        let first = made[0].as_ref().unwrap().id.clone();
        for task in made {
            assert_eq!(task.unwrap().id, first);
        }
        app.finish(&first).await;
        assert_eq!(create(&app.client, request).await.unwrap().id, first);
        assert_eq!(app.upstream.charged(&format!("round {round}.")).len(), 1);
    }
}

#[tokio::test]
async fn a_request_id_used_for_another_request_is_refused() {
    let app = TestApp::start().await;
    let request = sound("a bell");
    let made = app.create(request.clone()).await;
    let mut others = vec![request.clone(); 4];
    others[0].prompt.push('!');
    others[1].seconds = Some(2);
    others[2].labels = [("a".to_owned(), "b".to_owned())].into();
    others[3].timeout = Some(prost_types::Duration {
        seconds: 60,
        nanos: 0,
    });
    for other in others {
        let refusal = app.refusal(other).await;
        assert!(
            refusal.is(Code::AlreadyExists, "REQUEST_ID_REUSED"),
            "{refusal:?}"
        );
        assert_eq!(refusal.metadata["taskId"], made.id);
    }
    app.finish(&made.id).await;
    assert_eq!(app.upstream.sandbox.ledger().len(), 1);
}

#[tokio::test]
async fn racing_creates_of_different_requests_with_one_id_make_one_task() {
    let app = TestApp::start().await;
    let id = fresh("contested");
    let racing = (0..16).map(|n| {
        let mut request = sound(&format!("bell {n}"));
        request.request_id.clone_from(&id);
        create(&app.client, request)
    });
    let (made, not): (Vec<_>, Vec<_>) = join_all(racing).await.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    let made = made.into_iter().next().unwrap().unwrap();
    for refusal in not.into_iter().map(refused) {
        assert!(
            refusal.is(Code::AlreadyExists, "REQUEST_ID_REUSED"),
            "{refusal:?}"
        );
        assert_eq!(refusal.metadata["taskId"], made.id);
    }
    app.finish(&made.id).await;
    assert_eq!(app.upstream.sandbox.ledger().len(), 1);
}

#[tokio::test]
async fn a_create_without_a_request_id_gets_one_of_its_own_each_time() {
    let app = TestApp::start().await;
    let mut request = sound("a bell");
    request.request_id.clear();
    let (one, other) = (app.create(request.clone()).await, app.create(request).await);
    assert_ne!(one.id, other.id);
    assert!(!one.request_id.is_empty() && one.request_id != other.request_id);
    app.finish(&one.id).await;
    app.finish(&other.id).await;
    assert_eq!(app.upstream.sandbox.ledger().len(), 2);
}
