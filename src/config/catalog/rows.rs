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

/// A price, as `_price` of a model or under a name in `tariffs`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TariffRow {
    /// The named tariff that this one adds to.
    pub like: Option<String>,
    #[serde(default)]
    pub parts: Vec<PartRow>,
    pub minimum: Option<f64>,
    #[serde(default)]
    pub defaults: BTreeMap<String, Json>,
    pub follows: Option<String>,
    #[serde(default)]
    pub longest_seconds: BTreeMap<String, u64>,
}

/// One part: with `rates`, or with one rate of its own.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartRow {
    pub unit: String,
    #[serde(default)]
    pub roles: Vec<String>,
    #[serde(default)]
    pub fractions: bool,
    #[serde(default)]
    pub rates: Vec<RateRow>,
    pub credits: Option<f64>,
    pub per: Option<NonZeroU64>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateRow {
    #[serde(default)]
    pub when: Vec<ConditionRow>,
    pub credits: Option<f64>,
    pub per: Option<NonZeroU64>,
    /// Says that the amount is not known.
    #[serde(default)]
    pub unknown: bool,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionRow {
    pub field: Option<String>,
    pub input: Option<String>,
    pub is: Option<Vec<Json>>,
    #[serde(default)]
    pub given: bool,
    pub pixels_above: Option<u64>,
    pub pixels_up_to: Option<u64>,
}
