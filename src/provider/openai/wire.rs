//! Reads the video object, the error envelope and prices.
//!
//! The status is an open enum: an unknown word is neither success nor failure.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

use crate::domain::money::{Millicredits, UsdRate};
use crate::domain::task::{Failure, FailureReason, Observation, Progress, UpstreamStatus};
use crate::provider::ProviderError;
use crate::provider::http::{Answer, Loose, MAX_CODE, MAX_MESSAGE, is_shallow};
use crate::provider::redact::clean;

#[derive(Deserialize)]
struct Video {
    id: Loose,
    status: Loose,
    #[serde(default, deserialize_with = "apart")]
    progress: Loose,
    #[serde(default, deserialize_with = "apart")]
    usage: Usage,
    #[serde(default, deserialize_with = "apart")]
    error: Envelope,
}

/// What a server says of the price, in dollars.
#[derive(Default, Deserialize)]
pub(super) struct Usage {
    #[serde(default, deserialize_with = "apart")]
    provider_reported_cost_usd: Loose,
    #[serde(default, deserialize_with = "apart")]
    cost_usd: Loose,
    #[serde(default, deserialize_with = "apart")]
    cost_is_estimate: Option<bool>,
}

/// The inside of an error.
#[derive(Default, Deserialize)]
struct Envelope {
    #[serde(default, deserialize_with = "apart")]
    code: Loose,
    #[serde(default, deserialize_with = "apart")]
    message: Loose,
    #[serde(default, rename = "type", deserialize_with = "apart")]
    kind: Loose,
    #[serde(default, deserialize_with = "apart")]
    param: Loose,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default, deserialize_with = "apart")]
    error: Option<Box<RawValue>>,
    /// What the framework under many servers says before they are asked.
    #[serde(default, deserialize_with = "apart")]
    detail: Option<Box<RawValue>>,
}

/// An error that a server put into JSON.
pub(super) struct Refusal {
    message: String,
    /// Its code, or its type where it has none; empty: neither.
    pub(super) code: String,
    kind: String,
    param: String,
}

/// Reads a member on its own: whatever it holds, the members beside it are read.
pub(super) fn apart<'de, D, T>(source: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let text = Box::<RawValue>::deserialize(source)?;
    Ok(serde_json::from_str(text.get()).unwrap_or_default())
}

/// Reads the answer to a question about the video `id`.
pub(super) fn observation(
    answer: &Answer,
    id: &str,
    rate: UsdRate,
) -> Result<Observation, ProviderError> {
    if answer.status != 200 {
        return Err(answer.failed());
    }
    let video = read(answer, id).ok_or_else(|| answer.unintelligible())?;
    let status = status(&video);
    let done = matches!(
        status,
        UpstreamStatus::Succeeded | UpstreamStatus::Failed(_)
    );
    Ok(Observation {
        progress: video
            .progress
            .number()
            .map(|percent| Progress::from_share(percent / 100.0)),
        cost: video.usage.charged(rate).filter(|_| done),
        outputs: match status {
            UpstreamStatus::Succeeded => vec![format!("{CONTENT}{id}")],
            _ => Vec::new(),
        },
        status,
    })
}

/// Whether the answer to a delete says that the video is still there.
pub(super) fn is_kept(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Deleted {
        #[serde(default, deserialize_with = "apart")]
        deleted: Option<bool>,
    }
    is_shallow(&answer.body)
        && serde_json::from_slice(&answer.body)
            .is_ok_and(|said: Deleted| said.deleted == Some(false))
}

fn read(answer: &Answer, id: &str) -> Option<Video> {
    if answer.overlong || !is_shallow(&answer.body) {
        return None;
    }
    let video: Video = serde_json::from_slice(&answer.body).ok()?;
    (video.id.text() == Some(id) && video.status.text().is_some()).then_some(video)
}

fn status(video: &Video) -> UpstreamStatus {
    match video.status.text().unwrap_or_default() {
        "queued" | "pending" => UpstreamStatus::Pending,
        "in_progress" | "processing" | "running" => UpstreamStatus::Running,
        "completed" => UpstreamStatus::Succeeded,
        "cancelled" | "canceled" => UpstreamStatus::Cancelled,
        "failed" => UpstreamStatus::Failed(failure(&video.error)),
        other => UpstreamStatus::Unrecognised(clean(other, MAX_STATUS)),
    }
}

fn failure(error: &Envelope) -> Failure {
    let code = error.code.text().unwrap_or_default();
    let (reason, message) = classify(code);
    Failure {
        reason,
        message: message.to_owned(),
        provider_code: clean(code, MAX_CODE),
        provider_message: clean(error.message.text().unwrap_or_default(), MAX_MESSAGE),
    }
}

/// By the words in the code: servers write their own.
fn classify(code: &str) -> (FailureReason, &'static str) {
    let code = code.to_ascii_lowercase();
    if is_moderation(&code) && code.contains("output") {
        let message =
            "the provider's moderation refused the output; such a generation may be charged";
        (FailureReason::ModeratedOutput, message)
    } else if is_moderation(&code) {
        let message =
            "the provider's moderation refused an input; such a generation may be charged";
        (FailureReason::ModeratedInput, message)
    } else if code.starts_with("invalid") {
        (FailureReason::InvalidInput, "the model refused the request")
    } else {
        (
            FailureReason::GenerationFailed,
            "the provider could not generate it",
        )
    }
}

fn is_moderation(code: &str) -> bool {
    let words = ["moderation", "content_policy", "content_filter", "safety"];
    words.iter().any(|word| code.contains(word))
}

impl Refusal {
    /// The error of an answer; `None` where its body is no error in JSON.
    pub(super) fn read(answer: &Answer) -> Option<Self> {
        let body = &answer.body;
        let body: ErrorBody = is_shallow(body).then(|| serde_json::from_slice(body).ok())??;
        let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
        let error = body.error.or(body.detail)?;
        let envelope: Envelope = match error.get().as_bytes().first()? {
            b'{' => serde_json::from_str(error.get()).ok()?,
            b'"' => Envelope {
                message: Loose::Text(text(&error)?),
                ..Envelope::default()
            },
            // A list of fields, each with what is wrong with it.
            b'[' => Envelope {
                message: Loose::Text(error.get().to_owned()),
                ..Envelope::default()
            },
            _ => return None,
        };
        let word = |part: &Loose| match part {
            Loose::Number(number) => number.to_string(),
            part => part.text().unwrap_or_default().to_owned(),
        };
        let refusal = Self {
            message: word(&envelope.message),
            code: word(&envelope.code),
            kind: word(&envelope.kind),
            param: word(&envelope.param),
        };
        let says = !refusal.message.is_empty() || !refusal.code.is_empty();
        says.then_some(refusal)
    }

    pub(super) fn is_moderation(&self) -> bool {
        is_moderation(&self.code.to_ascii_lowercase())
    }

    /// Whether the account is out of credits, of its budget or of its contract.
    pub(super) fn is_about_money(&self) -> bool {
        [&self.code, &self.kind].into_iter().any(|word| {
            let word = word.to_ascii_lowercase();
            word == "insufficient_quota" || word.contains("billing") || word == "budget_exceeded"
        })
    }

    /// The server's sentence, with the field it names.
    pub(super) fn words(&self) -> String {
        match &*self.param {
            "" => self.message.clone(),
            param => format!("{param}: {}", self.message),
        }
    }
}

impl Usage {
    /// What was charged; `None` where the server says nothing, or guesses.
    fn charged(&self, rate: UsdRate) -> Option<Millicredits> {
        let guess = self.cost_is_estimate == Some(true);
        let cost = self.cost_usd.number().filter(|_| !guess);
        credits(self.provider_reported_cost_usd.number().or(cost)?, rate)
    }

    /// Whatever it names.
    pub(super) fn named(&self, rate: UsdRate) -> Option<Millicredits> {
        let reported = self.provider_reported_cost_usd.number();
        credits(reported.or(self.cost_usd.number())?, rate)
    }
}

/// Dollars as credits, rounded up: what is not nothing never becomes nothing. `None` where it is no
/// sensible amount.
pub(super) fn credits(usd: f64, rate: UsdRate) -> Option<Millicredits> {
    if !(0.0..=MAX_USD).contains(&usd) || rate.0 == 0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked; a part of a nanodollar is rounding"
    )]
    let nanos = (usd * 1e9).round() as u128;
    let least = u128::from(usd > 0.0);
    let exact = nanos.div_ceil(u128::from(rate.0)).max(least);
    u64::try_from(exact).ok().map(Millicredits)
}

/// How an output begins that is fetched with the account's key; the video's id follows.
pub(super) const CONTENT: &str = "content:";
/// Longest unknown status that is kept, in characters.
const MAX_STATUS: usize = 64;
/// Largest price that is believed, in dollars.
const MAX_USD: f64 = 1e6;
