//! An answer within bounds, or the lack of one.

use std::error::Error as StdError;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::{self, HeaderMap};

use super::retry_after;
use crate::domain::task::{Rejection, RejectionKind, SubmitOutcome};
use crate::provider::redact::clean;
use crate::provider::{ProviderError, ProviderErrorKind};

/// An answer, read to its end or to a limit.
#[derive(Clone, Debug)]
pub(in crate::provider) struct Answer {
    pub(in crate::provider) status: u16,
    pub(in crate::provider) headers: HeaderMap,
    pub(in crate::provider) body: Bytes,
    /// The body went on beyond the limit.
    pub(in crate::provider) overlong: bool,
    /// The body broke off, and why.
    pub(in crate::provider) cut: Option<String>,
}

/// No answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::provider) struct NoAnswer {
    /// Proved: no byte of the request left.
    pub(in crate::provider) not_sent: bool,
    /// What happened, without the URL.
    pub(in crate::provider) words: String,
}

impl Answer {
    /// An answer without headers and body.
    #[cfg(test)]
    pub(in crate::provider) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            overlong: false,
            cut: None,
        }
    }

    pub(in crate::provider) fn content_type(&self) -> Option<&str> {
        self.headers.get(header::CONTENT_TYPE)?.to_str().ok()
    }

    /// The text by which people and logs know it: status, kind and a cleaned excerpt.
    pub(in crate::provider) fn describe(&self) -> String {
        let kind = self.content_type().unwrap_or("no content type");
        let cut = self
            .cut
            .as_deref()
            .map(|why| format!(", {why}"))
            .unwrap_or_default();
        let excerpt = String::from_utf8_lossy(&self.body);
        clean(
            &format!("status {} ({kind}{cut}): {excerpt}", self.status),
            MAX_EVIDENCE,
        )
    }

    /// Whether it says of itself that it is no JSON.
    pub(in crate::provider) fn is_foreign(&self) -> bool {
        self.content_type()
            .is_some_and(|kind| !kind.to_ascii_lowercase().contains("json"))
    }

    /// The error of an answer to a question that is no success.
    pub(in crate::provider) fn failed(&self) -> ProviderError {
        let kind = match self.status {
            404 => ProviderErrorKind::NotFound,
            429 => ProviderErrorKind::RateLimited,
            401 | 403 => ProviderErrorKind::Unauthorized,
            408 | 409 | 425 | 499..=599 => ProviderErrorKind::Unavailable,
            _ => ProviderErrorKind::Unintelligible,
        };
        ProviderError {
            kind,
            retry_after: retry_after(&self.headers),
            message: clean(&self.describe(), MAX_MESSAGE),
        }
    }

    /// The error of a success that cannot be read. Names no part of the body: what cannot be
    /// understood may hold signed URLs in any form.
    pub(in crate::provider) fn unintelligible(&self) -> ProviderError {
        let kind = if self.cut.is_some() {
            ProviderErrorKind::Unavailable
        } else {
            ProviderErrorKind::Unintelligible
        };
        ProviderError {
            kind,
            retry_after: None,
            message: format!(
                "the provider's answer of {} bytes is no such task",
                self.body.len()
            ),
        }
    }

    /// What an answer that proves nothing makes of a create.
    pub(in crate::provider) fn unknown(&self) -> SubmitOutcome {
        SubmitOutcome::Unknown {
            evidence: self.describe(),
        }
    }
}

impl NoAnswer {
    /// What it makes of a create.
    pub(in crate::provider) fn outcome(self) -> SubmitOutcome {
        let words = self.words;
        if self.not_sent {
            return SubmitOutcome::Rejected(Rejection {
                kind: RejectionKind::NotSent,
                message: format!("not sent: {words}"),
                code: String::new(),
                retry_after: None,
            });
        }
        SubmitOutcome::Unknown {
            evidence: format!("no answer to the create: {words}"),
        }
    }
}

impl From<NoAnswer> for ProviderError {
    fn from(none: NoAnswer) -> Self {
        Self {
            kind: ProviderErrorKind::Unavailable,
            retry_after: None,
            message: none.words,
        }
    }
}

/// Reads a body to its end or to `limit`; the client's total timeout bounds the time.
pub(in crate::provider) async fn read(mut response: Response, limit: usize) -> Answer {
    let mut answer = Answer {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        body: Bytes::new(),
        overlong: false,
        cut: None,
    };
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                answer.overlong = chunk.len() > limit - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(limit - body.len())]);
            }
            Ok(None) => break,
            Err(error) => answer.cut = Some(words(error)),
        }
        if answer.overlong || answer.cut.is_some() {
            break;
        }
    }
    answer.body = body.freeze();
    answer
}

/// The innermost cause of an error in a few words, without the URL.
pub(in crate::provider) fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let kind = if error.is_timeout() {
        "timed out"
    } else {
        "failed"
    };
    let mut cause: &dyn StdError = &error;
    for _ in 0..MAX_CAUSES {
        let Some(inner) = cause.source() else { break };
        cause = inner;
    }
    clean(&format!("{kind}: {cause}"), MAX_WORDS)
}

const MAX_CAUSES: usize = 16;
const MAX_WORDS: usize = 200;
/// Longest evidence, in characters.
const MAX_EVIDENCE: usize = 1000;
/// Longest message, in characters.
pub(in crate::provider) const MAX_MESSAGE: usize = 500;
/// Longest provider code, in characters.
pub(in crate::provider) const MAX_CODE: usize = 200;
