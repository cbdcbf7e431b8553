//! Images within the answer, in base64.
//!
//! They are read as the answer is sent, one block at a time. The first of each is read before the
//! status line, so that what is damaged or gone there is an error and not half an image; what breaks
//! later breaks the body off, short of the length that was announced.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use super::answer::Rest;
use super::ended;
use crate::auth::StreamPass;
use crate::domain::id::TaskId;
use crate::domain::task::Task;
use crate::openai::content::in_base64;
use crate::openai::{Face, Problem, refusal};
use crate::service::DownloadEnd;

/// Letters of an image as they are read.
type File = BoxStream<'static, Result<Bytes, DownloadEnd>>;
/// Bytes of the answer as they are sent.
type Sent = BoxStream<'static, io::Result<Bytes>>;

/// What is sent, in order, and how long it is.
#[derive(Default)]
struct Written {
    pieces: Vec<Sent>,
    length: u64,
}

/// The answer with the images of tasks that have made some.
pub(super) async fn of(
    face: &Face,
    tasks: &[&Arc<Task>],
    created: i64,
    rest: &Rest,
    pass: StreamPass,
) -> Result<Response, Problem> {
    let mut written = Written::default();
    written.text(format!("{{\"created\":{created},\"data\":["));
    let outputs = tasks.iter().flat_map(|task| {
        let outputs = task.outputs.iter();
        outputs.map(|output| (Arc::clone(task), output.index))
    });
    let outputs: Vec<_> = outputs.collect();
    for (number, (task, index)) in outputs.into_iter().enumerate() {
        let id = task.id;
        let opened = in_base64(&face.service, &task.tenant, id, index).await;
        let opened = opened.map_err(|error| unread(refusal::download(id, error), id))?;
        let file = begun(id, opened.pieces.boxed()).await?;
        written.text(if number == 0 { BEFORE } else { BETWEEN });
        written.file(id, file, opened.length);
        written.text(AFTER);
    }
    let rest = serde_json::to_string(rest);
    let rest = rest.map_err(|error| refusal::incident("ImagesGenerate", &error.to_string()))?;
    written.text(format!("],{}", rest.trim_start_matches('{')));
    Ok(written.into_response(pass))
}

/// The file with its first letters read.
async fn begun(id: TaskId, mut file: File) -> Result<File, Problem> {
    match file.next().await {
        Some(Ok(block)) => Ok(stream::iter([Ok(block)]).chain(file).boxed()),
        Some(Err(end)) => Err(unread(refusal::download_end(id, 0, &end), id)),
        None => Ok(file),
    }
}

/// A problem with an image that was made: it names the task, whose file may be had later.
fn unread(problem: Problem, id: TaskId) -> Problem {
    problem.once().noting(&ended::name(id)).task(id)
}

impl Written {
    fn text(&mut self, text: impl Into<Bytes>) {
        let text = text.into();
        self.length += text.len() as u64;
        self.pieces.push(stream::iter([Ok(text)]).boxed());
    }

    fn file(&mut self, id: TaskId, file: File, letters: u64) {
        self.length += letters;
        let (mut told, broken) = (0, "an image broke off");
        let sent = file.map(move |piece| match piece {
            Ok(piece) => {
                told += piece.len() as u64;
                Ok(piece)
            }
            Err(end) => {
                refusal::broke_off(id, told / 4 * 3, &end);
                Err(io::Error::other(broken))
            }
        });
        self.pieces.push(sent.boxed());
    }

    fn into_response(self, pass: StreamPass) -> Response {
        let sent = stream::iter(self.pieces).flatten().boxed();
        let body = Body::from_stream(guarded(sent, pass));
        let mut response = body.into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(self.length));
        response
    }
}

/// The same bytes for as long as the key is good.
fn guarded(sent: Sent, pass: StreamPass) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold((sent, pass), |(mut sent, mut pass)| async move {
        let item = tokio::select! {
            biased;
            refused = pass.ended() => Err(io::Error::other(refused)),
            item = sent.next() => item?,
        };
        Some((item, (sent, pass)))
    })
}

const BEFORE: &str = "{\"url\":null,\"b64_json\":\"";
const BETWEEN: &str = ",{\"url\":null,\"b64_json\":\"";
const AFTER: &str = "\",\"revised_prompt\":null}";
