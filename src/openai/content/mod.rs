//! `/v1/videos/{id}/content`: the bytes of what was made, whole or in part.
//!
//! One answer for both ways to a file, by key and by signed address: `condition` says whether it is
//! sent at all, `range` how much of it, `answer` under which headers, and `body` sends it straight from
//! the service's stream. Its first bytes are read before the status is said, so that what is damaged or
//! gone is told as an error; what breaks later breaks the connection, and never ends as if all were
//! there. `base64` is the same bytes in letters, for answers that carry files within JSON.

mod answer;
mod base64;
mod body;
mod condition;
mod query;
mod range;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, Method, StatusCode};

use super::gate::Viewer;
use super::object::Video;
use super::path::Named;
use super::{Face, Kind, Problem, Route, refusal};
use crate::domain::caller::Caller;
use crate::domain::id::TaskId;
use crate::domain::task::Status;
use crate::service::DownloadError;
use query::Query;

pub(super) use answer::{Asked, Showing};
pub(super) use base64::in_base64;

pub(super) fn rows() -> Vec<Route> {
    vec![Route::new(
        Method::GET,
        "/videos/{id}/content",
        get(content),
    )]
}

async fn content(
    State(face): State<Face>,
    Viewer(visitor): Viewer,
    Named(id): Named,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref().unwrap_or_default())?;
    let caller = visitor.caller();
    let found = face.service.output(&caller.tenant, id, query.index).await;
    let output = match found {
        Ok(output) => output,
        Err(DownloadError::NoOutput) => return Err(without(&face, caller, id).await),
        Err(error) => return Err(refusal::download(id, error)),
    };
    query.check(output.task.order.generation.operation.output())?;
    let asked = Asked {
        is_head: method == Method::HEAD,
        headers: &headers,
        showing: Showing::Attached,
    };
    asked.answer(&face, output, Some(visitor)).await
}

/// Why a task that has ended has no content.
async fn without(face: &Face, caller: &Caller, id: TaskId) -> Problem {
    let task = match face.service.status(&caller.tenant, id).await {
        Ok(task) => task,
        Err(error) => return refusal::lookup(id, error),
    };
    let shown = Video::of(&task, face.service.progress(id), face.service.usd_rate());
    let said = shown.error.map(|error| error.message).unwrap_or_default();
    let media = shown.object;
    let (message, code) = match task.status() {
        Status::Failed => (format!("the {media} failed: {said}"), "video_failed"),
        Status::Cancelled => (format!("there is no {media}: {said}"), "video_cancelled"),
        _ => (
            format!("the {media} is no longer kept: its time is over"),
            "content_expired",
        ),
    };
    let gone = Problem::new(StatusCode::NOT_FOUND, Kind::InvalidRequest, message);
    gone.code(code).task(id)
}
