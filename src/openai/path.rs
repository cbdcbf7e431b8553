//! What a path names.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

use super::object::task_id;
use super::{Face, Problem, refusal};
use crate::domain::id::TaskId;

/// The task that `{id}` names. What is no id names nothing: 404, as for an id of nobody's. Comes after
/// the extractor that asks for the key.
pub(super) struct Named(pub TaskId);

impl FromRequestParts<Face> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, face: &Face) -> Result<Self, Problem> {
        let Path(id) = Path::<String>::from_request_parts(parts, face)
            .await
            .map_err(|_| refusal::no_task())?;
        task_id(&id).map(Self).map_err(|_| refusal::no_task())
    }
}
