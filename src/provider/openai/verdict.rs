//! What an answer to a create call proves.
//!
//! The table is the money's safety: an answer that is not *known* to mean "nothing was made" is
//! unknown, whatever it looks like. The API documents no status that means "overloaded, and surely
//! not accepted", so a 503 proves nothing here.

use serde::Deserialize;

use super::images;
use super::wire::{Refusal, Usage, apart};
use crate::domain::money::UsdRate;
use crate::domain::task::{Rejection, RejectionKind, SubmitOutcome};
use crate::provider::http::{Answer, Loose, MAX_CODE, MAX_MESSAGE, is_shallow, retry_after};
use crate::provider::redact::clean;

/// Classifies a whole answer to a create; `accepted` reads a success.
pub(super) fn judge(
    answer: &Answer,
    accepted: impl FnOnce(&Answer) -> Option<SubmitOutcome>,
) -> SubmitOutcome {
    if (200..300).contains(&answer.status) {
        return accepted(answer).unwrap_or_else(|| unknown(answer));
    }
    match kind(answer) {
        Some(kind) => rejected(kind, answer),
        None => unknown(answer),
    }
}

/// Whose fault it proves to be that nothing was made; `None`: it proves nothing.
fn kind(answer: &Answer) -> Option<RejectionKind> {
    let refusal = Refusal::read(answer);
    match (answer.status, refusal) {
        (400 | 401..=405 | 413 | 415 | 422 | 429, Some(refusal)) if refusal.is_moderation() => {
            Some(RejectionKind::Moderated)
        }
        (400..=403 | 429, Some(refusal)) if refusal.is_about_money() => {
            Some(RejectionKind::Account)
        }
        (400 | 413 | 415 | 422, Some(_)) => Some(RejectionKind::Caller),
        // Where a redirect leads was not followed. A 303 would be the answer of a server that took it.
        (401..=405, Some(_)) | (301 | 302 | 307 | 308, _) => Some(RejectionKind::Account),
        (429, _) => Some(RejectionKind::Quota),
        _ => None,
    }
}

/// Whether a video's id is one that we put into a path.
pub(super) fn is_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.=:~+".contains(&b);
    (1..=MAX_ID).contains(&id.len())
        && id.bytes().all(plain)
        && id.bytes().any(|b| b.is_ascii_alphanumeric())
}

#[derive(Deserialize)]
struct Created {
    id: Loose,
    #[serde(default, deserialize_with = "apart")]
    usage: Usage,
}

/// The answer to the create of a video.
pub(super) fn accepted(answer: &Answer, rate: UsdRate) -> Option<SubmitOutcome> {
    if answer.is_foreign() || answer.overlong || !is_shallow(&answer.body) {
        return None;
    }
    // A body that was cut counts only if what came is a whole document: then the id is whole too.
    let created: Created = serde_json::from_slice(&answer.body).ok()?;
    let own = |id: &&str| is_id(id) && images::count(id).is_none();
    let id = created.id.text().filter(own)?;
    Some(SubmitOutcome::Accepted {
        upstream_id: id.to_owned(),
        estimated: created.usage.named(rate),
        finished: None,
    })
}

fn rejected(kind: RejectionKind, answer: &Answer) -> SubmitOutcome {
    let refusal = Refusal::read(answer);
    let message = match &refusal {
        Some(refusal) => clean(&refusal.words(), MAX_MESSAGE),
        None => clean(&answer.describe(), MAX_MESSAGE),
    };
    let code = refusal.map(|refusal| clean(&refusal.code, MAX_CODE));
    SubmitOutcome::Rejected(Rejection {
        kind,
        message,
        code: code
            .filter(|code| !code.is_empty())
            .unwrap_or_else(|| answer.status.to_string()),
        retry_after: retry_after(&answer.headers),
    })
}

/// An image may stand in what cannot be read: of a success only its length is told.
fn unknown(answer: &Answer) -> SubmitOutcome {
    if answer.body.len() <= MAX_TOLD {
        return answer.unknown();
    }
    let (status, length) = (answer.status, answer.body.len());
    let cut = answer.cut.as_deref().unwrap_or("not as it must be");
    SubmitOutcome::Unknown {
        evidence: format!("status {status} with {length} bytes: {cut}"),
    }
}

/// Longest video id, in bytes. Proxies put a deployment and a model into theirs.
const MAX_ID: usize = 512;
/// Longest body that is shown in part.
const MAX_TOLD: usize = 64 * 1024;
