//! Rules that tie several fields of one model together, as data.
//!
//! `domain::generation` judges a request by them; which model has which is the catalogue's business.

use std::collections::BTreeMap;
use std::time::Duration;

use super::shape::{between, listed};
use crate::domain::value::Value;

/// A rule across fields. Names are the provider's.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// An option makes sense only beside certain values of another.
    OptionNeeds {
        /// The option.
        option: String,
        /// The other one.
        other: String,
        /// What the other must be.
        values: Vec<Value>,
    },
    /// With an option, no other field but the model is allowed.
    Alone {
        /// The option.
        option: String,
    },
    /// A prompt, an input or one of these options must be there.
    Something {
        /// The options that do instead.
        options: Vec<String>,
    },
    /// Keyframes go only with sizes that begin so.
    KeyframesNeedSize {
        /// How the sizes begin.
        prefix: String,
    },
    /// A size that is taken from images or videos, so there must be some.
    SizeNeedsInput {
        /// The size.
        size: String,
    },
    /// A field summed over a list inside an option has bounds.
    SumBetween {
        /// The option.
        option: String,
        /// The list inside it.
        list: String,
        /// The field of each item.
        field: String,
        /// The least sum.
        minimum: i64,
        /// The greatest sum.
        maximum: i64,
    },
    /// So many inputs may show each subject.
    Subjects {
        /// The greatest number, by subject.
        limits: BTreeMap<String, usize>,
    },
    /// How long an input plays has bounds; judged where its bytes were measured.
    InputBetween {
        /// The place of the input.
        input: String,
        /// The least length in milliseconds.
        minimum_ms: Option<u64>,
        /// The greatest length in milliseconds.
        maximum_ms: Option<u64>,
    },
    /// A value of an option decides about other fields.
    Mode {
        /// The option.
        option: String,
        /// Its value.
        value: Value,
        /// Whether a prompt must be there.
        needs_prompt: bool,
        /// Whether a size must not be there.
        forbids_size: bool,
        /// An option that must have a certain value.
        fixes: Option<(String, Value)>,
    },
}

impl Rule {
    /// The rule as a sentence, for people.
    pub fn sentence(&self) -> String {
        match self {
            Self::OptionNeeds {
                option,
                other,
                values,
            } => format!("{option} goes only with {other} of {}.", listed(values)),
            Self::Alone { option } => format!("Beside {option} nothing but the model is set."),
            Self::Something { options } => {
                format!(
                    "A prompt, an input or one of {} is needed.",
                    listed(options)
                )
            }
            Self::KeyframesNeedSize { prefix } => {
                format!("With first_frame or last_frame the size must begin with {prefix}.")
            }
            Self::SizeNeedsInput { size } => {
                format!("The size {size} is taken from an image or a video: there must be one.")
            }
            Self::SumBetween {
                option,
                list,
                field,
                minimum,
                maximum,
            } => format!(
                "In {option}.{list} every {field} is above 0, all together from {minimum} to \
                 {maximum}."
            ),
            Self::Subjects { limits } => {
                let limits = limits
                    .iter()
                    .map(|(subject, most)| format!("{subject} on at most {most}"));
                format!("Inputs may show {}.", listed(limits))
            }
            Self::InputBetween {
                input,
                minimum_ms,
                maximum_ms,
            } => {
                let seconds = |ms: &u64| Duration::from_millis(*ms).as_secs_f64();
                let (least, most) = (minimum_ms.as_ref(), maximum_ms.as_ref());
                let bounds = between(
                    least.map(seconds).as_ref(),
                    most.map(seconds).as_ref(),
                    " s",
                );
                format!("Each medium in {input} plays for a time{bounds}.")
            }
            Self::Mode {
                option,
                value,
                needs_prompt,
                forbids_size,
                fixes,
            } => {
                let parts = [
                    needs_prompt.then(|| "a prompt is needed".to_owned()),
                    forbids_size.then(|| "no size is set".to_owned()),
                    fixes
                        .as_ref()
                        .map(|(name, value)| format!("{name} must be {value}")),
                ];
                let parts: Vec<String> = parts.into_iter().flatten().collect();
                format!("With {option} of {value}: {}.", parts.join(", "))
            }
        }
    }
}
