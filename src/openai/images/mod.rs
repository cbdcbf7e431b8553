//! `/v1/images/generations`: images, waited for.
//!
//! The call makes tasks like any other, waits until they have ended, woken by their commits, and
//! answers with addresses of ours or with the bytes. Who hangs up ends the wait and nothing else.
//!
//! There is no `GET` of a call: its tasks are under `/v1/videos/{id}`, with their files, and the same
//! call under its `Idempotency-Key` is answered as the first one would have been.

mod answer;
mod ask;
mod ended;
mod generate;
mod inline;

use axum::routing::post;
use http::Method;

use super::Route;

pub(super) fn rows() -> Vec<Route> {
    let path = "/images/generations";
    vec![Route::new(Method::POST, path, post(generate::generate))]
}
