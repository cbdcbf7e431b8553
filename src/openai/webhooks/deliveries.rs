//! `GET /v1/videos/{id}/deliveries`: how the end of a task was told; `GET /v1/webhooks/secret`: what
//! that is verified with.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CACHE_CONTROL;
use serde::Serialize;

use super::event::kind;
use crate::domain::task::Task;
use crate::domain::time::Timestamp;
use crate::domain::webhook::{Delivery, DeliveryState, Secret, shown};
use crate::openai::gate::{Maker, Reader};
use crate::openai::object::Name;
use crate::openai::path::Named;
use crate::openai::{Face, Problem, answer, refusal};

/// The deliveries of one task.
#[derive(Serialize)]
struct Deliveries {
    object: &'static str,
    data: Vec<Told>,
}

/// One delivery.
#[derive(Serialize)]
struct Told {
    /// The event's id, which the receiver sees as `webhook-id`.
    id: String,
    object: &'static str,
    #[serde(rename = "type")]
    kind: String,
    /// Without query and userinfo.
    url: String,
    /// pending, delivered or `given_up`.
    status: &'static str,
    tries: u32,
    created_at: i64,
    next_try_at: Option<i64>,
    delivered_at: Option<i64>,
    given_up_at: Option<i64>,
    last_try_at: Option<i64>,
    last_status_code: Option<u16>,
    last_error: Option<String>,
}

/// What events are verified with.
#[derive(Serialize)]
struct Secrets {
    object: &'static str,
    /// The first of all.
    secret: Option<String>,
    /// Each of them signs.
    #[serde(rename = "secrets")]
    all: Vec<String>,
}

pub(super) async fn list(
    State(face): State<Face>,
    Reader(caller): Reader,
    Named(id): Named,
) -> Result<Response, Problem> {
    let refused = |error| refusal::lookup(id, error);
    let found = face.service.status(&caller.tenant, id).await;
    let task = found.map_err(refused)?;
    let told = face.service.deliveries(&caller.tenant, id).await;
    let told = told.map_err(refused)?;
    let body = Deliveries {
        object: "list",
        data: told.into_iter().map(|one| Told::of(&task, one)).collect(),
    };
    Ok(answer::about(&task, face.service.usd_rate(), &body))
}

/// Only for who may make tasks: what verifies can sign as well.
pub(super) async fn secret(State(face): State<Face>, Maker(caller): Maker) -> Response {
    let secrets = face.service.webhook_secrets(caller.key.as_ref());
    let secrets: Vec<String> = secrets.iter().map(Secret::reveal).collect();
    let body = Secrets {
        object: "webhook.secret",
        secret: secrets.first().cloned(),
        all: secrets,
    };
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

impl Told {
    fn of(task: &Task, delivery: Delivery) -> Self {
        let at = |state: DeliveryState| match state {
            DeliveryState::Pending { due } => [Some(due), None, None],
            DeliveryState::Delivered { at } => [None, Some(at), None],
            DeliveryState::GivenUp { at } => [None, None, Some(at)],
        };
        let [next, delivered, given_up] = at(delivery.state).map(|time| time.map(seconds));
        let last = delivery.last;
        let error = last.as_ref().map(|last| last.error.clone());
        Self {
            id: delivery.event.to_string(),
            object: "webhook.delivery",
            kind: kind(Name::of(task).media.as_str(), delivery.ending),
            url: shown(&delivery.url),
            status: delivery.state.as_str(),
            tries: delivery.tries,
            created_at: seconds(delivery.created),
            next_try_at: next,
            delivered_at: delivered,
            given_up_at: given_up,
            last_try_at: last.as_ref().map(|last| seconds(last.at)),
            last_status_code: last.as_ref().and_then(|last| last.status),
            last_error: error.filter(|error| !error.is_empty()),
        }
    }
}

const fn seconds(time: Timestamp) -> i64 {
    time.0.div_euclid(1000)
}
