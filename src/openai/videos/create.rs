//! `POST /v1/videos`: a video, from JSON or a form.

use axum::extract::{Request, State};
use axum::response::Response;

use super::form;
use crate::domain::generation::Media;
use crate::openai::asked::{Asked, Given};
use crate::openai::body::{self, Form, Format};
use crate::openai::gate::Maker;
use crate::openai::object::Video;
use crate::openai::{Face, Problem, answer};

pub(super) async fn create(
    State(face): State<Face>,
    Maker(caller): Maker,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let (given, lent) = match Format::of(&headers)? {
        Format::Json => {
            let members = body::json(request, &face.settings).await?;
            let is_form = false;
            (Given { members, is_form }, Vec::new())
        }
        Format::Form(boundary) => {
            let form = Form::new(request.into_body(), &boundary, &face.settings);
            let (members, lent) = form::read(&face.service, &caller.tenant, form).await?;
            let is_form = true;
            (Given { members, is_form }, lent)
        }
    };
    let asked = Asked::read(given, Media::Video, &headers);
    let task = asked.make(&face, caller, lent).await?;
    let rate = face.service.usd_rate();
    let shown = Video::of(&task, face.service.progress(task.id), rate);
    Ok(answer::about(&task, rate, &shown))
}
