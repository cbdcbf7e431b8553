//! `GET /v1/videos/{id}/events`: a task as it changes, as server-sent events.
//!
//! The stream is the service's watch, mapped: no task, no channel and no queue stands behind it. Each
//! event carries its revision as its id, so that whoever comes back with `Last-Event-ID` misses no
//! state and is sent none twice; whoever comes back with the last one is told 204, at which a browser's
//! `EventSource` stops. A stream that must end early just ends: a client that was told to retry does.
//!
//! While the server drains a stream is still opened, and ends at once: an `EventSource` takes a 503 for the
//! end of all things, and this for a reason to come again.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream::{BoxStream, StreamExt as _, iter, unfold};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde::Serialize;

use super::gate::Streamer;
use super::object::{Name, Video, status};
use super::path::Named;
use super::{Face, Kind, Problem, Route, answer, refusal};
use crate::auth::StreamPass;
use crate::domain::money::UsdRate;
use crate::domain::task::{Progress, Task};
use crate::service::{WatchEnd, WatchError, WatchEvent};

pub(super) fn rows() -> Vec<Route> {
    vec![Route::new(Method::GET, PATH, get(events))]
}

/// What an event says: the video object, and which state of it.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    video: Video,
    revision: u64,
}

/// A watch, as long as its key is good.
struct Watch {
    events: BoxStream<'static, Result<WatchEvent, WatchEnd>>,
    pass: StreamPass,
    rate: UsdRate,
    is_over: bool,
}

async fn events(
    State(face): State<Face>,
    Streamer { caller, pass }: Streamer,
    Named(id): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let resumed = resumed(&headers, uri.query().unwrap_or_default())?;
    let (name, after) = resumed.unwrap_or((AFTER, 0));
    let opened = face.service.watch(&caller.tenant, id, after).await;
    let opened = opened.map_err(|error| match error {
        WatchError::RevisionInFuture { current } => ahead(name, current),
        error => refusal::watch(id, error),
    })?;
    let task = face.service.status(&caller.tenant, id).await;
    let task = task.map_err(|error| refusal::lookup(id, error))?;
    let rate = face.service.usd_rate();
    let mut told = if task.state.is_terminal() && after == task.revision {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let watch = Watch {
            events: opened.boxed(),
            pass,
            rate,
            is_over: false,
        };
        streamed(watch)
    };
    answer::headers(&task, rate, told.headers_mut());
    Ok(told)
}

fn streamed(watch: Watch) -> Response {
    let events = unfold(watch, |mut watch| async move {
        let text = watch.next().await?;
        Some((text, watch))
    });
    let first = iter([Bytes::from_static(RETRY)]);
    let body = first.chain(events).map(Ok::<_, std::convert::Infallible>);
    let mut answer = Body::from_stream(body).into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would otherwise hold events back until it has a bufferful.
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    answer
}

impl Watch {
    /// The next piece of the stream; a last comment says why it ends before the task does.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let event = tokio::select! {
            biased;
            refused = self.pass.ended() => {
                self.is_over = true;
                return Some(comment(&refused.to_string()));
            }
            event = self.events.next() => event?,
        };
        Some(match event {
            Ok(WatchEvent::Task(task, progress)) => written(&task, progress, self.rate),
            Ok(WatchEvent::Heartbeat(revision)) => comment(&format!("heartbeat {revision}")),
            Err(end) => {
                self.is_over = true;
                comment(why(end))
            }
        })
    }
}

/// One event. JSON has no bare line breaks, so that its data is one line.
fn written(task: &Task, progress: Progress, rate: UsdRate) -> Bytes {
    let told = Told {
        video: Video::of(task, progress, rate),
        revision: task.revision,
    };
    let media = Name::of(task).media.as_str();
    let (revision, status) = (task.revision, status(task.status()));
    match serde_json::to_string(&told) {
        Ok(data) => {
            let event = format!("id: {revision}\nevent: {media}.{status}\ndata: {data}\n\n");
            Bytes::from(event)
        }
        // Nothing in it can fail; if it did, the stream would go on with what comes next.
        Err(error) => comment(&error.to_string()),
    }
}

/// A line of its own, without the empty one that ends an event: some readers take a block without data
/// for an event without any.
fn comment(text: &str) -> Bytes {
    Bytes::from(format!(": {text}\n"))
}

const fn why(end: WatchEnd) -> &'static str {
    match end {
        WatchEnd::Draining => "the server is shutting down: come back",
        WatchEnd::MaxAge => "the stream reached its greatest age: come back",
        WatchEnd::TooSlow => "the stream was not read in time: come back",
    }
}

/// The revision to go on after, and where it was named. What a client that comes back says now counts
/// before what its address has said from the start.
fn resumed(headers: &HeaderMap, query: &str) -> Result<Option<(&'static str, u64)>, Problem> {
    let told: Vec<&HeaderValue> = headers.get_all(&LAST_EVENT_ID).iter().collect();
    match told.as_slice() {
        [] => {}
        [told] if told.is_empty() => {}
        [told] => return revision(LAST, told.to_str().unwrap_or_default()).map(Some),
        _ => return Err(Problem::field(LAST, "must be sent once")),
    }
    let mut asked = url::form_urlencoded::parse(query.as_bytes());
    let asked = asked.find(|(name, _)| name == AFTER);
    asked.map(|(_, text)| revision(AFTER, &text)).transpose()
}

fn revision(name: &'static str, text: &str) -> Result<(&'static str, u64), Problem> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| text.parse().ok()).flatten();
    let number = number.ok_or_else(|| Problem::field(name, "must be a revision: a whole number"));
    Ok((name, number?))
}

/// 400 of a revision that does not exist yet.
fn ahead(name: &'static str, current: u64) -> Problem {
    let message = format!("{name} is beyond the task's revision, which is {current}");
    let bad = Problem::new(StatusCode::BAD_REQUEST, Kind::InvalidRequest, message);
    bad.param(name).code("revision_in_future")
}

const PATH: &str = "/videos/{id}/events";
/// What is sent first, as a line of the first event: when to come back after an end, in milliseconds.
const RETRY: &[u8] = b"retry: 2000\n";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The same as it is written in messages.
const LAST: &str = "Last-Event-ID";
const AFTER: &str = "after_revision";
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(header: &[&str], query: &str) -> Result<Option<(&'static str, u64)>, Problem> {
        let values = header.iter().map(|value| value.parse().unwrap());
        let headers = values.map(|value| (LAST_EVENT_ID, value));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        resumed(&map, query)
    }

    #[test]
    fn the_header_counts_before_the_query() {
        assert_eq!(asked(&[], "").unwrap(), None);
        assert_eq!(asked(&[""], "").unwrap(), None);
        assert_eq!(asked(&[], "after_revision=3").unwrap(), Some((AFTER, 3)));
        assert_eq!(asked(&["7"], "after_revision=3").unwrap(), Some((LAST, 7)));
        assert_eq!(
            asked(&["0"], "x=1&after_revision=x").unwrap(),
            Some((LAST, 0))
        );
    }

    #[test]
    fn what_is_no_revision_is_refused() {
        let bad = [
            "x",
            "-1",
            "+1",
            "1.0",
            " 1 2",
            "0x1",
            "99999999999999999999",
            "é",
        ];
        for text in bad {
            assert!(asked(&[text], "").is_err(), "{text}");
            let query = format!("after_revision={}", text.replace('+', "%2B"));
            assert!(asked(&[], &query).is_err(), "{query}");
        }
        assert!(asked(&[], "after_revision=").is_err());
        assert!(asked(&["1", "2"], "").is_err());
    }
}
