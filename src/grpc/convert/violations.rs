//! The bad fields of one request, collected before it is refused.

use tonic::Status;

use crate::domain::generation::{InvalidField, InvalidReason};
use crate::grpc::status::{Reason, Refusal};

/// The bad fields found so far.
#[derive(Clone, Debug, Default)]
pub(in crate::grpc) struct Violations(Vec<Violation>);

#[derive(Clone, Debug)]
struct Violation {
    field: String,
    reason: Reason,
    problem: String,
}

impl Violations {
    /// Notes a value that its field does not take.
    pub fn field(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.add(field, Reason::FieldInvalid, problem);
    }

    /// Notes a violation of its own class; beyond [`MAX_VIOLATIONS`] they are dropped.
    pub fn add(&mut self, field: impl Into<String>, reason: Reason, problem: impl Into<String>) {
        if self.0.len() < MAX_VIOLATIONS {
            self.0.push(Violation {
                field: field.into(),
                reason,
                problem: problem.into(),
            });
        }
    }

    /// Adds what the domain found wrong in a request of which only a part could be converted:
    /// what it says of a field that was found bad here is a consequence, and left out.
    pub fn join(&mut self, found: Vec<InvalidField>) {
        let mut fresh: Vec<InvalidField> = found
            .into_iter()
            .filter(|invalid| !self.0.iter().any(|known| invalid.is_akin(&known.field)))
            .collect();
        for invalid in fresh.drain(..) {
            self.add(invalid.field, reason(invalid.reason), invalid.problem);
        }
    }

    /// The same fields, as they are named from a message that holds theirs in `field`.
    pub fn within(mut self, field: &str) -> Self {
        for found in &mut self.0 {
            found.field = format!("{field}.{}", found.field);
        }
        self
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value when nothing was found and it is there; else the refusal.
    pub fn none<T>(self, value: Option<T>) -> Result<T, Status> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            _ => Err(self.into_status()),
        }
    }

    /// One error with every bad field. Its reason is theirs where all share one, and that of an
    /// unknown model before any other: the rest was then judged by what may have been meant.
    pub fn into_status(self) -> Status {
        let shared = |first: Reason| self.0.iter().all(|found| found.reason == first);
        let unknown = |found: &Violation| found.reason == Reason::ModelUnknown;
        let reason = match self.0.first() {
            _ if self.0.iter().any(unknown) => Reason::ModelUnknown,
            Some(first) if shared(first.reason) => first.reason,
            _ => Reason::FieldInvalid,
        };
        let message = match &self.0[..] {
            [] => "the request is not valid".to_owned(),
            [one] => format!("{}: {}", one.field, one.problem),
            all => format!(
                "{} fields are bad, the first is {}",
                all.len(),
                all[0].field
            ),
        };
        let refusal = Refusal::new(reason, message);
        let add = |refusal: Refusal, found: &Violation| refusal.field(&found.field, &found.problem);
        self.0.iter().fold(refusal, add).into_status()
    }
}

impl From<Vec<InvalidField>> for Violations {
    fn from(found: Vec<InvalidField>) -> Self {
        let mut violations = Self::default();
        violations.join(found);
        violations
    }
}

const fn reason(reason: InvalidReason) -> Reason {
    match reason {
        // No call of this face says what must come out.
        InvalidReason::FieldInvalid | InvalidReason::Makes(_) => Reason::FieldInvalid,
        InvalidReason::ModelUnknown => Reason::ModelUnknown,
        InvalidReason::OptionUnsupported => Reason::OptionUnsupported,
        InvalidReason::InputUrlForbidden => Reason::InputUrlForbidden,
        InvalidReason::InputTooLarge => Reason::InputTooLarge,
        InvalidReason::InputTypeUnsupported => Reason::InputTypeUnsupported,
    }
}

/// Most violations that one answer lists.
const MAX_VIOLATIONS: usize = 64;

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt as _;

    use super::*;

    fn invalid(field: &str, reason: InvalidReason) -> InvalidField {
        InvalidField {
            field: field.to_owned(),
            reason,
            problem: "is bad".to_owned(),
        }
    }

    fn shown(violations: Violations) -> (String, Vec<String>) {
        let status = violations.into_status();
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let fields = details.bad_request().unwrap().field_violations.iter();
        let fields = fields.map(|violation| violation.field.clone()).collect();
        (details.error_info().unwrap().reason.clone(), fields)
    }

    #[test]
    fn the_reason_is_the_one_that_all_fields_share() {
        let options = |names: &[&str]| -> Violations {
            let unsupported = |name: &&str| invalid(name, InvalidReason::OptionUnsupported);
            names.iter().map(unsupported).collect::<Vec<_>>().into()
        };
        let alike = shown(options(&["provider_options.a", "provider_options.b"]));
        assert_eq!(alike.0, "OPTION_UNSUPPORTED");
        assert_eq!(alike.1, ["provider_options.a", "provider_options.b"]);
        let mut mixed = options(&["provider_options.a"]);
        mixed.field("seconds", "is bad");
        let (reason, fields) = shown(mixed);
        assert_eq!(reason, "FIELD_INVALID");
        assert_eq!(fields, ["provider_options.a", "seconds"]);
    }

    #[test]
    fn an_unknown_model_gives_the_reason_whatever_else_is_bad() {
        let mut found = Violations::default();
        found.field("seed", "is bad");
        found.join(vec![invalid("model", InvalidReason::ModelUnknown)]);
        assert_eq!(shown(found).0, "MODEL_UNKNOWN");
    }

    #[test]
    fn fields_of_a_message_within_another_are_named_from_the_outer_one() {
        let mut found = Violations::default();
        found.field("input_references[0].role", "is unknown");
        found.field("size", "is unknown");
        let told = ["request.input_references[0].role", "request.size"];
        assert_eq!(shown(found.within("request")).1, told);
    }

    #[test]
    fn consequences_of_a_bad_field_are_not_told() {
        let mut found = Violations::default();
        found.field("input_references[0].role", "is unknown");
        found.field("operation", "is unknown");
        let domain = [
            "input_references[0]",
            "operation",
            "input_references[01]",
            "prompt",
            "operations",
        ];
        found.join(
            domain
                .map(|field| invalid(field, InvalidReason::FieldInvalid))
                .to_vec(),
        );
        let told = [
            "input_references[0].role",
            "operation",
            "input_references[01]",
            "prompt",
            "operations",
        ];
        assert_eq!(shown(found).1, told);
    }
}
