//! Calls of OpenAI's API that no provider offers: 501 for those who may call at all.

use axum::routing::{get, post};
use http::{Method, StatusCode};

use super::gate::{Maker, Reader};
use super::{Kind, Problem, Route};

pub(super) fn rows() -> Vec<Route> {
    let posts = [
        "/videos/{id}/remix",
        "/videos/edits",
        "/videos/extensions",
        "/videos/characters",
        "/images/edits",
        "/images/variations",
    ];
    let posts = posts.map(|path| Route::new(Method::POST, path, post(not_made)));
    let character = "/videos/characters/{id}";
    let gets = [Route::new(Method::GET, character, get(not_kept))];
    posts.into_iter().chain(gets).collect()
}

async fn not_made(_: Maker) -> Problem {
    let message = "no provider offers this; POST /v1/videos and POST /v1/images/generations take a \
                   medium to start from where the model does";
    Problem::new(StatusCode::NOT_IMPLEMENTED, Kind::NotSupported, message)
}

async fn not_kept(_: Reader) -> Problem {
    let message = "no provider offers characters to be kept";
    Problem::new(StatusCode::NOT_IMPLEMENTED, Kind::NotSupported, message)
}
