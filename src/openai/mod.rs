//! The HTTP face, in the shape of OpenAI's API: what speaks to that, or to LiteLLM, speaks to this.
//!
//! Each call converts, calls the service, and converts back, as on the gRPC face; both stand on the
//! same service, and a task made on one is seen on the other. `gate` says who calls, [`problem`] is the
//! one shape of an error, `refusal` says in it what the service could not do, and [`object`] is a task
//! as this face shows it. Every path is there with and without `/v1`.
//!
//! What a request says is read by `body` (bytes) and `asked` (what they ask for).
//!
//! What the calls do is `service`'s; where they come in is `grpc::listener`'s, for both faces.

mod absent;
mod answer;
mod asked;
mod body;
mod content;
mod document;
mod events;
mod files;
mod gate;
mod images;
mod models;
pub mod object;
pub mod problem;
mod refusal;
mod settings;
mod videos;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::MethodRouter;
use http::{Method, StatusCode};

use crate::auth::Auth;
use crate::service::Service;

pub use problem::{Kind, Problem};
pub use settings::{FileKey, Settings};
pub use webhooks::event;

/// What every call of this face stands on. Cheap to clone.
#[derive(Clone)]
pub struct Face {
    service: Service,
    auth: Auth,
    settings: Arc<Settings>,
}

/// One call: a method on a path.
struct Route {
    method: Method,
    /// As axum writes it, without `/v1`.
    path: &'static str,
    answer: MethodRouter<Face>,
}

impl Route {
    fn new(method: Method, path: &'static str, answer: MethodRouter<Face>) -> Self {
        Self {
            method,
            path,
            answer,
        }
    }
}

impl Face {
    /// The face of a service.
    pub fn new(service: Service, auth: Auth, settings: Settings) -> Self {
        Self {
            service,
            auth,
            settings: Arc::new(settings),
        }
    }
}

/// Every call of this face.
fn rows() -> Vec<Route> {
    let subjects = [
        videos::rows(),
        content::rows(),
        events::rows(),
        webhooks::rows(),
        images::rows(),
        files::rows(),
        models::rows(),
        absent::rows(),
        document::rows(),
    ];
    subjects.into_iter().flatten().collect()
}

/// The routes of this face, and an answer in its shape to whatever has no route.
pub fn routes(face: Face) -> Router {
    let mut router = Router::new();
    for Route { path, answer, .. } in rows() {
        router = router
            .route(path, answer.clone())
            .route(&format!("/v1{path}"), answer);
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::middleware::from_fn(body::finish_reading))
        .with_state(face)
}

async fn unknown(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    let message = format!("there is no {method} {}", problem::shortened(path));
    Problem::new(StatusCode::NOT_FOUND, Kind::InvalidRequest, message).code("unknown_url")
}

async fn wrong_method(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    let message = format!("{} takes no {method}", problem::shortened(path));
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, Kind::InvalidRequest, message).code("method_not_allowed")
}
