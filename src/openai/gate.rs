//! Who makes a call, as the first argument of whatever answers it.
//!
//! Which of the extractors a call takes is its rule: [`Reader`] needs a key that may look,
//! [`Maker`] one that may make, [`Streamer`] one that may look, and counts as one of the key's open
//! streams until it ends, as does [`Waiter`], which needs one that may make; a [`Viewer`] may look, and
//! counts as a stream once there is something to send. A call without one of them is open to everybody.
//!
//! Where no key is needed, what makes something is refused to the pages of other sites.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{Method, StatusCode};

use super::{Face, Kind, Problem, origin};
use crate::auth::{Refused, StreamPass, Visitor};
use crate::domain::caller::{Caller, Scope};
use crate::telemetry::metrics;

/// A caller who may look.
pub(super) struct Reader(pub Caller);

/// A caller who may make, end and remove.
pub(super) struct Maker(pub Caller);

/// Somebody who may look, and open a stream where it comes to that.
pub(super) struct Viewer(pub Visitor);

/// A caller who may look, for as long as the key is good.
pub(super) struct Streamer {
    /// Who.
    pub caller: Caller,
    /// One of the key's streams; tells when the key is no longer good.
    pub pass: StreamPass,
}

/// A caller who may make, and waits for it for as long as the key is good.
pub(super) struct Waiter {
    /// Who.
    pub caller: Caller,
    /// One of the key's streams; tells when the key is no longer good.
    pub pass: StreamPass,
}

impl FromRequestParts<Face> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, face: &Face) -> Result<Self, Problem> {
        let visitor = visitor(parts, face, Scope::Read).map_err(|refused| problem(&refused))?;
        Ok(Self(visitor.caller().clone()))
    }
}

impl FromRequestParts<Face> for Maker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, face: &Face) -> Result<Self, Problem> {
        at_home(parts, face)?;
        let visitor = visitor(parts, face, Scope::Create);
        let visitor = visitor.map_err(|refused| refused_unread(parts, face, &refused))?;
        Ok(Self(visitor.caller().clone()))
    }
}

impl FromRequestParts<Face> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, face: &Face) -> Result<Self, Problem> {
        let visitor = visitor(parts, face, Scope::Read);
        visitor.map(Self).map_err(|refused| problem(&refused))
    }
}

impl FromRequestParts<Face> for Streamer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, face: &Face) -> Result<Self, Problem> {
        let visitor = visitor(parts, face, Scope::Read).map_err(|refused| problem(&refused))?;
        let pass = visitor.open_stream().map_err(|refused| problem(&refused))?;
        let caller = visitor.caller().clone();
        Ok(Self { caller, pass })
    }
}

impl FromRequestParts<Face> for Waiter {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, face: &Face) -> Result<Self, Problem> {
        at_home(parts, face)?;
        let opened = visitor(parts, face, Scope::Create).and_then(|visitor| {
            let pass = visitor.open_stream()?;
            Ok((visitor, pass))
        });
        let (visitor, pass) = opened.map_err(|refused| refused_unread(parts, face, &refused))?;
        let caller = visitor.caller().clone();
        Ok(Self { caller, pass })
    }
}

/// Refuses the pages of other sites where no key would: what a form can send a browser sends without
/// asking whether it may.
fn at_home(parts: &Parts, face: &Face) -> Result<(), Problem> {
    if face.auth.is_needed() || !origin::is_foreign(parts, &face.settings) {
        return Ok(());
    }
    let message = "a page of another site may not call a server without keys: give it keys, or name the \
                   page's origin in `http.cors.origins`, and its own address in `http.public_url`";
    let refused = Problem::new(StatusCode::FORBIDDEN, Kind::Permission, message);
    Err(refused.code("cross_origin"))
}

fn visitor(parts: &Parts, face: &Face, scope: Scope) -> Result<Visitor, Refused> {
    let visitor = face.auth.authenticate(&parts.headers)?;
    visitor.check(scope)?;
    Ok(visitor)
}

/// The same of what may make something, whose repeat is then a first call.
fn refused_unread(parts: &Parts, face: &Face, refused: &Refused) -> Problem {
    let problem = problem(refused);
    if let Refused::TooFast { key, .. } | Refused::TooManyStreams { key, .. } = refused
        && parts.method == Method::POST
    {
        return face.refused_at_the_gate(key, &parts.headers, problem);
    }
    problem
}

/// Why a call was refused for its key.
pub fn problem(refused: &Refused) -> Problem {
    let message = refused.to_string();
    let (status, kind, code) = meaning(refused);
    metrics::refused(code);
    let problem = match refused {
        Refused::Missing => Problem::new(status, kind, format!("{message}: {HOW}")),
        _ => Problem::new(status, kind, message),
    };
    let problem = problem.code(code.to_ascii_lowercase());
    match refused {
        Refused::TooFast { wait, .. } => problem.retry_after(*wait),
        Refused::TooManyStreams { .. } => problem.retry_after(ASK_AGAIN),
        _ => problem,
    }
}

const fn meaning(refused: &Refused) -> (StatusCode, Kind, &'static str) {
    const WRONG: (StatusCode, Kind) = (StatusCode::UNAUTHORIZED, Kind::Authentication);
    const BARRED: (StatusCode, Kind) = (StatusCode::FORBIDDEN, Kind::Permission);
    const LATER: (StatusCode, Kind) = (StatusCode::TOO_MANY_REQUESTS, Kind::RateLimit);
    let ((status, kind), code) = match refused {
        Refused::Missing => (WRONG, "API_KEY_MISSING"),
        Refused::Invalid(_) => (WRONG, "API_KEY_INVALID"),
        Refused::Expired => (WRONG, "API_KEY_EXPIRED"),
        Refused::Revoked => (WRONG, "API_KEY_REVOKED"),
        Refused::Suspended => (BARRED, "TENANT_SUSPENDED"),
        Refused::Scope(_) => (BARRED, "SCOPE_MISSING"),
        Refused::TooFast { .. } => (LATER, "RATE_LIMITED"),
        Refused::TooManyStreams { .. } => (LATER, "STREAM_LIMIT_REACHED"),
    };
    (status, kind, code)
}

const HOW: &str = "send it as `authorization: Bearer`, `x-api-key` or `x-litellm-api-key`";
/// A wait after which a stream may have ended.
const ASK_AGAIN: Duration = Duration::from_secs(5);
