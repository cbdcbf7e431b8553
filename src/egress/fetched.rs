//! What is fetched: a head that was looked at, and a body that is still to be read.

use std::fmt;

use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};

use super::fetcher::Stream;
use super::{EgressError, check_coding, transport};

/// An answer whose body is still to be read.
pub struct Fetched {
    /// 200, or 206 to a request for a range.
    pub status: u16,
    /// The length of this body, if announced.
    pub content_length: Option<u64>,
    /// The part of the whole that this body is, of a 206.
    pub content_range: Option<ContentRange>,
    /// What the server calls it.
    pub content_type: Option<String>,
    /// A strong entity tag, fit for `If-Range`.
    pub etag: Option<String>,
    body: Body,
}

/// Whose connection the body comes over.
enum Body {
    /// That of a client which the caller brought.
    Theirs(Response),
    /// Ours.
    Ours(Stream),
}

/// What a server says to a request for a file.
#[derive(Debug)]
pub enum Reply {
    /// Here it is.
    Body(Box<Fetched>),
    /// It is at this address; secret, as every address here.
    Elsewhere(String),
}

/// A `Content-Range` of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte.
    pub start: u64,
    /// The last byte, inclusive.
    pub end: u64,
    /// The length of the whole, if told.
    pub total: Option<u64>,
}

/// Where to go on with a body that broke.
#[derive(Clone, Copy, Debug)]
pub struct Resume<'a> {
    /// The first byte that is missing.
    pub from: u64,
    /// The strong entity tag of what is there already.
    pub etag: &'a str,
}

/// Asks for a file with a client of the caller's own, from the start or from where an earlier body
/// broke. The client must not follow redirects: where one leads is told, for [`get`](super::Egress::get), so
/// that a key never goes to another origin.
pub async fn fetch(
    request: RequestBuilder,
    resume: Option<Resume<'_>>,
) -> Result<Reply, EgressError> {
    let request = request.headers(asking(resume)?);
    let answer = request.send().await.map_err(transport)?;
    if answer.status().is_redirection() {
        let to = answer.headers().get(header::LOCATION);
        let to = to.and_then(|to| answer.url().join(to.to_str().ok()?).ok());
        let to = to.ok_or(EgressError::Refused("the server redirects"))?;
        return Ok(Reply::Elsewhere(to.into()));
    }
    let (status, headers) = (answer.status(), answer.headers().clone());
    let length = answer.content_length();
    let fetched = Fetched::new(status, &headers, length, Body::Theirs(answer))?;
    Ok(Reply::Body(Box::new(fetched)))
}

/// The fields that ask for a body as it is, from the start or from where an earlier one broke.
pub(super) fn asking(resume: Option<Resume<'_>>) -> Result<HeaderMap, EgressError> {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    if let Some(resume) = resume {
        let value = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| EgressError::Refused("the entity tag is malformed"))
        };
        let range = format!("bytes={}-", resume.from);
        headers.insert(header::RANGE, value(&range)?);
        headers.insert(header::IF_RANGE, value(resume.etag)?);
    }
    Ok(headers)
}

impl Fetched {
    /// What came over a connection of ours.
    pub(super) fn ours(head: &http::response::Parts, body: Stream) -> Result<Self, EgressError> {
        if head.status.is_redirection() {
            return Err(EgressError::Refused("the server redirects"));
        }
        let length = body.length();
        Self::new(head.status, &head.headers, length, Body::Ours(body))
    }

    fn new(
        status: StatusCode,
        headers: &HeaderMap,
        content_length: Option<u64>,
        body: Body,
    ) -> Result<Self, EgressError> {
        check_coding(headers)?;
        let status = status.as_u16();
        if !matches!(status, 200 | 206) {
            return Err(EgressError::Http(status));
        }
        let content_range = text(headers, &header::CONTENT_RANGE).and_then(ContentRange::parse);
        let etag = text(headers, &header::ETAG)
            .filter(|tag| is_strong(tag))
            .map(str::to_owned);
        Ok(Self {
            status,
            content_length,
            content_range,
            content_type: text(headers, &header::CONTENT_TYPE).map(str::to_owned),
            etag,
            body,
        })
    }

    /// The next piece of the body; `None` at its end. Dropping the future loses nothing.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, EgressError> {
        match &mut self.body {
            Body::Theirs(answer) => answer.chunk().await.map_err(transport),
            Body::Ours(body) => body.chunk().await,
        }
    }
}

impl ContentRange {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
        let total = if total == "*" {
            None
        } else {
            Some(total.parse().ok()?)
        };
        let sound = start <= end && total.is_none_or(|total: u64| end < total);
        sound.then_some(Self { start, end, total })
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("status", &self.status)
            .field("content_length", &self.content_length)
            .finish_non_exhaustive()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers
        .get(name)?
        .to_str()
        .ok()
        .filter(|text| text.len() <= MAX_HEADER_LEN)
}

fn is_strong(tag: &str) -> bool {
    tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"')
}

const MAX_HEADER_LEN: usize = 256;
