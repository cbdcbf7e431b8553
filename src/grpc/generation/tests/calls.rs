//! The unary calls.

use super::*;

fn named(task_id: &str) -> v1::StatusRequest {
    v1::StatusRequest {
        task_id: task_id.to_owned(),
    }
}

async fn cancel(server: &Server, task_id: &str) -> (v1::TaskStatus, v1::CancelOutcome) {
    let request = v1::CancelRequest {
        task_id: task_id.to_owned(),
    };
    let answer = server.client().cancel(request).await.unwrap().into_inner();
    let outcome = answer.outcome();
    (answer.task.unwrap().status(), outcome)
}

async fn delete(server: &Server, task_id: &str) -> Result<(), Status> {
    let request = v1::DeleteRequest {
        task_id: task_id.to_owned(),
    };
    server.client().delete(request).await.map(|_| ())
}

async fn list(server: &Server, request: v1::ListRequest) -> Result<v1::ListResponse, Status> {
    server
        .client()
        .list(request)
        .await
        .map(Response::into_inner)
}

#[tokio::test]
async fn a_task_lives_from_create_to_delete() {
    let server = Server::start().await;
    let made = server.task().await;
    assert_eq!((made.status(), made.revision), (v1::TaskStatus::Queued, 1));
    assert_eq!((made.model.as_str(), made.seconds), ("gen4.5", Some(5)));
    assert_eq!(
        (made.size.as_str(), made.operation()),
        ("1280x720", v1::Operation::TextToVideo)
    );
    let read = server.client().status(named(&made.id)).await.unwrap();
    assert_eq!(read.into_inner().task, Some(made.clone()));
    let listed = list(&server, v1::ListRequest::default()).await.unwrap();
    assert_eq!(listed.tasks, std::slice::from_ref(&made));
    let seen = refused(delete(&server, &made.id).await);
    assert_eq!(
        seen,
        (Code::FailedPrecondition, "TASK_NOT_TERMINAL".to_owned())
    );
    let (status, outcome) = cancel(&server, &made.id).await;
    assert_eq!(status, v1::TaskStatus::Cancelled);
    assert_eq!(outcome, v1::CancelOutcome::CancelledBeforeSubmit);
    let (status, outcome) = cancel(&server, &made.id).await;
    assert_eq!(
        (status, outcome),
        (v1::TaskStatus::Cancelled, v1::CancelOutcome::TooLate)
    );
    delete(&server, &made.id).await.unwrap();
    let gone = (Code::NotFound, "TASK_DELETED".to_owned());
    assert_eq!(refused(server.client().status(named(&made.id)).await), gone);
    assert_eq!(refused(delete(&server, &made.id).await), gone);
    let listed = list(&server, v1::ListRequest::default()).await.unwrap();
    assert_eq!(listed.tasks, []);
}

#[tokio::test]
async fn a_cancel_at_the_provider_is_requested_and_stays_so() {
    let server = Server::start().await;
    let task = server.task().await;
    server.run(&task.id).await;
    for _ in 0..2 {
        let (status, outcome) = cancel(&server, &task.id).await;
        assert_eq!(status, v1::TaskStatus::InProgress);
        assert_eq!(outcome, v1::CancelOutcome::Requested);
    }
}

#[tokio::test]
async fn the_same_request_id_finds_its_task_and_takes_no_other_request() {
    let server = Server::start().await;
    let mut client = server.client();
    let request = v1::CreateRequest {
        request_id: "once".to_owned(),
        labels: [
            ("a".to_owned(), "1".to_owned()),
            ("b".to_owned(), "2".to_owned()),
        ]
        .into(),
        ..lake()
    };
    let first = client.create(request.clone()).await.unwrap().into_inner();
    let second = client.create(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, second);
    let other = v1::CreateRequest {
        prompt: "another".to_owned(),
        ..request.clone()
    };
    let error = client.create(other).await.unwrap_err();
    let info = error.get_details_error_info().unwrap();
    let id = first.task.unwrap().id;
    assert_eq!(
        (error.code(), info.reason.as_str()),
        (Code::AlreadyExists, "REQUEST_ID_REUSED")
    );
    assert_eq!(info.metadata["taskId"], id);
    cancel(&server, &id).await;
    delete(&server, &id).await.unwrap();
    // Only the record is left; a repeat finds it and pays for no other task.
    let again = client.create(request).await.unwrap().into_inner().task;
    let again = again.unwrap();
    assert_eq!((again.id, again.prompt.as_str()), (id, ""));
}

#[tokio::test]
async fn everything_wrong_with_a_create_is_told_at_once() {
    let server = Server::start().await;
    let request = v1::CreateRequest {
        request_id: "ä".to_owned(),
        operation: 99,
        seconds: Some(0),
        timeout: Some(prost_types::Duration {
            seconds: -1,
            nanos: 0,
        }),
        labels: [("x".repeat(65), String::new())].into(),
        ..lake()
    };
    let error = server.client().create(request).await.unwrap_err();
    let mut named = fields(&error);
    named.sort();
    let label = format!("labels[{}]", "x".repeat(64));
    assert_eq!(
        named,
        [
            label.as_str(),
            "operation",
            "request_id",
            "seconds",
            "timeout"
        ]
    );
    assert_eq!(refused::<()>(Err(error)).1, "FIELD_INVALID");
    let unknown = v1::CreateRequest {
        model: "gen4.6".to_owned(),
        ..lake()
    };
    let seen = refused(server.client().create(unknown).await);
    assert_eq!(seen, (Code::InvalidArgument, "MODEL_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn a_task_that_is_not_there_is_not_found_and_no_id_is_invalid() {
    let server = Server::start().await;
    let absent = TaskId::new(1, [0; 10]).to_string();
    let not_found = (Code::NotFound, "TASK_NOT_FOUND".to_owned());
    assert_eq!(
        refused(server.client().status(named(&absent)).await),
        not_found
    );
    assert_eq!(refused(delete(&server, &absent).await), not_found);
    let seen = refused(server.client().status(named("../etc")).await);
    assert_eq!(seen, (Code::InvalidArgument, "TASK_ID_INVALID".to_owned()));
}

#[tokio::test]
async fn a_list_goes_on_where_it_stopped_and_takes_no_foreign_token() {
    let server = Server::start().await;
    for team in ["a", "b", "a", "a"] {
        let labels = [("team".to_owned(), team.to_owned())].into();
        let request = v1::CreateRequest { labels, ..lake() };
        server.client().create(request).await.unwrap();
    }
    let labels = [("team".to_owned(), "a".to_owned())].into();
    let filters = v1::TaskFilters {
        labels,
        statuses: vec![v1::TaskStatus::Queued as i32],
        ..v1::TaskFilters::default()
    };
    let mut request = v1::ListRequest {
        page_size: 2,
        filters: Some(filters),
        ..v1::ListRequest::default()
    };
    let first = list(&server, request.clone()).await.unwrap();
    assert_eq!(first.tasks.len(), 2);
    request.page_token = first.next_page_token;
    let second = list(&server, request.clone()).await.unwrap();
    assert_eq!(
        (second.tasks.len(), second.next_page_token.as_str()),
        (1, "")
    );
    assert!(second.tasks[0].id < first.tasks[1].id);
    request.filters = None;
    let error = list(&server, request).await.unwrap_err();
    assert_eq!(fields(&error), ["page_token"]);
    assert_eq!(refused::<()>(Err(error)).1, "PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn a_page_stays_below_what_a_client_takes() {
    let server = Server::start().await;
    // A model that the catalogue lacks takes a prompt as long as ours may be.
    let request = v1::CreateRequest {
        model: "runwayml/unheard_of".to_owned(),
        prompt: "雪".repeat(32_000),
        operation: v1::Operation::TextToVideo as i32,
        ..v1::CreateRequest::default()
    };
    for _ in 0..45 {
        server.client().create(request.clone()).await.unwrap();
    }
    let page = list(&server, v1::ListRequest::default()).await.unwrap();
    assert!(page.tasks.len() < 45 && !page.next_page_token.is_empty());
    let rest = v1::ListRequest {
        page_token: page.next_page_token,
        ..v1::ListRequest::default()
    };
    let rest = list(&server, rest).await.unwrap();
    assert_eq!(page.tasks.len() + rest.tasks.len(), 45);
}

#[tokio::test]
async fn an_unknown_submission_is_settled_once_it_may_be() {
    let server = Server::start().await;
    let task = server.task().await;
    let resolve = async |resolution: v1::Resolution, provider_task_id: &str| {
        let request = v1::ResolveUnknownRequest {
            task_id: task.id.clone(),
            resolution: resolution as i32,
            provider_task_id: provider_task_id.to_owned(),
        };
        server.client().resolve_unknown(request).await
    };
    let seen = refused(resolve(v1::Resolution::Charged, "").await);
    assert_eq!(
        seen,
        (Code::FailedPrecondition, "TASK_NOT_UNKNOWN".to_owned())
    );
    let claimed = Happening::Claimed {
        deployment: "primary".to_owned(),
        account: "nobody".to_owned(),
        model: "gen4.5".to_owned(),
        estimated: None,
        changes: String::new(),
    };
    server.happen(&task.id, claimed).await;
    let ambiguous = Happening::Ambiguous {
        attempt: 1,
        evidence: "no answer".to_owned(),
        deadline: Timestamp::NEVER,
    };
    server.happen(&task.id, ambiguous).await;
    let error = resolve(v1::Resolution::NotCharged, "").await.unwrap_err();
    assert!(error.get_details_retry_info().is_some());
    let seen = refused::<()>(Err(error));
    assert_eq!(
        seen,
        (Code::FailedPrecondition, "QUARANTINE_ACTIVE".to_owned())
    );
    let error = resolve(v1::Resolution::Attach, "unheard-of")
        .await
        .unwrap_err();
    assert_eq!(fields(&error), ["provider_task_id"]);
    let settled = resolve(v1::Resolution::Charged, "").await.unwrap();
    let settled = settled.into_inner().task.unwrap();
    assert_eq!(settled.status(), v1::TaskStatus::Failed);
    assert_eq!(settled.error.unwrap().reason, "SUBMISSION_OUTCOME_UNKNOWN");
}

#[tokio::test]
async fn a_draining_server_creates_nothing_and_still_tells() {
    let server = Server::start().await;
    let task = server.task().await;
    // Asked without a connection: the listener sends new ones elsewhere.
    server.shutdown.drain();
    let seen = refused(server.face.create(Request::new(lake())).await);
    assert_eq!(seen, (Code::Unavailable, "SERVER_DRAINING".to_owned()));
    let read = server.face.status(Request::new(named(&task.id))).await;
    assert_eq!(read.unwrap().into_inner().task, Some(task));
}
