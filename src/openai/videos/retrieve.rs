//! `GET /v1/videos/{id}`: a task as last committed.

use axum::extract::{Path, State};
use axum::response::Response;

use crate::openai::gate::Reader;
use crate::openai::object::{Video, task_id};
use crate::openai::{Face, Problem, answer, refusal};

pub(super) async fn retrieve(
    State(face): State<Face>,
    Reader(caller): Reader,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = task_id(&id).map_err(|_| refusal::no_task())?;
    let found = face.service.status(&caller.tenant, id).await;
    let task = found.map_err(|error| refusal::lookup(id, error))?;
    let rate = face.service.usd_rate();
    let shown = Video::of(&task, face.service.progress(id), rate);
    Ok(answer::about(&task, rate, &shown))
}
