//! `POST /v1/videos`: a video, from JSON or a form.

use axum::extract::{Request, State};
use axum::response::Response;

use super::form;
use crate::domain::caller::Caller;
use crate::domain::generation::Media;
use crate::openai::asked::{Asked, Given};
use crate::openai::body::{self, Form, Format, Held};
use crate::openai::gate::Maker;
use crate::openai::{Face, Problem, answer};
use crate::service::Lent;

pub(super) async fn create(
    State(face): State<Face>,
    Maker(caller): Maker,
    request: Request,
) -> Result<Response, Problem> {
    let (came, headers) = (face.service.now(), request.headers().clone());
    let (given, lent, _held) = match read(&face, &caller, request).await {
        Ok(read) => read,
        Err(problem) => return Err(face.refused_unread(&caller, &headers, came, problem).await),
    };
    let mut asked = Asked::read(given, Media::Video, &headers);
    asked.request.draft.default_seconds = face.settings.video_seconds;
    asked.request.sending = face.sending(caller.key.as_ref(), &headers, came);
    let task = asked.make(&face, caller, lent).await?;
    let rate = face.service.usd_rate();
    let shown = face.video(&task);
    Ok(answer::about(&task, rate, &shown))
}

/// The body, the files that came with it, and the room that it takes while it is held.
async fn read(
    face: &Face,
    caller: &Caller,
    request: Request,
) -> Result<(Given, Vec<Lent>, Held), Problem> {
    match Format::of(request.headers())? {
        Format::Json => {
            let (members, held) = body::json(request, face, caller).await?;
            let is_form = false;
            Ok((Given { members, is_form }, Vec::new(), held))
        }
        Format::Form(boundary) => {
            let room = face.room.of(caller);
            let form = Form::new(request.into_body(), &boundary, &face.settings, room);
            let read = form::read(&face.service, &caller.tenant, form);
            let (members, lent, held) = body::unless_draining(face, read).await?;
            let is_form = true;
            Ok((Given { members, is_form }, lent, held))
        }
    }
}
