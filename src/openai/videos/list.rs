//! `GET /v1/videos`: the tenant's tasks, page by page.

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use url::form_urlencoded;

use crate::openai::gate::Reader;
use crate::openai::object::{Video, task_id};
use crate::openai::{Face, Problem, problem, refusal};
use crate::service::{Sorted, WalkRequest};

/// A page.
#[derive(Debug, Serialize)]
pub(super) struct List {
    object: &'static str,
    data: Vec<Video>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

pub(super) async fn list(
    State(face): State<Face>,
    Reader(caller): Reader,
    RawQuery(query): RawQuery,
) -> Result<Json<List>, Problem> {
    let request = read(query.as_deref().unwrap_or_default())?;
    let page = face.service.walk(caller.tenant, request).await;
    let page = page.map_err(refusal::walk)?;
    let rate = face.service.usd_rate();
    let tasks = page.tasks.iter();
    let data: Vec<Video> = tasks
        .map(|task| Video::of(task, face.service.progress(task.id), rate))
        .collect();
    Ok(Json(List {
        object: "list",
        first_id: data.first().map(|video| video.id.clone()),
        last_id: data.last().map(|video| video.id.clone()),
        has_more: page.has_more,
        data,
    }))
}

/// What a query asks for; parameters that are not known say nothing.
fn read(query: &str) -> Result<WalkRequest, Problem> {
    let mut request = WalkRequest {
        limit: DEFAULT_LIMIT,
        after: None,
        sorted: Sorted::NewestFirst,
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let wrong = |wanted: &str| {
            let problem = format!("{wanted}; got \"{}\"", problem::shortened(&value));
            Problem::field(name.to_string(), &problem)
        };
        match &*name {
            "limit" => {
                let limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=MOST).contains(limit));
                request.limit = limit.ok_or_else(|| wrong("must be from 1 to 100"))?;
            }
            "after" => {
                let id = task_id(&value);
                request.after = Some(id.map_err(|_| wrong("must be the id of a video"))?);
            }
            "order" => {
                request.sorted = match &*value {
                    "desc" => Sorted::NewestFirst,
                    "asc" => Sorted::OldestFirst,
                    _ => return Err(wrong("must be asc or desc")),
                };
            }
            _ => {}
        }
    }
    Ok(request)
}

/// Tasks on a page unless asked.
const DEFAULT_LIMIT: usize = 20;
/// Tasks on a page at most.
const MOST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_where_and_how_much() {
        let id = "video_0192f3a4b5c67d8e9fa0b1c2d3e4f506";
        let read_one = read(&format!("limit=100&after={id}&order=asc&x=y")).unwrap();
        assert_eq!(read_one.after.unwrap(), task_id(id).unwrap());
        assert_eq!(
            (read_one.limit, read_one.sorted),
            (100, Sorted::OldestFirst)
        );
        let plain = read("").unwrap();
        assert_eq!(
            (plain.limit, plain.after, plain.sorted),
            (20, None, Sorted::NewestFirst)
        );
        for bad in [
            "limit=0",
            "limit=101",
            "limit=abc",
            "limit=",
            "limit=-1",
            "limit=1.5",
            "after=",
            "after=x",
            "order=up",
            "order=",
            "order=ASC%00",
            "after=%ff",
        ] {
            assert_eq!(read(bad).unwrap_err().status().as_u16(), 400, "{bad}");
        }
    }
}
