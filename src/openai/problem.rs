//! The one shape of an error: `{"error":{"message","type","param","code"}}` under the right status.
//!
//! OpenAI's clients repeat 408, 409, 429 and every 5xx by themselves unless `x-should-retry` says
//! otherwise, so each problem says it: what a repeat cannot mend is not repeated, and nothing that may
//! have been paid for is asked for again.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use crate::domain::id::TaskId;

/// Whose fault it is, in OpenAI's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request's.
    InvalidRequest,
    /// The key's: there is none, or it is not good.
    Authentication,
    /// The key's: it is good for other things.
    Permission,
    /// An idempotency key stands for another request.
    Idempotency,
    /// It was asked too much at once; later it may be taken.
    RateLimit,
    /// What the key may spend is spent.
    Quota,
    /// Nobody offers it.
    NotSupported,
    /// Ours.
    Server,
}

/// Why a call was not done.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    kind: Kind,
    code: Cow<'static, str>,
    message: String,
    param: Option<String>,
    retry_after: Option<Duration>,
    is_repeatable: bool,
    takes_identity: bool,
    task: Option<TaskId>,
}

impl Kind {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request_error",
            Self::Authentication => "authentication_error",
            Self::Permission => "permission_error",
            Self::Idempotency => "idempotency_error",
            Self::RateLimit => "rate_limit_error",
            Self::Quota => "insufficient_quota",
            Self::NotSupported => "not_supported",
            Self::Server => "server_error",
        }
    }
}

impl Problem {
    /// A problem; its code is its kind until it is given one. 429 and 503 may be repeated, others not.
    pub fn new(status: StatusCode, kind: Kind, message: impl Into<String>) -> Self {
        let later = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        Self {
            status,
            kind,
            code: Cow::Borrowed(kind.as_str()),
            message: message.into(),
            param: None,
            retry_after: None,
            is_repeatable: later.contains(&status),
            takes_identity: false,
            task: None,
        }
    }

    /// 400 for a field: `problem` goes on where the field's name ends.
    pub fn field(param: impl Into<String>, problem: &str) -> Self {
        let param = param.into();
        let message = format!("{param} {problem}");
        let bad = Self::new(StatusCode::BAD_REQUEST, Kind::InvalidRequest, message);
        bad.param(param).code("invalid_value")
    }

    /// What exactly it is, for programs.
    #[must_use]
    pub fn code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = code.into();
        self
    }

    /// The field that is to blame.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// When it is worth asking again; in whole seconds on the wire, rounded up, at least one.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Tells clients not to repeat it by themselves.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.is_repeatable = false;
        self
    }

    /// The task that it is about, which goes with it as `x-litellm-call-id`.
    #[must_use]
    pub fn task(mut self, id: TaskId) -> Self {
        self.task = Some(id);
        self
    }

    /// Tells that a body is taken as it is, and in no code; for what was refused for that alone.
    #[must_use]
    pub fn takes_identity(mut self) -> Self {
        self.takes_identity = true;
        self
    }

    /// Leaves out which task it is about, for who may not know it.
    #[must_use]
    pub fn of_no_task(mut self) -> Self {
        self.task = None;
        self
    }

    /// Adds to what people read.
    #[must_use]
    pub fn noting(mut self, note: &str) -> Self {
        self.message = format!("{} ({note})", self.message);
        self
    }

    /// Whether a client's library repeats the call by itself.
    pub const fn is_repeatable(&self) -> bool {
        self.is_repeatable
    }

    /// When it is worth asking again, as it is told.
    pub const fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "error": {
                "message": self.message,
                "type": self.kind.as_str(),
                "param": self.param,
                "code": self.code,
            }
        });
        let mut answer = (self.status, Json(body)).into_response();
        let headers = answer.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let repeat = if self.is_repeatable { "true" } else { "false" };
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(repeat));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.takes_identity {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(id) = self.task
            && let Ok(id) = HeaderValue::from_str(&id.to_string())
        {
            headers.insert(CALL_ID, id);
        }
        answer
    }
}

/// The beginning of something that a caller sent, fit to be shown.
pub fn shortened(text: &str) -> String {
    let shown: String = text.escape_debug().take(MOST_SHOWN).collect();
    if shown.len() < text.len() && shown.chars().count() == MOST_SHOWN {
        shown + "…"
    } else {
        shown
    }
}

/// What OpenAI's clients ask before they repeat a call.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// The task of a call, as LiteLLM names it.
pub const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
/// Characters of a caller's text in a message.
const MOST_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_whole_seconds_and_never_none() {
        for (millis, told) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
            let wait = Duration::from_millis(millis);
            let full = Problem::new(StatusCode::TOO_MANY_REQUESTS, Kind::RateLimit, "full");
            let answer = full.retry_after(wait).into_response();
            assert_eq!(answer.headers()[RETRY_AFTER], told);
            assert_eq!(answer.headers()[SHOULD_RETRY], "true");
        }
    }

    #[test]
    fn what_a_caller_sent_is_shown_short_and_without_control_characters() {
        assert_eq!(shortened("a\nb"), "a\\nb");
        assert_eq!(shortened(&"x".repeat(500)).chars().count(), MOST_SHOWN + 1);
    }
}
