//! `DELETE /v1/videos/{id}`: ends what is under way, and removes what has ended; it says which.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use crate::domain::generation::Media;
use crate::openai::gate::Maker;
use crate::openai::object::{Name, status};
use crate::openai::path::Named;
use crate::openai::{Face, Problem, answer, refusal};
use crate::service::{CancelOutcome, DeleteError};

/// What became of it.
#[derive(Debug, Serialize)]
struct Outcome {
    id: String,
    object: &'static str,
    /// Whether it is gone.
    deleted: bool,
    /// Whether its end was asked for; only of what was under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

pub(super) async fn delete(
    State(face): State<Face>,
    Maker(caller): Maker,
    Named(id): Named,
) -> Result<Response, Problem> {
    let found = face.service.status(&caller.tenant, id).await;
    let task = found.map_err(|error| refusal::lookup(id, error))?;
    let (name, rate) = (Name::of(&task), face.service.usd_rate());
    match face.service.delete(&caller.tenant, id).await {
        Ok(()) => {
            let gone = Outcome {
                id: name.to_string(),
                object: object(name.media),
                deleted: true,
                cancelled: None,
                outcome: None,
                status: None,
            };
            return Ok(answer::about(&task, rate, &gone));
        }
        Err(DeleteError::NotTerminal) => {}
        Err(error) => return Err(refusal::delete(id, error)),
    }
    // What ends from here on stays: its caller asked for the end of something that ran, and may want
    // what it has paid for.
    let cancelled = face.service.cancel(caller.tenant, id).await;
    let cancelled = cancelled.map_err(|error| refusal::cancel(id, error))?;
    let ended = Outcome {
        id: name.to_string(),
        object: object(name.media),
        deleted: false,
        cancelled: Some(cancelled.outcome != CancelOutcome::TooLate),
        outcome: Some(outcome(cancelled.outcome)),
        status: Some(status(cancelled.task.status())),
    };
    Ok(answer::about(&cancelled.task, rate, &ended))
}

const fn object(media: Media) -> &'static str {
    match media {
        Media::Video => "video.deleted",
        Media::Image => "image.deleted",
        Media::Audio => "audio.deleted",
    }
}

const fn outcome(outcome: CancelOutcome) -> &'static str {
    match outcome {
        CancelOutcome::BeforeSubmit => "cancelled_before_submit",
        CancelOutcome::Requested => "requested",
        CancelOutcome::Upstream => "cancelled_upstream",
        CancelOutcome::TooLate => "too_late",
    }
}
