//! The file's rows, as they are written.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use serde::Deserialize;
use serde_json::Value as Json;

#[derive(Deserialize)]
pub(super) struct File {
    pub prefix: String,
    pub defaults: Defaults,
    pub typed: TypedNames,
    pub inputs: Vec<Position>,
    /// Tariffs that several models have, by names of ours.
    #[serde(default)]
    pub tariffs: BTreeMap<String, Json>,
    pub endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Deserialize)]
pub(super) struct Defaults {
    pub model: String,
    pub image_model: String,
    pub seconds: i64,
    pub size: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct TypedNames {
    pub prompt: Vec<String>,
    pub seconds: Vec<String>,
    pub size: Vec<String>,
    pub count: Vec<String>,
    pub seed: Vec<String>,
    pub audio: Vec<String>,
    pub negative_prompt: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Position {
    pub name: String,
    #[serde(default)]
    pub positions: bool,
    #[serde(default)]
    pub accepts: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
pub(super) struct Endpoint {
    #[serde(default)]
    pub pass_through: Fields,
    pub models: BTreeMap<String, Fields>,
}

pub(super) type Fields = serde_json::Map<String, Json>;

#[derive(Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum RuleRow {
    OptionNeeds {
        option: String,
        other: String,
        values: Vec<Json>,
    },
    Alone {
        option: String,
    },
    Something {
        options: Vec<String>,
    },
    KeyframesNeedSize {
        prefix: String,
    },
    SizeNeedsInput {
        size: String,
    },
    SumBetween {
        option: String,
        list: String,
        field: String,
        minimum: i64,
        maximum: i64,
    },
    Subjects {
        limits: BTreeMap<String, usize>,
    },
    InputBetween {
        input: String,
        minimum_ms: Option<u64>,
        maximum_ms: Option<u64>,
    },
    Mode {
        option: String,
        value: Json,
        #[serde(default)]
        needs_prompt: bool,
        #[serde(default)]
        forbids_size: bool,
        #[serde(default)]
        fixes: BTreeMap<String, Json>,
    },
}

/// A price, as `_price` of a model or under a name in `tariffs`. Amounts are in credits.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TariffRow {
    /// The named tariff that this one takes everything over from and adds to.
    pub like: Option<String>,
    /// What is added up.
    #[serde(default)]
    pub parts: Vec<PartRow>,
    /// What a task costs at least.
    pub minimum: Option<f64>,
    /// What the provider takes for fields that are absent.
    #[serde(default)]
    pub defaults: BTreeMap<String, Json>,
    /// The role of the input whose length the output has, where no field sets one.
    pub follows: Option<String>,
    /// How long inputs may be, by their roles.
    #[serde(default)]
    pub longest_seconds: BTreeMap<String, u64>,
}

/// One part: with `rates`, or with one rate of its own.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartRow {
    /// What is counted, as the contract's price units are called.
    pub unit: String,
    /// Which inputs, for `input_second` and `reference`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Says that a part of a second is charged as such, not as a whole one.
    #[serde(default)]
    pub fractions: bool,
    /// What a unit costs; the first that applies counts.
    #[serde(default)]
    pub rates: Vec<RateRow>,
    /// What every unit costs.
    pub credits: Option<f64>,
    /// For how many units at once; 1 when absent.
    pub per: Option<NonZeroU64>,
}

/// What a unit costs when everything in `when` holds.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateRow {
    #[serde(default)]
    pub when: Vec<ConditionRow>,
    pub credits: Option<f64>,
    /// For how many units at once; 1 when absent.
    pub per: Option<NonZeroU64>,
    /// Says that the amount is not known.
    #[serde(default)]
    pub unknown: bool,
}

/// A field that `is` one of several values or is `given`; or pixels of a size, or of an input.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionRow {
    /// The provider's name of a field.
    pub field: Option<String>,
    /// The role of an input, measured where the field is absent.
    pub input: Option<String>,
    pub is: Option<Vec<Json>>,
    #[serde(default)]
    pub given: bool,
    pub pixels_above: Option<u64>,
    pub pixels_up_to: Option<u64>,
}
