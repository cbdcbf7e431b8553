//! Every error of the service under its status, type, code and field, and whether it may be repeated.

use axum::response::IntoResponse as _;
use serde_json::Value;

use super::*;
use crate::domain::caller::Budget;
use crate::domain::generation::{InvalidField, InvalidReason};
use crate::service::{Denied, Limited, QueueOf};

/// (status, type, code, param, whether clients may repeat it, `Retry-After`).
type Seen = (u16, String, String, String, String, String);

async fn seen(problem: Problem) -> Seen {
    let answer = problem.into_response();
    let header = |name: &str| {
        let value = answer.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap()).to_owned()
    };
    let (status, repeat) = (answer.status().as_u16(), header("x-should-retry"));
    let wait = header("retry-after");
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await;
    let body: Value = serde_json::from_slice(&body.unwrap()).unwrap();
    let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
    assert!(!text("message").is_empty());
    (
        status,
        text("type"),
        text("code"),
        text("param"),
        repeat,
        wait,
    )
}

async fn is(problem: Problem, status: u16, rest: [&str; 5]) {
    let (found, kind, code, param, repeat, wait) = seen(problem).await;
    assert_eq!(
        (found, [&*kind, &*code, &*param, &*repeat, &*wait]),
        (status, rest)
    );
}

fn id() -> TaskId {
    TaskId::new(1_790_000_000_000, [1; 10])
}

fn down() -> StoreError {
    StoreError::Unavailable("disk".to_owned())
}

fn limited(denied: Denied) -> CreateError {
    CreateError::Denied(Limited {
        denied,
        subject: "key:k".to_owned(),
        retry_after: Duration::from_secs(10),
    })
}

const BAD: &str = "invalid_request_error";

#[tokio::test]
async fn a_create_is_refused_as_the_contract_says() {
    let create = |error| create(error, &Words::default());
    let full = |of| limited(Denied::QueueFull { of, most: 5 });
    let rate = "rate_limit_error";
    for (error, status, rest) in [
        (
            CreateError::RequestIdReused(id()),
            409,
            [
                "idempotency_error",
                "idempotency_key_reused",
                "Idempotency-Key",
                "false",
                "",
            ],
        ),
        (
            CreateError::ModelForbidden("m".to_owned()),
            403,
            ["permission_error", "model_forbidden", "model", "false", ""],
        ),
        (
            CreateError::PriceUnknown {
                deployments: vec![],
            },
            400,
            [BAD, "price_unknown", "model", "false", ""],
        ),
        (
            CreateError::Moderated {
                retry_after: Duration::from_secs(7),
            },
            429,
            [rate, "moderation_limit_reached", "", "true", "7"],
        ),
        (
            full(QueueOf::Server),
            429,
            [rate, "task_limit_reached", "", "true", "10"],
        ),
        (
            full(QueueOf::Tenant),
            429,
            [rate, "task_limit_reached", "", "true", "10"],
        ),
        (
            full(QueueOf::Model),
            429,
            [rate, "task_limit_reached", "", "true", "10"],
        ),
        (
            limited(Denied::KeyTasks { most: 1 }),
            429,
            [rate, "task_limit_reached", "", "true", "10"],
        ),
        (
            CreateError::NoUpstreamAccount,
            503,
            ["server_error", "no_upstream_account", "", "true", "5"],
        ),
        (
            CreateError::StorageFull,
            503,
            ["server_error", "storage_full", "", "true", "60"],
        ),
        (
            CreateError::Draining {
                is_mistakable: false,
            },
            503,
            ["server_error", "server_draining", "", "true", "2"],
        ),
        // Its repeat would be given the task of an equal call.
        (
            CreateError::Draining {
                is_mistakable: true,
            },
            503,
            ["server_error", "server_draining", "", "false", "2"],
        ),
        // Whether a task was made is not known: a library must not make another by itself.
        (
            CreateError::Store(down()),
            503,
            ["server_error", "storage_unavailable", "", "false", "2"],
        ),
        (
            CreateError::Archive(ArchiveError::Missing),
            503,
            ["server_error", "archive_unavailable", "", "true", "2"],
        ),
    ] {
        let told = error.to_string();
        is(create(error), status, rest).await;
        assert!(!told.is_empty());
    }
}

#[tokio::test]
async fn a_spent_budget_is_no_matter_of_pace() {
    let spent = crate::domain::spending::Exceeded {
        period: crate::domain::spending::Period::Day,
        limit: crate::domain::money::Millicredits(1500),
        spent: crate::domain::money::Millicredits(1000),
        renewed: crate::domain::time::Timestamp(0),
    };
    assert!(!Budget::default().is_bounded());
    let problem = create(limited(Denied::Budget(spent)), &Words::default());
    is(
        problem,
        429,
        ["insufficient_quota", "budget_exceeded", "", "false", "10"],
    )
    .await;
}

#[tokio::test]
async fn fields_are_refused_under_the_first_ones_name() {
    let field = |field: &str, reason| InvalidField {
        field: field.to_owned(),
        reason,
        problem: "is bad".to_owned(),
    };
    for (reason, status, code) in [
        (InvalidReason::FieldInvalid, 400, "invalid_value"),
        (InvalidReason::OptionUnsupported, 400, "option_unsupported"),
        (InvalidReason::InputUrlForbidden, 400, "input_url_forbidden"),
        (
            InvalidReason::InputTypeUnsupported,
            400,
            "input_type_unsupported",
        ),
        (InvalidReason::InputTooLarge, 413, "input_too_large"),
    ] {
        let first = field("input_references[0].url", reason);
        let second = field("count", InvalidReason::FieldInvalid);
        let error = CreateError::Invalid(vec![first, second]);
        let problem = create(error, &Words::default());
        is(problem, status, [BAD, code, "input_reference", "false", ""]).await;
    }
    // What else is bad was then judged by what may have been meant.
    let fields = vec![
        field("seconds", InvalidReason::FieldInvalid),
        field("model", InvalidReason::ModelUnknown),
    ];
    let problem = create(CreateError::Invalid(fields), &Words::default());
    is(problem, 400, [BAD, "model_not_found", "model", "false", ""]).await;
}

#[tokio::test]
async fn everything_else_is_refused_as_the_contract_says() {
    let upload = |error| upload("input_reference", error);
    let busy = ["rate_limit_error", "stream_limit_reached", "", "true", "5"];
    is(
        lookup(id(), LookupError::NotFound),
        404,
        [BAD, "not_found", "", "false", ""],
    )
    .await;
    is(
        lookup(id(), LookupError::Deleted),
        404,
        [BAD, "deleted", "", "false", ""],
    )
    .await;
    let corrupt = StoreError::Corrupt {
        table: "t",
        row: "r".to_owned(),
        column: "c",
    };
    let bug = ["server_error", "internal_bug", "", "false", ""];
    is(store("Status", &corrupt), 500, bug).await;
    is(
        delete(id(), DeleteError::NotTerminal),
        409,
        [BAD, "task_not_terminal", "", "false", ""],
    )
    .await;
    is(
        walk(WalkError::After),
        400,
        [BAD, "invalid_value", "after", "false", ""],
    )
    .await;
    is(watch(id(), WatchError::TooMany { limit: 1 }), 429, busy).await;
    let ahead = WatchError::RevisionInFuture { current: 3 };
    is(
        watch(id(), ahead),
        400,
        [BAD, "invalid_value", "Last-Event-ID", "false", ""],
    )
    .await;
    is(upload(UploadError::TooMany { limit: 1 }), 429, busy).await;
    let late = UploadError::TooSlow(Duration::from_secs(1));
    is(
        upload(late),
        408,
        [BAD, "upload_timeout", "input_reference", "false", ""],
    )
    .await;
}
