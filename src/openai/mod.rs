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
mod cors;
mod document;
mod events;
mod files;
mod gate;
mod head;
mod images;
mod library;
mod models;
pub mod object;
mod observed;
mod origin;
mod path;
pub mod problem;
mod refusal;
mod repeats;
mod settings;
mod videos;
mod webhooks;

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::MethodRouter;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};

use crate::auth::Auth;
use crate::domain::task::Task;
use crate::service::Service;

use object::Video;
use observed::Watched;

pub use cors::{Cors, Listed};
pub use gate::problem as refused;
pub use problem::{Kind, Problem};
pub use settings::{FileKey, Settings};
pub use webhooks::event;

/// What every call of this face stands on. Cheap to clone.
#[derive(Clone)]
pub struct Face {
    service: Service,
    auth: Auth,
    settings: Arc<Settings>,
    refusals: Arc<repeats::Refusals>,
    room: body::Room,
}

/// One call: a method on a path.
struct Route {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the description is held against it")
    )]
    method: Method,
    /// As it is described, without `/v1`.
    path: &'static str,
    /// Whether the name at its end may hold slashes.
    has_slashes: bool,
    answer: MethodRouter<Face>,
}

impl Route {
    fn new(method: Method, path: &'static str, answer: MethodRouter<Face>) -> Self {
        Self {
            method,
            path,
            has_slashes: false,
            answer,
        }
    }

    /// The same where the name at the end of the path may hold slashes.
    const fn with_slashes(mut self) -> Self {
        self.has_slashes = true;
        self
    }

    /// The path as axum writes it.
    fn matched(&self) -> Cow<'static, str> {
        if self.has_slashes {
            Cow::Owned(self.path.replace('{', "{*"))
        } else {
            Cow::Borrowed(self.path)
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
            refusals: Arc::default(),
            room: body::Room::default(),
        }
    }

    /// A task as it stands.
    fn video(&self, task: &Task) -> Video {
        Video::of(
            task,
            self.service.progress(task.id),
            self.service.usd_rate(),
        )
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

/// The routes of this face, and an answer in its shape to whatever has no route. `beside` are routes
/// that are not of this face, and observed with it.
pub fn routes(face: Face, beside: Router) -> Router {
    let mut router = Router::new();
    let mut paths = observed::BESIDE.to_vec();
    for row in rows() {
        paths.push(row.path);
        let path = row.matched();
        router = router
            .route(&path, row.answer.clone())
            .route(&format!("/v1{path}"), row.answer);
    }
    let service = face.service.clone();
    let max_head = face.settings.max_head;
    let is_draining: body::IsDraining = Arc::new(move || service.is_draining());
    let watched = Watched {
        paths: paths.into(),
        is_draining: Arc::clone(&is_draining),
    };
    router
        .layer(map_response(observed::enveloped))
        .with_state(face)
        .merge(beside)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(max_head, head::check))
        .layer(from_fn_with_state(is_draining, body::finish_reading))
        .layer(from_fn(cors::answered))
        .layer(from_fn_with_state(watched, observed::observe))
}

async fn unknown(request: Request) -> Problem {
    let kind = request.headers().get(CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        let message = "this content type is not served; of gRPC-Web that is `http.grpc_web`";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Problem::new(status, Kind::InvalidRequest, message).code("unsupported_media_type");
    }
    let (method, path) = (request.method(), request.uri().path());
    let mut message = format!("there is no {method} {}", problem::shortened(path));
    if RUNWAYS.iter().any(|known| path.ends_with(known)) {
        message += ": it is Runway's own; ask here as `openai/<model>`, or POST /v1/videos";
    }
    Problem::new(StatusCode::NOT_FOUND, Kind::InvalidRequest, message).code("unknown_url")
}

async fn wrong_method(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    let message = format!("{} takes no {method}", problem::shortened(path));
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, Kind::InvalidRequest, message).code("method_not_allowed")
}

/// Ends of paths that clients of Runway's own API ask for.
const RUNWAYS: [&str; 4] = [
    "/image_to_video",
    "/text_to_video",
    "/video_to_video",
    "/text_to_image",
];
