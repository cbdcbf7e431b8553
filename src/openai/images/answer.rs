//! The images of tasks that have ended: addresses of ours, or their bytes in base64.
//!
//! Of several tasks those that made something are answered with, and the others are named beside them:
//! what was paid for is handed over.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::ask::Format;
use super::{ended, inline};
use crate::auth::StreamPass;
use crate::domain::money::{Millicredits, UsdRate};
use crate::domain::task::Task;
use crate::openai::files::Base;
use crate::openai::object::{self, TaskError, dollars};
use crate::openai::{Face, Problem, answer};

/// The answer to a call for images.
#[derive(Serialize)]
struct Images {
    /// When the last of them was finished, in seconds since the Unix epoch.
    created: i64,
    data: Vec<Image>,
    #[serde(flatten)]
    rest: Rest,
}

/// What is told beside the images.
#[derive(Serialize)]
pub(super) struct Rest {
    usage: Usage,
    /// Tasks of the call that made nothing; left out where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failed>,
}

#[derive(Serialize)]
struct Image {
    url: Option<String>,
    b64_json: Option<String>,
    revised_prompt: Option<String>,
}

/// What the tasks came to together.
#[derive(Serialize)]
struct Usage {
    /// What the providers said that they charged.
    provider_reported_cost_usd: Option<f64>,
    /// That, or the most that it may be; null: not known.
    cost_usd: Option<f64>,
    /// Whether the cost is not final.
    cost_is_estimate: bool,
    #[serde(flatten)]
    tokens: Uncounted,
}

/// Nothing here is counted in tokens; OpenAI's clients take it for granted that they are told.
#[derive(Default, Serialize)]
struct Uncounted {
    input_tokens: u64,
    input_tokens_details: Kinds,
    output_tokens: u64,
    total_tokens: u64,
}

#[derive(Default, Serialize)]
struct Kinds {
    image_tokens: u64,
    text_tokens: u64,
}

/// A task that made nothing.
#[derive(Serialize)]
struct Failed {
    id: String,
    error: Option<TaskError>,
}

/// The answer for tasks that have all ended.
pub(super) async fn of(
    face: &Face,
    base: &Base,
    tasks: &[Arc<Task>],
    format: Format,
    pass: StreamPass,
) -> Result<Response, Problem> {
    let (made, unmade): (Vec<_>, Vec<_>) =
        tasks.iter().partition(|task| ended::unmade(task).is_none());
    let Some(first) = made.first() else {
        let problem = tasks.first().and_then(|task| ended::unmade(task));
        return Err(problem.unwrap_or_else(crate::openai::refusal::no_task));
    };
    let rate = face.service.usd_rate();
    let created = made.iter().filter_map(|task| task.times.completed).max();
    let created = object::seconds(created.unwrap_or(first.times.updated));
    let rest = Rest {
        usage: Usage::of(tasks, rate),
        failed: unmade.into_iter().map(|task| Failed::of(task)).collect(),
    };
    let mut response = match format {
        Format::Bytes => inline::of(face, &made, created, &rest, pass).await?,
        Format::Url => {
            let now = face.service.now();
            let files = made.iter().flat_map(|task| {
                let outputs = task.outputs.iter();
                outputs.map(|output| face.sign(base, task.id, output.index, now))
            });
            let data = files.map(Image::at).collect();
            let images = Images {
                created,
                data,
                rest,
            };
            Json(images).into_response()
        }
    };
    answer::headers_of_all(first, tasks, rate, response.headers_mut());
    Ok(response)
}

impl Image {
    const fn at(url: String) -> Self {
        Self {
            url: Some(url),
            b64_json: None,
            revised_prompt: None,
        }
    }
}

impl Usage {
    fn of(tasks: &[Arc<Task>], rate: UsdRate) -> Self {
        let bills = || tasks.iter().map(|task| task.cost());
        let sum = |amounts: Option<Vec<Millicredits>>| {
            let sum = amounts?
                .into_iter()
                .fold(Millicredits(0), Millicredits::plus);
            Some(dollars(sum, rate))
        };
        Self {
            provider_reported_cost_usd: sum(bills().map(|bill| bill.actual).collect()),
            cost_usd: sum(bills().map(|bill| object::known_cost(&bill)).collect()),
            cost_is_estimate: bills().any(|bill| object::is_estimate(&bill)),
            tokens: Uncounted::default(),
        }
    }
}

impl Failed {
    fn of(task: &Task) -> Self {
        Self {
            id: ended::name(task.id),
            error: object::error(task),
        }
    }
}
