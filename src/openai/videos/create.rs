//! `POST /v1/videos`: a video, from JSON or a form.

use axum::extract::{Request, State};
use axum::response::Response;

use super::form;
use crate::domain::generation::Media;
use crate::openai::asked::{Asked, Given};
use crate::openai::body::{self, Form, Format};
use crate::openai::gate::Maker;
use crate::openai::{Face, Problem, answer};

pub(super) async fn create(
    State(face): State<Face>,
    Maker(caller): Maker,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let unread = |problem| face.noting_unread(problem, caller.key.as_ref(), &headers);
    let (given, lent, _held) = match Format::of(&headers)? {
        Format::Json => {
            let (members, held) = body::json(request, &face).await.map_err(unread)?;
            let is_form = false;
            (Given { members, is_form }, Vec::new(), held)
        }
        Format::Form(boundary) => {
            let form = Form::new(
                request.into_body(),
                &boundary,
                &face.settings,
                face.room.clone(),
            );
            let read = form::read(&face.service, &caller.tenant, form).await;
            let (members, lent, held) = read.map_err(unread)?;
            let is_form = true;
            (Given { members, is_form }, lent, held)
        }
    };
    let mut asked = Asked::read(given, Media::Video, &headers);
    asked.request.is_repeat = face.is_repeat(caller.key.as_ref(), &headers);
    let task = asked.make(&face, caller, lent).await?;
    let rate = face.service.usd_rate();
    let shown = face.video(&task);
    Ok(answer::about(&task, rate, &shown))
}
