//! Reads Runway's task object, and what a failed poll or cancel means.
//!
//! The status is an open enum: an unknown word is neither success nor failure. Answers to create
//! calls are judged in `verdict`.

use serde::Deserialize;

use crate::domain::task::{Failure, FailureReason, Observation, Progress, UpstreamStatus};
use crate::provider::ProviderError;
use crate::provider::http::{Answer, Loose, MAX_CODE, MAX_MESSAGE, apart, is_shallow};
use crate::provider::redact::clean;

#[derive(Deserialize)]
struct TaskBody {
    id: Loose,
    status: Loose,
    #[serde(default, deserialize_with = "apart")]
    progress: Loose,
    #[serde(default, deserialize_with = "apart")]
    cost: Loose,
    #[serde(default)]
    output: Loose,
    #[serde(default)]
    failure: Loose,
    #[serde(default, rename = "failureCode")]
    failure_code: Loose,
}

/// Reads the answer to a question about the task `id`.
pub(super) fn observation(answer: &Answer, id: &str) -> Result<Observation, ProviderError> {
    if answer.status != 200 {
        return Err(answer.failed());
    }
    let body = read(answer, id).ok_or_else(|| answer.unintelligible())?;
    let status = status(&body);
    Ok(Observation {
        progress: body.progress.number().map(Progress::from_share),
        cost: body.cost.millicredits(),
        outputs: match status {
            UpstreamStatus::Succeeded => body.output.into_texts(),
            _ => Vec::new(),
        },
        status,
    })
}

fn read(answer: &Answer, id: &str) -> Option<TaskBody> {
    if answer.overlong || !is_shallow(&answer.body) {
        return None;
    }
    let body: TaskBody = serde_json::from_slice(&answer.body).ok()?;
    (body.id.text() == Some(id) && body.status.text().is_some()).then_some(body)
}

fn status(body: &TaskBody) -> UpstreamStatus {
    match body.status.text().unwrap_or_default() {
        "PENDING" => UpstreamStatus::Pending,
        "THROTTLED" => UpstreamStatus::Throttled,
        "RUNNING" => UpstreamStatus::Running,
        "SUCCEEDED" => UpstreamStatus::Succeeded,
        "CANCELLED" => UpstreamStatus::Cancelled,
        "FAILED" => UpstreamStatus::Failed(failure(body)),
        other => UpstreamStatus::Unrecognised(clean(other, MAX_STATUS)),
    }
}

fn failure(body: &TaskBody) -> Failure {
    let code = body.failure_code.text().unwrap_or_default();
    let (reason, message) = classify(code);
    Failure {
        reason,
        message: message.to_owned(),
        provider_code: clean(code, MAX_CODE),
        provider_message: clean(body.failure.text().unwrap_or_default(), MAX_MESSAGE),
    }
}

/// By prefix: the list of codes is open-ended.
fn classify(code: &str) -> (FailureReason, &'static str) {
    let is = |prefix: &str| {
        code.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if is("SAFETY.OUTPUT") {
        let message =
            "the provider's moderation refused the output; such a generation may be charged";
        (FailureReason::ModeratedOutput, message)
    } else if is("SAFETY") || is("INPUT_PREPROCESSING.SAFETY") {
        let message =
            "the provider's moderation refused an input; such a generation may be charged";
        (FailureReason::ModeratedInput, message)
    } else if is("ASSET.INVALID") {
        (
            FailureReason::InvalidInput,
            "an input's media is not what the model takes",
        )
    } else if is("THIRD_PARTY") {
        (
            FailureReason::GenerationFailed,
            "the model's own provider was not available",
        )
    } else {
        (
            FailureReason::GenerationFailed,
            "the provider could not generate it",
        )
    }
}

/// Longest unknown status that is kept, in characters.
const MAX_STATUS: usize = 64;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::money::Millicredits;
    use crate::provider::ProviderErrorKind;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            body: Bytes::copy_from_slice(body.as_bytes()),
            ..Answer::empty(status)
        }
    }

    fn seen(body: &str) -> Observation {
        observation(&answer(200, body), "t").unwrap()
    }

    #[test]
    fn every_status_is_read() {
        for (word, expected) in [
            ("PENDING", UpstreamStatus::Pending),
            ("THROTTLED", UpstreamStatus::Throttled),
            ("RUNNING", UpstreamStatus::Running),
            ("SUCCEEDED", UpstreamStatus::Succeeded),
            ("CANCELLED", UpstreamStatus::Cancelled),
            (
                "QUEUED_V2",
                UpstreamStatus::Unrecognised("QUEUED_V2".into()),
            ),
            (
                "succeeded",
                UpstreamStatus::Unrecognised("succeeded".into()),
            ),
        ] {
            assert_eq!(
                seen(&format!(r#"{{"id":"t","status":"{word}"}}"#)).status,
                expected
            );
        }
    }

    #[test]
    fn a_finished_task_tells_its_price_and_outputs() {
        let seen = seen(
            r#"{"id":"t","status":"SUCCEEDED","createdAt":"2036-01-01T00:00:00Z",
                "output":["https://a/1?_jwt=x",null,7,"https://a/2"],"cost":{"credits":25}}"#,
        );
        assert_eq!(seen.outputs, ["https://a/1?_jwt=x", "https://a/2"]);
        assert_eq!(seen.cost, Some(Millicredits(25_000)));
    }

    #[test]
    fn a_price_of_any_form_costs_us_nothing_of_the_task() {
        for (cost, expected) in [
            ("", None),
            (r#","cost":null"#, None),
            (r#","cost":{"credits":0}"#, Some(0)),
            (r#","cost":{"credits":24.5}"#, Some(24_500)),
            (r#","cost":{"credits":-3}"#, None),
            (r#","cost":{"credits":1e18}"#, None),
            (r#","cost":{"credits":1e999}"#, None),
            (r#","cost":{"credits":"25"}"#, None),
            (r#","cost":25"#, None),
            (r#","cost":[1e999,{}]"#, None),
        ] {
            let seen = seen(&format!(
                r#"{{"id":"t","output":["https://a/1"],"status":"SUCCEEDED"{cost}}}"#
            ));
            assert_eq!(seen.cost, expected.map(Millicredits), "{cost}");
            assert_eq!(seen.outputs, ["https://a/1"]);
        }
    }

    #[test]
    fn progress_is_clamped_and_nonsense_is_none() {
        for (json, expected) in [
            ("0.25", Some(2_500)),
            ("-1", Some(0)),
            ("1e308", Some(10_000)),
            ("\"x\"", None),
            ("1e999", None),
            ("null", None),
        ] {
            let body = format!(r#"{{"id":"t","status":"RUNNING","progress":{json}}}"#);
            assert_eq!(
                seen(&body).progress.map(Progress::ten_thousandths),
                expected,
                "{json}"
            );
        }
    }

    #[test]
    fn failures_are_classified_by_prefix() {
        for (code, reason) in [
            ("SAFETY.INPUT.TEXT", FailureReason::ModeratedInput),
            ("SAFETY.INPUT", FailureReason::ModeratedInput),
            ("SAFETY.OUTPUT.VIDEO", FailureReason::ModeratedOutput),
            ("SAFETY.NEW", FailureReason::ModeratedInput),
            (
                "INPUT_PREPROCESSING.SAFETY.TEXT",
                FailureReason::ModeratedInput,
            ),
            (
                "INPUT_PREPROCESSING.INTERNAL",
                FailureReason::GenerationFailed,
            ),
            ("ASSET.INVALID", FailureReason::InvalidInput),
            (
                "INTERNAL.BAD_OUTPUT.CODE01",
                FailureReason::GenerationFailed,
            ),
            ("THIRD_PARTY.UNAVAILABLE", FailureReason::GenerationFailed),
            ("SAFETYISH", FailureReason::GenerationFailed),
            ("", FailureReason::GenerationFailed),
        ] {
            let body = format!(
                r#"{{"id":"t","status":"FAILED","failure":"no\u0000 key_0123456789abcdef","failureCode":"{code}"}}"#
            );
            let UpstreamStatus::Failed(failure) = seen(&body).status else {
                panic!("{code}")
            };
            assert_eq!(failure.reason, reason, "{code}");
            assert_eq!(failure.provider_code, code);
            assert_eq!(failure.provider_message, "no\\u{0} key_***");
        }
        let UpstreamStatus::Failed(bare) = seen(r#"{"id":"t","status":"FAILED"}"#).status else {
            panic!()
        };
        assert_eq!(
            (bare.reason, bare.provider_code.as_str()),
            (FailureReason::GenerationFailed, "")
        );
    }

    #[test]
    fn what_is_not_this_task_is_unintelligible() {
        let deep = format!(
            r#"{{"id":"t","status":"RUNNING","x":{}"#,
            "[".repeat(10_000)
        );
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "<html>",
            r#"{"id":"t"}"#,
            r#"{"id":"u","status":"RUNNING"}"#,
            r#"{"id":1,"status":"RUNNING"}"#,
            r#"{"id":"t","status":3}"#,
            r#"{"id":"t","id":"t","status":"RUNNING"}"#,
            r#"{"id":"t","status":"RUNNING""#,
            &deep,
        ] {
            let error = observation(&answer(200, body), "t").unwrap_err();
            assert_eq!(error.kind, ProviderErrorKind::Unintelligible, "{body}");
        }
    }

    #[test]
    fn statuses_say_what_to_do_next() {
        for (status, kind) in [
            (404, ProviderErrorKind::NotFound),
            (429, ProviderErrorKind::RateLimited),
            (401, ProviderErrorKind::Unauthorized),
            (403, ProviderErrorKind::Unauthorized),
            (500, ProviderErrorKind::Unavailable),
            (503, ProviderErrorKind::Unavailable),
            (408, ProviderErrorKind::Unavailable),
            (302, ProviderErrorKind::Unintelligible),
            (204, ProviderErrorKind::Unintelligible),
        ] {
            assert_eq!(
                observation(&answer(status, "{}"), "t").unwrap_err().kind,
                kind,
                "{status}"
            );
        }
    }
}
