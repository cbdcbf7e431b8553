//! `/v1/videos`: what is made, and what became of it.

mod retrieve;

use axum::routing::get;
use http::Method;

use super::Route;

pub(super) fn rows() -> Vec<Route> {
    vec![Route::new(
        Method::GET,
        "/videos/{id}",
        get(retrieve::retrieve),
    )]
}
