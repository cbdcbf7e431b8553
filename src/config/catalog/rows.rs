//! The file's rows, as they are written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

#[derive(Deserialize)]
pub(super) struct File {
    pub prefix: String,
    pub defaults: Defaults,
    pub typed: TypedNames,
    pub inputs: Vec<Position>,
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
