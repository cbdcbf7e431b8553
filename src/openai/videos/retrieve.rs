//! `GET /v1/videos/{id}`: a task as last committed.

use axum::extract::State;
use axum::response::Response;

use crate::openai::gate::Reader;
use crate::openai::path::Named;
use crate::openai::{Face, Problem, answer, refusal};

pub(super) async fn retrieve(
    State(face): State<Face>,
    Reader(caller): Reader,
    Named(id): Named,
) -> Result<Response, Problem> {
    let found = face.service.status(&caller.tenant, id).await;
    let task = found.map_err(|error| refusal::lookup(id, error))?;
    let rate = face.service.usd_rate();
    let shown = face.video(&task);
    Ok(answer::about(&task, rate, &shown))
}
