//! Rules that tie several fields of one model together, as data.
//!
//! `domain::generation` judges a request by them; which model has which is the catalogue's business.

use std::collections::BTreeMap;

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
