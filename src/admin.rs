//! What operators' machines ask for, over HTTP on the port of every face: `/healthz`, `/readyz` and
//! `/metrics`.
//!
//! `/healthz` says that the process answers; `/readyz`, that it takes new work: it does not drain,
//! and its store can be read. Both are open, and are there under the names of LiteLLM's probes too. Who may read `/metrics` is [`Scrape`].

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
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
    /// Whoever this refuses nothing, by their headers.
    Keyed(Arc<Refusal>),
}

/// What whoever sends these headers is answered; `None`: they may read.
pub type Refusal = dyn Fn(&HeaderMap) -> Option<Response> + Send + Sync;

#[derive(Clone)]
struct Admin {
    service: Service,
    scrape: Scrape,
}

/// The routes, to be merged with those of the faces.
pub fn routes(service: Service, scrape: Scrape) -> Router {
    let mut router = Router::new()
        .route("/readyz", get(ready))
        .route("/health/readiness", get(ready));
    for path in ["/healthz", "/health/liveliness", "/health/liveness"] {
        router = router.route(path, get(|| async { "ok\n" }));
    }
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
    if let Scrape::Keyed(refusal) = &admin.scrape
        && let Some(answer) = refusal(&headers)
    {
        return answer;
    }
    admin.service.set_gauges().await;
    let kind = [
        (CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
    ];
    (kind, metrics::render()).into_response()
}
