//! Bounds that hold for every request, whatever the model.

use std::collections::BTreeMap;

use super::{Draft, InvalidReason, Violations};
use crate::domain::value::Value;

/// Bounds that the configuration sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one inline input.
    pub inline_bytes: u64,
    /// Most bytes of one upload.
    pub upload_bytes: u64,
}

impl Default for Limits {
    /// 16 MiB, what one message may carry; 200 MB, what Runway takes.
    fn default() -> Self {
        Self {
            inline_bytes: 16 * 1024 * 1024,
            upload_bytes: 200_000_000,
        }
    }
}

/// Checks what needs no model. False: so large that nothing else should be looked at.
pub(super) fn check(draft: &Draft, found: &mut Violations) -> bool {
    let small = check_amounts(draft, found);
    if small {
        check_text("model", &draft.model, found);
        check_text("prompt", &draft.prompt, found);
        check_text("negative_prompt", &draft.negative_prompt, found);
        check_text("size", &draft.size, found);
        check_numbers(draft, found);
        check_options(draft, found);
    }
    small
}

fn check_amounts(draft: &Draft, found: &mut Violations) -> bool {
    let mut small = true;
    let mut refuse = |field: &str, problem: String| {
        found.field(field, problem);
        small = false;
    };
    if draft.inputs.len() > MOST_INPUTS {
        refuse(
            "input_references",
            format!(
                "at most {MOST_INPUTS} are taken; got {}",
                draft.inputs.len()
            ),
        );
    }
    for problem in check_amount(&draft.options) {
        refuse("provider_options", problem);
    }
    for (field, text) in [("model", &draft.model), ("size", &draft.size)] {
        if text.len() > LONGEST_NAME {
            refuse(
                field,
                format!(
                    "must be at most {LONGEST_NAME} bytes long; got {}",
                    text.len()
                ),
            );
        }
    }
    for (field, text) in [
        ("prompt", &draft.prompt),
        ("negative_prompt", &draft.negative_prompt),
    ] {
        // A code unit is at most three bytes of UTF-8.
        let units = if text.len() > MOST_PROMPT_UNITS {
            text.encode_utf16().count()
        } else {
            0
        };
        if units > MOST_PROMPT_UNITS {
            refuse(
                field,
                format!("must be at most {MOST_PROMPT_UNITS} UTF-16 code units long; got {units}"),
            );
        }
    }
    small
}

/// What is wrong with the number of options and their bytes.
pub fn check_amount(options: &BTreeMap<String, Value>) -> Vec<String> {
    let mut wrong = Vec::new();
    if options.len() > MOST_OPTIONS {
        let number = options.len();
        wrong.push(format!("at most {MOST_OPTIONS} are taken; got {number}"));
    }
    let sizes = options
        .iter()
        .map(|(name, value)| name.len() + value.size());
    let bytes: usize = sizes.sum();
    if bytes > MOST_OPTION_BYTES {
        wrong.push(format!(
            "at most {MOST_OPTION_BYTES} bytes are taken; got {bytes}"
        ));
    }
    wrong
}

/// A NUL ends a text for some readers and not for others.
pub(super) fn check_text(field: &str, text: &str, found: &mut Violations) {
    if text.contains('\0') {
        found.field(field, "must not hold U+0000");
    }
}

fn check_numbers(draft: &Draft, found: &mut Violations) {
    if let Some(seconds) = draft
        .seconds
        .filter(|seconds| !(1..=MOST_SECONDS).contains(seconds))
    {
        found.field(
            "seconds",
            format!("must be from 1 to {MOST_SECONDS}; got {seconds}"),
        );
    }
    if let Some(count) = draft
        .count
        .filter(|count| !(1..=MOST_COUNT).contains(count))
    {
        found.field(
            "count",
            format!("must be from 1 to {MOST_COUNT}; got {count}"),
        );
    }
    if let Some(seed) = draft.seed.filter(|seed| *seed > u64::from(u32::MAX)) {
        found.field(
            "seed",
            format!("must be from 0 to {}; got {seed}", u32::MAX),
        );
    }
}

/// The same bounds for a typed field that came as an option, by the provider's name.
pub(super) fn check_typed(field: &str, typed: &str, value: &Value, found: &mut Violations) {
    let units = value.as_str().map_or(0, |text| text.encode_utf16().count());
    if typed == "negative_prompt" && units > MOST_PROMPT_UNITS {
        let problem =
            format!("must be at most {MOST_PROMPT_UNITS} UTF-16 code units long; got {units}");
        return found.field(field, problem);
    }
    let Some(number) = value.as_number().filter(|_| !found.names(field)) else {
        return;
    };
    let wanted = match typed {
        "seconds" if number > 0.0 && number <= f64::from(MOST_SECONDS) => return,
        "seconds" => format!("above 0 and at most {MOST_SECONDS}"),
        "count" if (1.0..=f64::from(MOST_COUNT)).contains(&number) => return,
        "count" => format!("from 1 to {MOST_COUNT}"),
        "seed" if (0.0..=f64::from(u32::MAX)).contains(&number) => return,
        "seed" => format!("from 0 to {}", u32::MAX),
        _ => return,
    };
    found.field(field, format!("must be {wanted}; got {value}"));
}

fn check_options(draft: &Draft, found: &mut Violations) {
    for (name, value) in &draft.options {
        if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            found.add(
                "provider_options",
                InvalidReason::OptionUnsupported,
                NAME_RULE,
            );
        }
        if let Err(bound) = value.within(DEEPEST_OPTION) {
            found.field(
                format!("provider_options.{}", printable(name)),
                bound.to_string(),
            );
        }
        if matches!(value, Value::Null) {
            found.field(
                format!("provider_options.{}", printable(name)),
                "must not be null: leave it out",
            );
        }
    }
}

/// A name as it may be repeated to the caller.
pub(super) fn printable(name: &str) -> String {
    name.chars()
        .filter(|sign| !sign.is_control())
        .take(LONGEST_NAME)
        .collect()
}

/// Most inputs of a request.
pub const MOST_INPUTS: usize = 64;
/// Most options of a request.
const MOST_OPTIONS: usize = 64;
/// Most bytes of all options together.
const MOST_OPTION_BYTES: usize = 64 * 1024;
/// Deepest nesting of an option.
const DEEPEST_OPTION: usize = 8;
/// Longest name of a model, a size or an option.
const LONGEST_NAME: usize = 160;
/// Longest prompt where the model has no limit of its own.
pub(super) const MOST_PROMPT_UNITS: usize = 32_000;
/// Longest duration where the model has no limit of its own.
pub(crate) const MOST_SECONDS: u32 = 3_600;
/// Most outputs where the model has no limit of its own.
pub(crate) const MOST_COUNT: u32 = 64;
const NAME_RULE: &str = "option names are 1 to 160 bytes without control characters";
