//! `/v1/videos`: what is made, and what became of it.

mod create;
mod delete;
mod form;
mod list;
mod retrieve;

use axum::routing::{delete as on_delete, get, post};
use http::Method;

use super::Route;

pub(super) fn rows() -> Vec<Route> {
    let (all, one) = ("/videos", "/videos/{id}");
    vec![
        Route::new(Method::POST, all, post(create::create)),
        Route::new(Method::GET, all, get(list::list)),
        Route::new(Method::GET, one, get(retrieve::retrieve)),
        Route::new(Method::DELETE, one, on_delete(delete::delete)),
    ]
}
