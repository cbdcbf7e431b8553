//! What operators' machines ask for, over HTTP on the port of every face: `/healthz`, `/readyz` and
//! `/metrics`.
//!
//! `/healthz` says that the process answers; `/readyz`, that it takes new work: it does not drain,
//! and its store can be read. Both are open. Who may read `/metrics` is [`Scrape`].

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use crate::service::Service;
use crate::telemetry::metrics;

/// Who may read `/metrics`.
#[derive(Clone)]
pub enum Scrape {
    /// Nobody: it is not there.
    Off,
    /// Everybody who reaches the port.
    Open,
    /// Whoever this finds a fit key in the headers of.
    Keyed(Arc<dyn Fn(&HeaderMap) -> bool + Send + Sync>),
}

#[derive(Clone)]
struct Admin {
    service: Service,
    scrape: Scrape,
}

/// The routes, to be merged with those of the faces.
pub fn routes(service: Service, scrape: Scrape) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready));
    if !matches!(scrape, Scrape::Off) {
        router = router.route("/metrics", get(show));
    }
    router.with_state(Admin { service, scrape })
}

async fn ready(State(admin): State<Admin>) -> Response {
    match admin.service.ready().await {
        Ok(()) => (StatusCode::OK, "ready\n").into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn show(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    if let Scrape::Keyed(may) = &admin.scrape
        && !may(&headers)
    {
        let text = "an API key with the scope `operate` is needed\n";
        let ask = [(WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, ask, text).into_response();
    }
    admin.service.set_gauges().await;
    let kind = [
        (CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
    ];
    (kind, metrics::render()).into_response()
}
