//! Fields of a request that are wrong, in the words of this face.
//!
//! The domain knows fields by the names that the other face has for them. A caller is told the name
//! that it wrote: `ratio` where it gave that and not `size`, `n`, `Idempotency-Key`.

use http::StatusCode;

use crate::domain::generation::{InvalidField, InvalidReason, Media};
use crate::openai::{Kind, Problem};

/// How a call names what the domain names otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::openai) struct Words(Vec<(&'static str, String)>);

impl Words {
    /// The domain's field goes by another name in this request.
    pub fn say(&mut self, field: &'static str, here: impl Into<String>) {
        self.0.push((field, here.into()));
    }

    /// The name of the domain's field in this request.
    pub fn of(&self, field: &str) -> String {
        let said = self.0.iter().map(|(ours, here)| (*ours, here.as_str()));
        let meant = NAMES.into_iter().chain(said).filter_map(|(ours, here)| {
            let rest = field.strip_prefix(ours)?;
            let is_whole = rest.is_empty() || rest.starts_with(['.', '[']);
            is_whole.then_some((ours, here, rest))
        });
        match meant.max_by_key(|(ours, ..)| ours.len()) {
            Some((INPUTS, here, rest)) if !rest.is_empty() => input(here, rest),
            Some((_, here, rest)) => format!("{here}{rest}"),
            None => {
                let option = field.strip_prefix("provider_options.");
                option.unwrap_or(field).to_owned()
            }
        }
    }

    /// A sentence of the domain about a field, without the other face's names.
    fn sentence(&self, problem: &str) -> String {
        let inputs = self.of(INPUTS);
        let plain = problem
            .replace("provider_options.", "")
            .replace(INPUTS, &inputs);
        plain
            .replace(
                "set url, data or upload_id",
                "give a URL, a data URI or a file",
            )
            .replace("send more by UploadInput", "send more as a file of a form")
            .replace(": send the bytes in `data`", "")
    }
}

/// Where a caller's input is: the first goes by the field's own name, for most requests have one.
fn input(here: &str, rest: &str) -> String {
    let (index, member) = rest.split_once(']').unwrap_or((rest, ""));
    // What a source is called tells a caller of this face nothing.
    let member = match member {
        ".url" | ".data" | ".upload_id" => "",
        other => other,
    };
    match index {
        "[0" => format!("{here}{member}"),
        _ => format!("{here}{index}]{member}"),
    }
}

/// 400 for these fields: all of them in the message, the first of them in `param`.
pub(in crate::openai) fn invalid(found: &[InvalidField], words: &Words) -> Problem {
    let unknown = |field: &&InvalidField| field.reason == InvalidReason::ModelUnknown;
    // The rest was then judged by what may have been meant.
    let Some(first) = found.iter().find(unknown).or(found.first()) else {
        let message = "the request is not valid";
        return Problem::new(StatusCode::BAD_REQUEST, Kind::InvalidRequest, message);
    };
    let rest = found.iter().filter(|field| *field != first);
    let shown = std::iter::once(first).chain(rest).take(MOST_SHOWN);
    let told = shown.map(|field| {
        let sentence = words.sentence(&field.problem);
        format!(
            "{}: {sentence}{}",
            words.of(&field.field),
            elsewhere(field.reason)
        )
    });
    let mut message = told.collect::<Vec<_>>().join("; ");
    if found.len() > MOST_SHOWN {
        message = format!("{message}; and {} more", found.len() - MOST_SHOWN);
    }
    Problem::new(status(first.reason), Kind::InvalidRequest, message)
        .param(words.of(&first.field))
        .code(code(first.reason))
}

const fn status(reason: InvalidReason) -> StatusCode {
    match reason {
        InvalidReason::InputTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        InvalidReason::FieldInvalid
        | InvalidReason::ModelUnknown
        | InvalidReason::OptionUnsupported
        | InvalidReason::InputUrlForbidden
        | InvalidReason::InputTypeUnsupported
        | InvalidReason::Makes(_) => StatusCode::BAD_REQUEST,
    }
}

const fn code(reason: InvalidReason) -> &'static str {
    match reason {
        InvalidReason::FieldInvalid => "invalid_value",
        InvalidReason::ModelUnknown => "model_not_found",
        InvalidReason::OptionUnsupported => "option_unsupported",
        InvalidReason::InputUrlForbidden => "input_url_forbidden",
        InvalidReason::InputTooLarge => "input_too_large",
        InvalidReason::InputTypeUnsupported => "input_type_unsupported",
        InvalidReason::Makes(_) => "output_unsupported",
    }
}

/// Where what was asked for can be had.
const fn elsewhere(reason: InvalidReason) -> &'static str {
    match reason {
        InvalidReason::Makes(Media::Video) => "; ask for it at POST /v1/videos",
        InvalidReason::Makes(Media::Image) => "; ask for it at POST /v1/images/generations",
        InvalidReason::Makes(Media::Audio) => "; ask for it by Create over gRPC",
        InvalidReason::FieldInvalid
        | InvalidReason::ModelUnknown
        | InvalidReason::OptionUnsupported
        | InvalidReason::InputUrlForbidden
        | InvalidReason::InputTooLarge
        | InvalidReason::InputTypeUnsupported => "",
    }
}

/// The domain's name of what a request starts from.
const INPUTS: &str = "input_references";
/// Names that differ wherever the request does not say otherwise.
const NAMES: [(&str, &str); 4] = [
    (INPUTS, "input_reference"),
    ("request_id", "Idempotency-Key"),
    ("count", "n"),
    ("labels", "metadata"),
];
/// Bad fields in one message.
const MOST_SHOWN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_goes_by_the_name_that_the_caller_wrote() {
        let mut words = Words::default();
        for (field, here) in [
            ("model", "model"),
            ("size", "size"),
            ("count", "n"),
            ("counter", "counter"),
            ("request_id", "Idempotency-Key"),
            ("labels[team]", "metadata[team]"),
            ("input_references", "input_reference"),
            ("input_references[0]", "input_reference"),
            ("input_references[0].url", "input_reference"),
            ("input_references[0].role", "input_reference.role"),
            ("input_references[12].data", "input_reference[12]"),
            ("provider_options", "provider_options"),
            (
                "provider_options.referenceImages[0].uri",
                "referenceImages[0].uri",
            ),
        ] {
            assert_eq!(words.of(field), here);
        }
        words.say("size", "ratio");
        words.say("labels[user]", "user");
        words.say("labels", "labels");
        for (field, here) in [
            ("size", "ratio"),
            ("labels[user]", "user"),
            ("labels[team]", "labels[team]"),
        ] {
            assert_eq!(words.of(field), here);
        }
    }
}
