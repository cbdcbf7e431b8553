//! `/v1/models`: what may be asked for.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::routing::get;
use http::{Method, StatusCode};
use serde::Serialize;

use super::gate::Reader;
use super::{Face, Kind, Problem, Route, problem};
use crate::domain::generation::Media;
use crate::domain::model::ProviderKind;
use crate::service::ListedModel;

/// A model.
#[derive(Clone, Debug, Serialize)]
struct Model {
    /// The name to ask by.
    id: String,
    object: &'static str,
    /// Not known of any.
    created: i64,
    owned_by: &'static str,
    /// What it makes.
    makes: Vec<&'static str>,
    /// What it does.
    operations: Vec<&'static str>,
    /// Every way to write its name.
    names: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Models {
    object: &'static str,
    data: Vec<Model>,
}

pub(super) fn rows() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/models", get(list)),
        Route::new(Method::GET, "/models/{id}", get(retrieve)).with_slashes(),
    ]
}

async fn list(State(face): State<Face>, Reader(caller): Reader) -> Json<Models> {
    let data = face
        .service
        .with_models(&caller, |models| models.iter().map(Model::of).collect());
    let object = "list";
    Json(Models { object, data })
}

async fn retrieve(
    State(face): State<Face>,
    Reader(caller): Reader,
    wanted: Result<Path<String>, PathRejection>,
) -> Result<Json<Model>, Problem> {
    // What is not UTF-8 is the name of nothing.
    let wanted = wanted.map(|Path(wanted)| wanted).unwrap_or_default();
    let found = face.service.with_models(&caller, |models| {
        let mut shown = models.iter().map(Model::of);
        shown.find(|model| model.names.contains(&wanted))
    });
    found.map(Json).ok_or_else(|| {
        let shown = problem::shortened(&wanted);
        let message = format!("there is no model {shown}; GET /v1/models tells which there are");
        let missing = Problem::new(StatusCode::NOT_FOUND, Kind::InvalidRequest, message);
        missing.code("model_not_found").param("model")
    })
}

impl Model {
    fn of(listed: &ListedModel<'_>) -> Self {
        let provider = ProviderKind::of(listed.id).as_str();
        let mut makes: Vec<Media> = listed
            .offer
            .keys()
            .map(|operation| operation.output())
            .collect();
        makes.dedup();
        let mut names = vec![listed.name.to_owned()];
        let qualified = format!("{provider}/{}", listed.id);
        if listed.name == listed.id && !listed.id.starts_with(&format!("{provider}/")) {
            names.push(qualified);
        }
        Self {
            id: listed.name.to_owned(),
            object: "model",
            created: 0,
            owned_by: provider,
            makes: makes.into_iter().map(Media::as_str).collect(),
            operations: listed
                .offer
                .keys()
                .map(|operation| operation.as_str())
                .collect(),
            names,
        }
    }
}
