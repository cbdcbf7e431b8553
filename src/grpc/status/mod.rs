//! Error statuses: a closed reason in, a complete `tonic::Status` out.
//!
//! Every status carries an `ErrorInfo` of domain `mediagen`, and as fits a `BadRequest`, a
//! `QuotaFailure` and a `RetryInfo`. Which [`Reason`] a failure has is for the caller to say, in
//! one total `match` per face; texts that come in here are shown to clients as they are.

mod reason;

use std::collections::HashMap;
use std::time::Duration;

use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, QuotaViolation, StatusExt as _};

pub use reason::{Advice, Reason};

/// An error on its way to a client.
///
/// Texts are cut, and details that would not fit are left out, so that the trailers stay below
/// 4 KiB: many proxies and clients drop a whole response over larger ones.
#[derive(Clone, Debug)]
pub struct Refusal {
    reason: Reason,
    message: String,
    metadata: Vec<(&'static str, String)>,
    fields: Vec<FieldViolation>,
    quotas: Vec<QuotaViolation>,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with a sentence for people. Where waiting helps, a default delay is set.
    pub fn new(reason: Reason, message: impl AsRef<str>) -> Self {
        Self {
            reason,
            message: cut(message.as_ref(), MESSAGE_MAX),
            metadata: Vec::new(),
            fields: Vec::new(),
            quotas: Vec::new(),
            retry_after: default_delay(reason.advice()),
        }
    }

    /// A bug: the client learns an id to report and nothing else.
    pub fn bug(incident_id: &str) -> Self {
        Self::new(
            Reason::InternalBug,
            "internal error; report the incident id",
        )
        .metadata("incidentId", incident_id)
    }

    /// Adds a bad field, by its path in the request (`input_references[0].url`), and what is
    /// wrong with it and what is allowed. Call once per bad field.
    #[must_use]
    pub fn field(mut self, path: &str, problem: &str) -> Self {
        self.fields.push(FieldViolation::new(
            cut(path, NAME_MAX),
            cut(problem, PROBLEM_MAX),
        ));
        self
    }

    /// Adds a limit that was hit: whose it is (`key:…`, `tenant:…`) and which.
    #[must_use]
    pub fn quota(mut self, subject: &str, limit: &str) -> Self {
        self.quotas.push(QuotaViolation::new(
            cut(subject, NAME_MAX),
            cut(limit, TEXT_MAX),
        ));
        self
    }

    /// Adds a fact for programs; keys are lowerCamel (`taskId`, `nextOffset`).
    #[must_use]
    pub fn metadata(mut self, key: &'static str, value: impl AsRef<str>) -> Self {
        self.metadata.push((key, cut(value.as_ref(), TEXT_MAX)));
        self
    }

    /// Sets how long to wait before the call is worth repeating.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The reason.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The status to send.
    pub fn into_status(self) -> Status {
        let mut budget = Budget(DETAILS_MAX);
        let mut metadata: HashMap<_, _> = self
            .metadata
            .into_iter()
            .filter(|(key, value)| budget.takes(key.len() + value.len()))
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let mut quotas = self.quotas;
        quotas.retain(|quota| budget.takes(quota.subject.len() + quota.description.len()));
        let given = self.fields.len();
        let mut fields = self.fields;
        budget.shorten(&mut fields);
        fields.retain(|field| budget.takes(field.field.len() + field.description.len()));
        if fields.len() < given {
            metadata.insert(
                "omittedFields".to_owned(),
                (given - fields.len()).to_string(),
            );
        }
        let mut details = ErrorDetails::with_error_info(self.reason.name(), DOMAIN, metadata);
        if !fields.is_empty() {
            details.set_bad_request(fields);
        }
        if !quotas.is_empty() {
            details.set_quota_failure(quotas);
        }
        if self.retry_after.is_some() {
            details.set_retry_info(self.retry_after);
        }
        Status::with_error_details(self.reason.code(), self.message, details)
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        refusal.into_status()
    }
}

/// Bytes left for details whose length the outside decides.
struct Budget(usize);

impl Budget {
    /// Whether a detail with this much text fits; if so, it is counted.
    fn takes(&mut self, text: usize) -> bool {
        let cost = text + FRAMING;
        let fits = cost <= self.0;
        if fits {
            self.0 -= cost;
        }
        fits
    }

    /// Cuts what is said of each field, the longest sentences first, until every field can be named.
    fn shorten(&self, fields: &mut [FieldViolation]) {
        let needs = |fields: &[FieldViolation], most: usize| -> usize {
            let said = |field: &FieldViolation| field.description.len().min(most);
            let each = |field: &FieldViolation| field.field.len() + said(field) + FRAMING;
            fields.iter().map(each).sum()
        };
        let mut most = PROBLEM_MAX;
        while most > TEXT_LEAST && needs(fields, most) > self.0 {
            most = most * 7 / 8;
        }
        for field in fields {
            field.description = cut(&field.description, most);
        }
    }
}

/// The delay that goes with a piece of advice when nobody knows better.
fn default_delay(advice: Advice) -> Option<Duration> {
    match advice {
        Advice::Repeat | Advice::Resume => Some(Duration::from_secs(1)),
        Advice::Later => Some(Duration::from_secs(10)),
        Advice::Fix | Advice::Never => None,
    }
}

/// A text of at most `max` bytes: where it is longer, its beginning up to the end of a word, and `…`.
fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let room = max.saturating_sub(ELLIPSIS.len());
    let head = &text[..text.floor_char_boundary(room)];
    let word = head.rfind(' ').filter(|end| *end >= room / 2);
    // The space stays, so that a list ends in `, …`.
    head[..word.map_or(head.len(), |end| end + 1)].to_owned() + ELLIPSIS
}

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "mediagen";

/// Longest message, in bytes. Three times as long when every byte is percent-encoded.
const MESSAGE_MAX: usize = 256;
/// Longest field path or quota subject, in bytes.
const NAME_MAX: usize = 96;
/// Longest metadata value or description of a quota, in bytes.
const TEXT_MAX: usize = 256;
/// Longest description of a field, in bytes: what a few violations have room for. More of them are
/// shortened together.
const PROBLEM_MAX: usize = 1200;
/// What is left at least of a description that is shortened, in bytes.
const TEXT_LEAST: usize = 40;
/// The end of a shortened text.
const ELLIPSIS: &str = "…";
/// Room for details of variable length, before base64 adds a third.
const DETAILS_MAX: usize = 1700;
/// Tags and lengths around one detail.
const FRAMING: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn trailer_bytes(status: &Status) -> usize {
        let headers: http::HeaderMap = status.clone().into_http::<()>().headers().clone();
        headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 32)
            .sum()
    }

    #[test]
    fn every_reason_makes_a_status_with_its_code_and_error_info() {
        for reason in Reason::ALL {
            let status = Refusal::new(*reason, "no").into_status();
            let details = status.get_error_details();
            let info = details.error_info().unwrap();
            assert_eq!(status.code(), reason.code());
            assert_eq!(
                (info.reason.as_str(), info.domain.as_str()),
                (reason.name(), "mediagen")
            );
            let waits = !matches!(reason.advice(), Advice::Fix | Advice::Never);
            assert_eq!(details.retry_info().is_some(), waits, "{reason:?}");
        }
    }

    #[test]
    fn all_bad_fields_are_named_at_once() {
        let status = Refusal::new(Reason::FieldInvalid, "2 fields are invalid")
            .field("seconds", "must be 2 to 10")
            .field("size", "must be 1280x720 or 720x1280")
            .into_status();
        let details = status.get_error_details();
        let fields = &details.bad_request().unwrap().field_violations;
        let paths: Vec<_> = fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(paths, ["seconds", "size"]);
    }

    #[test]
    fn quotas_delays_and_metadata_arrive() {
        let status = Refusal::new(Reason::RateLimited, "too fast")
            .quota("key:abc", "10 calls per second")
            .retry_after(Duration::from_millis(250))
            .metadata("taskId", "task_1")
            .into_status();
        let details = status.get_error_details();
        assert_eq!(
            details.quota_failure().unwrap().violations[0].subject,
            "key:abc"
        );
        let delay = details.retry_info().unwrap().retry_delay;
        assert_eq!(delay, Some(Duration::from_millis(250)));
        assert_eq!(details.error_info().unwrap().metadata["taskId"], "task_1");
    }

    #[test]
    fn trailers_stay_below_4_kib_whatever_is_put_in() {
        let long = "ü\u{7}".repeat(4000);
        let mut refusal = Refusal::new(Reason::BudgetExceeded, &long);
        for _ in 0..50 {
            refusal = refusal
                .field(&long, &long)
                .quota(&long, &long)
                .metadata("key", &long);
        }
        let bytes = trailer_bytes(&refusal.into_status());
        assert!(bytes < 4096, "{bytes}");
    }

    #[test]
    fn every_field_is_named_before_anything_is_said_at_length() {
        let refusal = (0..20).fold(
            Refusal::new(Reason::FieldInvalid, "bad"),
            |refusal, index| refusal.field(&format!("field_{index}"), &"x".repeat(200)),
        );
        let status = refusal.field("short", "is short").into_status();
        assert!(trailer_bytes(&status) < 4096);
        let details = status.get_error_details();
        let fields = &details.bad_request().unwrap().field_violations;
        assert_eq!(fields.len(), 21);
        assert!(fields[0].description.len() > 40 && fields[0].description.ends_with("x…"));
        assert_eq!(fields[20].description, "is short");
    }

    #[test]
    fn a_few_long_descriptions_come_whole() {
        let long = "may be one of text_to_video, ".repeat(20);
        let refusal = Refusal::new(Reason::FieldInvalid, &long);
        let status = refusal.field("a", &long).field("b", &long).into_status();
        let bytes = trailer_bytes(&status);
        assert!(bytes < 4096, "{bytes}");
        let details = status.get_error_details();
        let fields = &details.bad_request().unwrap().field_violations;
        assert_eq!([&fields[0].description, &fields[1].description], [&long; 2]);
    }

    #[test]
    fn a_text_is_cut_after_a_word_and_shows_it() {
        for (text, max, expected) in [
            ("one, two, three", 15, "one, two, three"),
            ("one, two, three", 14, "one, two, …"),
            ("one, two, three", 12, "one, …"),
            ("one, two, three", 13, "one, two, …"),
            ("abcdefghijkl", 10, "abcdefg…"),
            ("a bcdefghijkl", 12, "a bcdefgh…"),
            ("üüüüüü", 10, "üüü…"),
            ("abc", 2, "…"),
        ] {
            assert_eq!(cut(text, max), expected, "{text} to {max}");
        }
    }

    #[test]
    fn fields_that_do_not_fit_are_counted() {
        let refusal = (0..40).fold(
            Refusal::new(Reason::FieldInvalid, "bad"),
            |refusal, index| refusal.field(&format!("input_references[{index}]"), &"x".repeat(100)),
        );
        let status = refusal.into_status();
        assert!(trailer_bytes(&status) < 4096);
        let details = status.get_error_details();
        let shown = details.bad_request().unwrap().field_violations.len();
        let omitted = &details.error_info().unwrap().metadata["omittedFields"];
        assert!(shown > 10);
        assert_eq!(shown + omitted.parse::<usize>().unwrap(), 40);
    }

    #[test]
    fn a_bug_shows_its_incident_and_nothing_else() {
        let status = Refusal::bug("1f").into_status();
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().metadata["incidentId"], "1f");
    }
}
