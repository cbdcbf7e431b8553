//! What an answer to a create call proves.
//!
//! The table is the money's safety: an answer that is not *known* to mean "no task exists" is
//! unknown, whatever it looks like. Runway has no idempotency key and no list of tasks, so a wrong
//! *rejected* here is a second charge.

use serde::{Deserialize, Deserializer};

use crate::domain::task::{Rejection, RejectionKind, SubmitOutcome};
use crate::provider::http::{Answer, Loose, MAX_CODE, MAX_MESSAGE, apart, is_shallow, retry_after};
use crate::provider::redact::clean;

/// Classifies a whole answer to a create.
pub(super) fn judge(answer: &Answer, trust_503: bool) -> SubmitOutcome {
    match answer.status {
        200..=299 => accepted(answer).unwrap_or_else(|| answer.unknown()),
        400 | 413 | 415 | 422 => match Refusal::read(&answer.body) {
            Some(refusal) if answer.status == 400 && refusal.is_about_credits() => {
                rejected(RejectionKind::Account, answer)
            }
            Some(_) => rejected(RejectionKind::Caller, answer),
            None => answer.unknown(),
        },
        401..=405 | 300..=399 => rejected(RejectionKind::Account, answer),
        429 => rejected(RejectionKind::Quota, answer),
        503 if trust_503 => rejected(RejectionKind::Unavailable, answer),
        _ => answer.unknown(),
    }
}

/// Whether a provider's task id is one that we put into a path.
pub(super) fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[derive(Deserialize)]
struct Created {
    id: Loose,
    #[serde(default, rename = "estimatedCost", deserialize_with = "apart")]
    estimated_cost: Loose,
}

/// An error body, in either of the forms that were seen.
#[derive(Default, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    error: Loose,
    #[serde(default)]
    message: Loose,
    #[serde(default)]
    code: Loose,
    #[serde(default, deserialize_with = "issues")]
    issues: Vec<Issue>,
}

#[derive(Default, Deserialize)]
struct Issue {
    #[serde(default)]
    path: Vec<serde_json::Value>,
    #[serde(default)]
    message: Loose,
}

/// Whatever of the issues can be read: their shape must not turn a refusal into an unknown.
fn issues<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Issue>, D::Error> {
    let given = serde_json::Value::deserialize(from)?;
    let listed = given.as_array().map_or(&[][..], Vec::as_slice);
    Ok(listed
        .iter()
        .filter_map(|issue| serde_json::from_value(issue.clone()).ok())
        .collect())
}

impl Refusal {
    /// Reads a JSON object with an error in it; `None` for anything else.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let refusal: Self = is_shallow(body).then(|| serde_json::from_slice(body).ok())??;
        refusal.sentence().is_some().then_some(refusal)
    }

    fn sentence(&self) -> Option<&str> {
        self.error
            .text()
            .or(self.message.text())
            .filter(|text| !text.is_empty())
    }

    /// An empty account is reported as a 400 that only its words tell from a bad request.
    fn is_about_credits(&self) -> bool {
        let text = self.sentence().unwrap_or_default().to_ascii_lowercase();
        let lack = [
            "not have enough",
            "not enough",
            "insufficient",
            "no credits",
            "out of credits",
        ];
        self.issues.is_empty()
            && text.contains("credit")
            && lack.iter().any(|word| text.contains(word))
    }

    /// The provider's sentence with the fields it names.
    pub(super) fn words(&self) -> String {
        let mut words = self.sentence().unwrap_or_default().to_owned();
        for issue in self.issues.iter().take(MAX_ISSUES) {
            let path: Vec<String> = issue.path.iter().map(step).collect();
            let problem = issue.message.text().unwrap_or("not accepted");
            words.extend(["; ", &path.join("."), ": ", problem]);
        }
        words
    }

    pub(super) fn code(&self) -> Option<&str> {
        self.code.text().filter(|code| !code.is_empty())
    }
}

fn step(step: &serde_json::Value) -> String {
    step.as_str()
        .map_or_else(|| step.to_string(), str::to_owned)
}

fn accepted(answer: &Answer) -> Option<SubmitOutcome> {
    if answer.is_foreign() || answer.overlong || !is_shallow(&answer.body) {
        return None;
    }
    // A body that was cut counts only if what came is a whole document: then the id is whole too.
    let created: Created = serde_json::from_slice(&answer.body).ok()?;
    let id = created.id.text().filter(|id| is_id(id))?;
    Some(SubmitOutcome::Accepted {
        upstream_id: id.to_owned(),
        estimated: created.estimated_cost.millicredits(),
        finished: None,
    })
}

fn rejected(kind: RejectionKind, answer: &Answer) -> SubmitOutcome {
    let refusal = Refusal::read(&answer.body);
    let message = match &refusal {
        Some(refusal) => clean(&refusal.words(), MAX_MESSAGE),
        None => clean(&answer.describe(), MAX_MESSAGE),
    };
    let code = refusal
        .as_ref()
        .and_then(Refusal::code)
        .map(|code| clean(code, MAX_CODE));
    SubmitOutcome::Rejected(Rejection {
        kind,
        message,
        code: code.unwrap_or_else(|| answer.status.to_string()),
        retry_after: retry_after(&answer.headers),
    })
}

/// Longest provider task id.
const MAX_ID: usize = 200;
/// Most issues of a refusal that are named.
const MAX_ISSUES: usize = 8;
