//! Images within the answer, in base64.
//!
//! They are read as the answer is sent, one block at a time. The first block of each is read before the
//! status line, so that what is damaged or gone there is an error and not half an image; what breaks
//! later breaks the body off, short of the length that was announced.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use super::answer::Rest;
use super::ended;
use crate::auth::StreamPass;
use crate::domain::id::TaskId;
use crate::domain::task::Task;
use crate::openai::{Face, Problem, refusal};
use crate::service::{DownloadEnd, Output};

/// Bytes of an image as they are read.
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
        let artifacts = task.outputs.iter().cloned();
        artifacts.map(|artifact| Output {
            task: Arc::clone(task),
            artifact,
        })
    });
    for (number, output) in outputs.enumerate() {
        let (id, size) = (output.task.id, output.artifact.size_bytes);
        let opened = face.service.read(&output, 0, size);
        let opened = opened.map_err(|error| refusal::download(id, error).once().task(id))?;
        let file = begun(id, opened.boxed()).await?;
        written.text(if number == 0 { BEFORE } else { BETWEEN });
        written.file(id, file, size);
        written.text(AFTER);
    }
    let rest = serde_json::to_string(rest);
    let rest = rest.map_err(|error| refusal::incident("ImagesGenerate", &error.to_string()))?;
    written.text(format!("],{}", rest.trim_start_matches('{')));
    Ok(written.into_response(pass))
}

/// The file with its first block read.
async fn begun(id: TaskId, mut file: File) -> Result<File, Problem> {
    match file.next().await {
        Some(Ok(block)) => Ok(stream::iter([Ok(block)]).chain(file).boxed()),
        Some(Err(end)) => Err(refusal::download_end(id, &end).once()),
        None => Ok(file),
    }
}

impl Written {
    fn text(&mut self, text: impl Into<Bytes>) {
        let text = text.into();
        self.length += text.len() as u64;
        self.pieces.push(stream::iter([Ok(text)]).boxed());
    }

    fn file(&mut self, id: TaskId, file: File, size: u64) {
        self.length += size.div_ceil(3) * 4;
        let broken = move |end: DownloadEnd| {
            // It is logged there; nobody can be told any more.
            drop(refusal::download_end(id, &end));
            io::Error::other("an image broke off")
        };
        let read = file.map_err(broken).boxed();
        self.pieces.push(base64(read).boxed());
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

/// The same bytes in base64. Between blocks at most two bytes are kept.
fn base64(read: Sent) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let begun = Some((read, Vec::new()));
    stream::unfold(begun, |state| async move {
        let (mut read, mut left) = state?;
        match read.next().await {
            Some(Ok(block)) => {
                left.extend_from_slice(&block);
                let whole = left.len() - left.len() % 3;
                let rest = left.split_off(whole);
                Some((Ok(BASE64_STANDARD.encode(left).into()), Some((read, rest))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None => Some((Ok(BASE64_STANDARD.encode(left).into()), None)),
        }
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn encoded(blocks: &[&'static [u8]]) -> String {
        let blocks: Vec<_> = blocks.iter().map(|block| Ok(Bytes::from_static(block))).collect();
        let parts: Vec<_> = base64(stream::iter(blocks).boxed()).collect().await;
        let parts = parts.into_iter().map(|part| part.unwrap());
        String::from_utf8(parts.flatten().collect()).unwrap()
    }

    #[tokio::test]
    async fn blocks_of_any_length_are_encoded_as_one() {
        for blocks in [
            &[][..],
            &[b""],
            &[b"a"],
            &[b"a", b"b"],
            &[b"ab", b"", b"cdefg", b"h"],
            &[b"abcd", b"efgh", b"i"],
        ] {
            assert_eq!(encoded(blocks).await, BASE64_STANDARD.encode(blocks.concat()));
        }
    }

    #[tokio::test]
    async fn nothing_follows_a_break() {
        let read = stream::iter([
            Ok(Bytes::from_static(b"abcd")),
            Err(io::Error::other("broken")),
            Ok(Bytes::from_static(b"e")),
        ]);
        let parts: Vec<_> = base64(read.boxed()).collect().await;
        assert_eq!(parts.len(), 2);
        assert!(parts[1].is_err());
    }
}
