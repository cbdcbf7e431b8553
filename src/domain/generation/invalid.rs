//! What is wrong with a request: every violation at once, each with the field and what is allowed.

use std::fmt;

use super::Media;

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidField {
    /// The request's field, as in `input_references[0].url` or `provider_options.outputFormat`.
    pub field: String,
    /// The class of the violation.
    pub reason: InvalidReason,
    /// A sentence for the caller that names the limit or the allowed values.
    pub problem: String,
}

/// The class of a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidReason {
    /// A value that the field does not take.
    FieldInvalid,
    /// No model of that name.
    ModelUnknown,
    /// An option that the model does not take.
    OptionUnsupported,
    /// An address that must not be used.
    InputUrlForbidden,
    /// More bytes than are taken.
    InputTooLarge,
    /// A media type that is not taken, or that the bytes contradict.
    InputTypeUnsupported,
    /// A model or an operation that makes this, and not what must come out.
    Makes(Media),
}

/// The violations found so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Violations(Vec<InvalidField>);

impl InvalidReason {
    /// The name that a caller's program matches, as in `FIELD_INVALID`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FieldInvalid => "FIELD_INVALID",
            Self::ModelUnknown => "MODEL_UNKNOWN",
            Self::OptionUnsupported => "OPTION_UNSUPPORTED",
            Self::InputUrlForbidden => "INPUT_URL_FORBIDDEN",
            Self::InputTooLarge => "INPUT_TOO_LARGE",
            Self::InputTypeUnsupported => "INPUT_TYPE_UNSUPPORTED",
            Self::Makes(_) => "OUTPUT_UNSUPPORTED",
        }
    }
}

impl InvalidField {
    /// Whether its path is this one, leads to it or comes from it: what is found of the one follows
    /// from what was found of the other.
    pub fn is_akin(&self, other: &str) -> bool {
        let (short, long) = if self.field.len() <= other.len() {
            (&*self.field, other)
        } else {
            (other, &*self.field)
        };
        let rest = long.strip_prefix(short);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

impl fmt::Display for InvalidField {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.field, self.problem)
    }
}

impl Violations {
    /// Notes a violation; beyond [`MAX_VIOLATIONS`] they are dropped, the request is refused anyway.
    pub(super) fn add(
        &mut self,
        field: impl Into<String>,
        reason: InvalidReason,
        problem: impl Into<String>,
    ) {
        if self.0.len() < MAX_VIOLATIONS {
            let field = shortened(&field.into(), LONGEST_FIELD);
            let problem = shortened(&problem.into(), LONGEST_PROBLEM);
            self.0.push(InvalidField {
                field,
                reason,
                problem,
            });
        }
    }

    /// Notes a value that its field does not take.
    pub(super) fn field(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.add(field, InvalidReason::FieldInvalid, problem);
    }

    /// Notes what another check found.
    pub(super) fn extend(&mut self, found: impl IntoIterator<Item = InvalidField>) {
        for invalid in found {
            self.add(invalid.field, invalid.reason, invalid.problem);
        }
    }

    /// Whether something was found about a field.
    pub(super) fn names(&self, field: &str) -> bool {
        self.0.iter().any(|invalid| invalid.field == field)
    }

    /// Notes what each of several judges, who began with what is found here, found beyond it.
    pub(super) fn add_common(&mut self, judged: impl IntoIterator<Item = Self>) {
        let known = self.0.len();
        let mut judged = judged.into_iter().map(|mut own| own.0.split_off(known));
        let Some(mut common) = judged.next() else {
            return;
        };
        for others in judged {
            common.retain(|one| others.iter().any(|other| other.field == one.field));
        }
        self.0.append(&mut common);
    }

    /// Whether nothing was found.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was found.
    pub(super) fn into_vec(self) -> Vec<InvalidField> {
        self.0
    }
}

/// Parts of it are the caller's own text: without control characters, and cut where it is long,
/// after a word if one ends in the second half.
fn shortened(text: &str, longest: usize) -> String {
    let mut signs = text.chars().filter(|sign| !sign.is_control());
    let mut short: String = signs.by_ref().take(longest).collect();
    if signs.next().is_some() {
        let word = short.rfind(' ').filter(|end| *end >= short.len() / 2);
        short.truncate(word.map_or(short.len(), |end| end + 1));
        short.push('…');
    }
    short
}

/// Longest name of a field, in characters.
const LONGEST_FIELD: usize = 200;
/// Longest sentence, in characters.
const LONGEST_PROBLEM: usize = 600;
/// Most violations that one answer lists.
const MAX_VIOLATIONS: usize = 64;
