//! `/v1/files/{signed}`: files by addresses that need no key and end.
//!
//! An address is good for whoever holds it, under any host, until its time is over or the file is
//! gone. It says nothing of whose the file is; what it proves is that this server once gave it to
//! somebody who might have it.

mod base;
mod token;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, Method, StatusCode};

use super::content::{Asked, Showing};
use super::{Face, Kind, Problem, Route, refusal};
use crate::domain::id::TaskId;
use crate::domain::time::Timestamp;
use token::Grant;

pub(super) use base::Base;

pub(super) fn rows() -> Vec<Route> {
    vec![Route::new(Method::GET, "/files/{signed}", get(read))]
}

impl Face {
    /// An address of an output that is good from `now` on for as long as is configured, by which
    /// anybody reads it.
    pub(super) fn sign(&self, base: &Base, id: TaskId, index: u32, now: Timestamp) -> String {
        let until = now.after(self.settings.file_urls);
        let grant = Grant { id, index, until };
        format!("{base}/v1/files/{}", grant.seal(&self.settings.file_key))
    }
}

async fn read(
    State(face): State<Face>,
    signed: Result<Path<String>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let grant = signed
        .ok()
        .and_then(|Path(signed)| Grant::open(&signed, &face.settings.file_key));
    let Grant { id, index, until } = grant.ok_or_else(no_file)?;
    let now = face.service.now();
    if now >= until {
        let (status, kind) = (StatusCode::FORBIDDEN, Kind::Permission);
        let message = "the address of the file has expired: ask for another";
        return Err(Problem::new(status, kind, message).code("url_expired"));
    }
    let found = face.service.signed_output(id, index).await;
    let output = found.map_err(|error| refusal::download(id, error).of_no_task())?;
    let asked = Asked {
        is_head: method == Method::HEAD,
        headers: &headers,
        showing: Showing::Inline {
            rest: until.since(now),
        },
    };
    let answer = asked.answer(&face, output, None).await;
    answer.map_err(Problem::of_no_task)
}

/// 404 of an address that is none of ours.
fn no_file() -> Problem {
    refusal::missing("there is no such file", "not_found")
}
