//! Webhooks on this face: what is said when a task ends, the record of how it was told, and what it is
//! verified with.
//!
//! When and how often it is sent is the worker's.

mod deliveries;
mod event;

use axum::routing::get;
use http::Method;

pub use event::event;

use super::Route;

pub(super) fn rows() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            "/videos/{id}/deliveries",
            get(deliveries::list),
        ),
        Route::new(Method::GET, "/webhooks/secret", get(deliveries::secret)),
    ]
}
