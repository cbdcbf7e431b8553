//! An answer with a file: status, headers, and as much of the bytes as is asked for.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LAST_MODIFIED, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::body;
use super::condition::{Identity, Verdict};
use super::range::Extent;
use crate::auth::Visitor;
use crate::domain::time::Timestamp;
use crate::openai::object::Name;
use crate::openai::{Face, Kind, Problem, answer, gate};
use crate::service::Output;

/// What is asked of a file, by whatever way.
pub(in crate::openai) struct Asked<'a> {
    /// Whether only the headers are wanted.
    pub is_head: bool,
    /// Of the request.
    pub headers: &'a HeaderMap,
    /// What the file is for.
    pub showing: Showing,
}

/// What a file is for.
#[derive(Clone, Copy, Debug)]
pub(in crate::openai) enum Showing {
    /// To be saved, by whoever has a key.
    Attached,
    /// To be shown where its address stands.
    Inline {
        /// How long the address is still good.
        rest: Duration,
    },
}

impl Asked<'_> {
    /// The answer; a body counts as a stream of the visitor's key until it is sent.
    pub async fn answer(
        self,
        face: &Face,
        output: Output,
        visitor: Option<Visitor>,
    ) -> Result<Response, Problem> {
        let (artifact, task) = (&output.artifact, &output.task);
        let made = task.times.completed.unwrap_or(task.times.created);
        let identity = Identity::new(&artifact.sha256, made.0);
        let verdict = identity.judge(self.headers);
        let size = artifact.size_bytes;
        let extent = match verdict {
            // Parts are GET's alone (RFC 9110, 14.2).
            Verdict::Send if !self.is_head => Extent::asked(self.headers, size),
            _ => Extent::Whole,
        };
        let now = face.service.now();
        let mut headers = HeaderMap::new();
        self.kept(&output, &identity, now, &mut headers);
        let (status, part) = match (verdict, extent) {
            (Verdict::Failed, _) => return Ok(changed(&headers)),
            (Verdict::Unchanged, _) => return Ok(unchanged(headers)),
            (_, Extent::Nothing) => return Ok(unsatisfiable(size, &headers)),
            (_, Extent::Whole) => (StatusCode::OK, 0..size),
            (_, Extent::Part(part)) => (StatusCode::PARTIAL_CONTENT, part),
        };
        self.described(&output, &mut headers);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            put(&mut headers, CONTENT_RANGE, range);
        } else {
            put(&mut headers, CONTENT_DIGEST, digest(&artifact.sha256));
        }
        // Who has a key is told of the task; who has an address has the file and nothing else.
        if let Showing::Attached = self.showing {
            answer::headers(task, face.service.usd_rate(), &mut headers);
        }
        let body = if self.is_head {
            Body::empty()
        } else {
            let pass = visitor.map(|visitor| visitor.open_stream());
            let pass = pass
                .transpose()
                .map_err(|refused| gate::problem(&refused))?;
            body::open(face, &output, part, pass).await?
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }

    /// What a cache keeps by, also when there is no body.
    fn kept(&self, output: &Output, identity: &Identity, now: Timestamp, headers: &mut HeaderMap) {
        put(headers, ETAG, identity.etag.clone());
        let modified = httpdate::fmt_http_date(identity.modified);
        put(headers, LAST_MODIFIED, modified);
        let kept = output.artifact.expires.since(now);
        let rest = match self.showing {
            Showing::Attached => kept,
            Showing::Inline { rest } => rest.min(kept),
        };
        let seconds = rest.as_secs().min(A_YEAR);
        let immutable = match self.showing {
            Showing::Attached => ", immutable",
            Showing::Inline { .. } => "",
        };
        let control = format!("private, max-age={seconds}{immutable}");
        put(headers, CACHE_CONTROL, control);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }

    /// What the body is.
    fn described(&self, output: &Output, headers: &mut HeaderMap) {
        let artifact = &output.artifact;
        let content_type = HeaderValue::from_str(&artifact.content_type);
        let unknown = HeaderValue::from_static("application/octet-stream");
        headers.insert(CONTENT_TYPE, content_type.unwrap_or(unknown));
        let disposition = match self.showing {
            Showing::Attached => "attachment",
            Showing::Inline { .. } => "inline",
        };
        let name = output.file_name(&Name::of(&output.task));
        let disposition = format!("{disposition}; filename=\"{name}\"");
        put(headers, CONTENT_DISPOSITION, disposition);
        put(headers, REPR_DIGEST, digest(&artifact.sha256));
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
        let silent = HeaderValue::from_static("no-referrer");
        headers.insert(REFERRER_POLICY, silent);
        if artifact.content_type == SVG {
            let policy = HeaderValue::from_static(DRAWN_ONLY);
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
    }
}

/// 304. No length is told: it would have to be the file's.
fn unchanged(headers: HeaderMap) -> Response {
    let nothing = stream::empty::<Result<Bytes, Infallible>>();
    let mut answer = Response::new(Body::from_stream(nothing));
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    *answer.headers_mut() = headers;
    answer
}

/// 412 of a file that is not the one that the caller means.
fn changed(headers: &HeaderMap) -> Response {
    let status = StatusCode::PRECONDITION_FAILED;
    let message = "the file is not the one that the request's conditions name";
    let problem = Problem::new(status, Kind::InvalidRequest, message);
    let mut answer = problem.code("precondition_failed").into_response();
    copy(headers, &mut answer);
    answer
}

/// 416 of bytes that the file does not have.
fn unsatisfiable(size: u64, headers: &HeaderMap) -> Response {
    let status = StatusCode::RANGE_NOT_SATISFIABLE;
    let message = format!("the range is none of a file of {size} bytes");
    let problem = Problem::new(status, Kind::InvalidRequest, message);
    let problem = problem.code("range_not_satisfiable").param("Range");
    let mut answer = problem.into_response();
    copy(headers, &mut answer);
    put(
        answer.headers_mut(),
        CONTENT_RANGE,
        format!("bytes */{size}"),
    );
    answer
}

/// Tells in an error which file it is about; errors are not cached.
fn copy(headers: &HeaderMap, answer: &mut Response) {
    for name in [ETAG, ACCEPT_RANGES] {
        if let Some(value) = headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
}

fn digest(sha256: &[u8; 32]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(sha256))
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// RFC 9530: of the whole file, whatever part of it is sent.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// RFC 9530: of what is sent.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// The one type of an output that could hold a script.
const SVG: &str = "image/svg+xml";
/// Lets a drawing be drawn, and do nothing else under our name.
const DRAWN_ONLY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";
/// The longest that a cache is told to keep anything, in seconds.
const A_YEAR: u64 = 31_536_000;
