//! GET and HEAD of an output file behind its signed URL, with ranges.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path, Query, State as Extract};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_RANGE, RANGE,
};
use http::{HeaderMap, StatusCode, Uri};
use uuid::Uuid;

use super::super::connection::Connection;
use super::super::fault::{Effect, Place};
use super::super::marker::OutputFault;
use super::super::render::media_type;
use super::super::state::State;
use super::super::task::{Phase, Task};
use super::answer;
use super::padded::Padded;
use super::range::{self, Asked};

/// A file about to be sent.
struct File {
    bytes: Padded,
    media_type: &'static str,
    etag: String,
    /// Where the connection breaks, counted in this answer's body.
    cut: Option<Cut>,
}

#[derive(Clone, Copy)]
enum Cut {
    After(u64),
    Half,
}

/// The handler; axum drops the body for HEAD.
pub async fn read(
    Extract(state): Extract<Arc<State>>,
    Extension(connection): Extension<Connection>,
    Path((task, name)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    state.book.lock().counts.downloads += 1;
    let now_ms = state.clock.now_ms();
    let token = query.get("_jwt").map_or("", String::as_str);
    if !state.signer.allows(token, uri.path(), now_ms) {
        return answer::error(StatusCode::FORBIDDEN, "Access denied");
    }
    let fault = state.script.take(Place::Output).map(|fault| fault.effect);
    if let Some(effect) = &fault
        && let Some(response) = answer::effect(effect, &connection).await
    {
        return response;
    }
    let task = Uuid::try_parse(&task)
        .ok()
        .and_then(|id| state.book.lock().live(id).cloned());
    let index = name.split('.').next().and_then(|index| index.parse().ok());
    match (
        task.filter(|task| task.phase(now_ms) == Phase::Succeeded),
        index,
    ) {
        (Some(task), Some(index)) => send(&state, &task, index, fault.as_ref(), &headers).await,
        _ => answer::error(StatusCode::NOT_FOUND, "No such file"),
    }
}

/// Sends a file of a finished task, as the range and the faults will have it.
pub async fn send(
    state: &State,
    task: &Task,
    index: u32,
    fault: Option<&Effect>,
    headers: &HeaderMap,
) -> Response {
    let (_, media_type) = media_type(task.order.output);
    let (bytes, media_type) = match task.markers.output {
        Some(OutputFault::Gone) => return answer::error(StatusCode::NOT_FOUND, "No such file"),
        Some(OutputFault::Html) => (Bytes::from_static(HTML), "text/html"),
        Some(OutputFault::Empty) => (Bytes::new(), media_type),
        Some(OutputFault::Truncated) | None => {
            match state.renderer.file(task.id, index, &task.order).await {
                Ok(bytes) => (bytes, media_type),
                Err(problem) => {
                    tracing::error!(%problem, "the sandbox cannot render");
                    return answer::error(StatusCode::INTERNAL_SERVER_ERROR, "Cannot render");
                }
            }
        }
    };
    let cut = match fault {
        Some(Effect::Cut { bytes }) => Some(Cut::After(*bytes)),
        _ => (task.markers.output == Some(OutputFault::Truncated)).then_some(Cut::Half),
    };
    let etag = format!("\"{}-{index}\"", task.id.simple());
    let wanted = task.markers.bytes.filter(|_| media_type == FILM);
    File {
        bytes: Padded::new(bytes, wanted),
        media_type,
        etag,
        cut,
    }
    .answer(headers)
}

impl File {
    fn answer(self, headers: &HeaderMap) -> Response {
        let length = self.bytes.length();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let same = text(IF_RANGE).is_none_or(|tag| tag == self.etag);
        let asked = range::parse(text(RANGE).filter(|_| same), length);
        let (status, part) = match asked {
            Asked::Whole => (StatusCode::OK, 0..length),
            Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
            Asked::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
        };
        let content_range = match status {
            StatusCode::PARTIAL_CONTENT => {
                Some(format!("bytes {}-{}/{length}", part.start, part.end - 1))
            }
            StatusCode::RANGE_NOT_SATISFIABLE => Some(format!("bytes */{length}")),
            _ => None,
        };
        let announced = part.end - part.start;
        let mut response = Response::new(body(self.bytes, part, self.cut));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(announced));
        for (name, value) in [(ETAG, Some(self.etag)), (CONTENT_RANGE, content_range)] {
            if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// The body, broken off where the fault wants it: an error in the stream aborts the connection.
fn body(bytes: Padded, part: Range<u64>, cut: Option<Cut>) -> Body {
    let length = part.end - part.start;
    let sent = match cut {
        None => length,
        Some(Cut::After(bytes)) => bytes.min(length),
        Some(Cut::Half) => length.div_ceil(2),
    };
    let pieces = bytes.pieces(part.start..part.start + sent).map(Ok);
    if sent == length {
        return Body::from_stream(stream::iter(pieces.map(|piece: io::Result<_>| piece)));
    }
    let breaking = async {
        // Pending once, so that what precedes the break is on the wire before it.
        tokio::task::yield_now().await;
        Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "cut by the sandbox",
        ))
    };
    Body::from_stream(stream::iter(pieces).chain(stream::once(breaking)))
}

/// The one kind of file that can be filled up.
const FILM: &str = "video/mp4";
const HTML: &[u8] =
    b"<!doctype html><title>Not a film</title><p>The sandbox was asked for this page.";
