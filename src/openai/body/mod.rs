//! Bodies of requests, read in bounded memory and time.
//!
//! [`whole`] holds a body whole and [`json`] reads one as JSON; [`Form`] goes through a multipart body
//! part by part, and holds a chunk of it at a time. What all of them hold has a bound too ([`Room`]).
//! Reading ends with the server ([`unless_draining`]). What a call leaves unread is taken care of by
//! [`finish_reading`], which stands round every call.

mod form;
mod json;
mod leftover;
mod part;
mod room;

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout, timeout_at};

pub(super) use form::Form;
pub(super) use json::{Budget, MOST_VALUES, Members, kind, parse, read};
pub(super) use leftover::{IsDraining, finish_reading};
pub(super) use part::Part;
pub(super) use room::{Held, Room, Share};

use super::refusal::{self, timed_out};
use super::{Face, Kind, Problem, Settings, problem};
use crate::domain::caller::Caller;

/// What a body says of its own form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON, or nothing said.
    Json,
    /// A multipart form with this boundary.
    Form(String),
}

impl Format {
    /// The form of a body by its headers.
    ///
    /// # Errors
    /// 415 for what is neither, or compressed, with what to send; 400 for a form without a boundary.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        check_encoding(headers)?;
        let Some(value) = headers.get(CONTENT_TYPE) else {
            return Ok(Self::Json);
        };
        let said = String::from_utf8_lossy(value.as_bytes());
        let (kind, rest) = said.split_once(';').unwrap_or((&said, ""));
        let kind = kind.trim().to_ascii_lowercase();
        match kind.as_str() {
            "" | "application/json" | "text/json" => Ok(Self::Json),
            "multipart/form-data" => part::parameter(rest, "boundary")
                .filter(|boundary| is_boundary(boundary))
                .map(Self::Form)
                .ok_or_else(|| broken("the Content-Type of the form names no good boundary")),
            other if other.starts_with("application/") && other.ends_with("+json") => {
                Ok(Self::Json)
            }
            other => {
                let message = format!(
                    "a body of the type {} is not read: send JSON with the header Content-Type: \
                     application/json, or a form as multipart/form-data",
                    problem::shortened(other)
                );
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                let other = Problem::new(status, Kind::InvalidRequest, message);
                Err(other.code("unsupported_media_type").param("Content-Type"))
            }
        }
    }
}

/// The members of a body that is one JSON object, and what they hold of the room for bodies.
///
/// # Errors
/// As [`Format::of`], [`whole`] and [`parse`]; 415 for a form; 503 in a drain.
pub(super) async fn json(
    request: Request,
    face: &Face,
    caller: &Caller,
) -> Result<(Members, Held), Problem> {
    if let Format::Form(_) = Format::of(request.headers())? {
        let message = "this call takes no form: send JSON with Content-Type: application/json";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let form = Problem::new(status, Kind::InvalidRequest, message);
        return Err(form.code("unsupported_media_type").param("Content-Type"));
    }
    let room = face.room.of(caller);
    let whole = whole(request, &face.settings, &room);
    let (bytes, held) = unless_draining(face, whole).await?;
    Ok((parse(&bytes)?, held))
}

/// Reads a body for as long as something may be made of it: what is not there shortly after the server
/// began to drain is not waited for. One that is there is read, so that its refusal is about it.
///
/// # Errors
/// Those of the reading; 503 in a drain.
pub(super) async fn unless_draining<T>(
    face: &Face,
    reading: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    tokio::select! {
        biased;
        read = reading => read,
        () = async {
            face.service.draining().await;
            tokio::time::sleep(LAST_BYTES).await;
        } => Err(refusal::draining()),
    }
}

/// Refuses what was compressed, or put into any other code, on its way.
fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codes = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let is_plain = |code: &[u8]| code.is_empty() || code.eq_ignore_ascii_case(b"identity");
    let Some(other) = codes.find(|code| !is_plain(code.trim_ascii())) else {
        return Ok(());
    };
    let message = format!(
        "a body with the Content-Encoding {} is not read: send it as it is",
        problem::shortened(&String::from_utf8_lossy(other.trim_ascii()))
    );
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let other = Problem::new(status, Kind::InvalidRequest, message);
    let other = other.code("unsupported_content_encoding");
    Err(other.param("Content-Encoding").takes_identity())
}

/// A body, held whole.
///
/// # Errors
/// 413 beyond `max_body`, before anything is read where the length is announced; 408 after a silence
/// of `body_idle`, or when it is not there in [`LONGEST`]; 400 when it breaks off; 503 without room.
async fn whole(
    request: Request,
    settings: &Settings,
    room: &Share,
) -> Result<(Bytes, Held), Problem> {
    let most = settings.max_body;
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(too_large(most));
    }
    let length = announced.and_then(|length| usize::try_from(length).ok());
    let mut body = request.into_body();
    let (mut bytes, mut held) = (BytesMut::new(), Held::default());
    let end = Instant::now() + LONGEST;
    loop {
        let chunk = timeout_at(end, next(&mut body, settings.body_idle)).await;
        let Some(chunk) = chunk.map_err(|_| stalled("the body is not there after", LONGEST))??
        else {
            break;
        };
        let there = bytes.len() + chunk.len();
        if there > most {
            return Err(too_large(most));
        }
        room.fit(&mut held, there, length, most).await?;
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes.freeze(), held))
}

/// The next bytes of a body; `None` at its end.
async fn next(body: &mut Body, idle: Duration) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = timeout(idle, body.frame()).await;
        let frame = frame.map_err(|_| stalled("nothing came of the body for", idle))?;
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.map_err(|_| broken("the body broke off before its end"))?;
        // Trailers say nothing here.
        if let Ok(bytes) = frame.into_data()
            && !bytes.is_empty()
        {
            return Ok(Some(bytes));
        }
    }
}

fn stalled(what: &str, wait: Duration) -> Problem {
    let message = format!("{what} {} s", wait.as_secs());
    timed_out(&message, "body_timeout")
}

/// 413 with the limit.
fn too_large(most: usize) -> Problem {
    let message = format!("the body is larger than the {most} bytes that are taken");
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    Problem::new(status, Kind::InvalidRequest, message).code("body_too_large")
}

/// 400 for a body that cannot be read.
fn broken(message: impl Into<String>) -> Problem {
    let bad = Problem::new(StatusCode::BAD_REQUEST, Kind::InvalidRequest, message);
    bad.code("invalid_body")
}

/// What RFC 2046 lets be a boundary.
fn is_boundary(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    (1..=LONGEST_BOUNDARY).contains(&text.len()) && text.bytes().all(fits)
}

/// How long a body that is held may take to come, as other bodies may wait for its room.
const LONGEST: Duration = Duration::from_mins(5);
/// How long what a client still sends is read after the server began to drain.
const LAST_BYTES: Duration = Duration::from_secs(1);
/// Characters of a boundary.
const LONGEST_BOUNDARY: usize = 70;

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use http::HeaderValue;
    use http::header::ACCEPT_ENCODING;

    use super::*;

    fn of(kind: &str) -> Result<Format, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
        Format::of(&headers)
    }

    #[test]
    fn a_body_is_json_unless_it_says_something_else() {
        assert_eq!(Format::of(&HeaderMap::new()).unwrap(), Format::Json);
        for json in [
            "",
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/vnd.api+json",
        ] {
            assert_eq!(of(json).unwrap(), Format::Json, "{json}");
        }
        for (form, boundary) in [
            ("multipart/form-data; boundary=abc", "abc"),
            ("multipart/form-data;charset=x; Boundary=\"a b\"", "a b"),
        ] {
            assert_eq!(of(form).unwrap(), Format::Form(boundary.to_owned()));
        }
        for (other, status) in [
            ("application/x-www-form-urlencoded", 415),
            ("text/plain", 415),
            ("multipart/mixed; boundary=a", 415),
            ("multipart/form-data", 400),
            ("multipart/form-data; boundary=", 400),
            ("multipart/form-data; boundary=\"\u{7f}\"", 400),
        ] {
            let refused = of(&other.replace('\u{7f}', "@"));
            assert_eq!(refused.unwrap_err().status().as_u16(), status, "{other}");
        }
    }

    #[test]
    fn a_body_in_a_code_is_not_read() {
        let encoded = |values: &[&str]| {
            let values = values.iter().map(|value| value.parse().unwrap());
            Format::of(&values.map(|value| (CONTENT_ENCODING, value)).collect())
        };
        for plain in [&[][..], &[""], &["identity"], &["Identity, identity"]] {
            assert_eq!(encoded(plain).unwrap(), Format::Json, "{plain:?}");
        }
        for code in [
            &["gzip"][..],
            &["br"],
            &["identity, deflate"],
            &["identity", "x"],
        ] {
            let refused = encoded(code).unwrap_err().into_response();
            assert_eq!(
                (refused.status(), &refused.headers()[ACCEPT_ENCODING]),
                (
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    &HeaderValue::from_static("identity")
                ),
                "{code:?}"
            );
        }
        // That header speaks of codes alone.
        let other = of("text/plain").unwrap_err().into_response();
        assert!(!other.headers().contains_key(ACCEPT_ENCODING));
    }
}
