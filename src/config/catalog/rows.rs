//! The file's rows, as they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{CatalogError, wrong};

pub(super) struct File {
    pub prefix: String,
    /// Whether its ids are written with the prefix, and meet those of other files so.
    pub qualified: bool,
    pub defaults: Defaults,
    pub typed: TypedNames,
    pub inputs: Vec<Position>,
    /// Tariffs that several models have, by names of ours.
    pub tariffs: BTreeMap<String, Json>,
    pub endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Deserialize)]
pub(super) struct Defaults {
    pub model: String,
    pub image_model: String,
    pub seconds: i64,
    pub size: BTreeMap<String, String>,
    /// Of which media the size goes to models that can do without one, too.
    #[serde(default)]
    pub size_to_all: BTreeSet<String>,
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

pub(super) struct Endpoint {
    pub pass_through: Fields,
    pub models: BTreeMap<String, Fields>,
}

pub(super) type Fields = serde_json::Map<String, Json>;

impl File {
    /// Reads the frame of a file; every part that is not as it must be is told at its place.
    pub fn read(file: &Json) -> Result<Self, Vec<CatalogError>> {
        if !file.is_object() {
            return Err(vec![wrong("", "must be an object")]);
        }
        let mut errors = Vec::new();
        let prefix = kept(section(file, "prefix"), &mut errors);
        let qualified = file.get("qualified").map(|_| section(file, "qualified"));
        let qualified = kept(qualified.unwrap_or(Ok(false)), &mut errors);
        let defaults = kept(section(file, "defaults"), &mut errors);
        let typed = kept(section(file, "typed"), &mut errors);
        let inputs = kept(section(file, "inputs"), &mut errors);
        let tariffs = file.get("tariffs").map(|_| section(file, "tariffs"));
        let tariffs = kept(tariffs.unwrap_or_else(|| Ok(BTreeMap::new())), &mut errors);
        let endpoints = endpoints(file, &mut errors);
        match (prefix, qualified, defaults, typed, inputs, tariffs) {
            (
                Some(prefix),
                Some(qualified),
                Some(defaults),
                Some(typed),
                Some(inputs),
                Some(tariffs),
            ) if errors.is_empty() => Ok(Self {
                prefix,
                qualified,
                defaults,
                typed,
                inputs,
                tariffs,
                endpoints,
            }),
            _ => Err(errors),
        }
    }
}

fn kept<T>(read: Result<T, CatalogError>, errors: &mut Vec<CatalogError>) -> Option<T> {
    read.map_err(|error| errors.push(error)).ok()
}

fn section<T: DeserializeOwned>(file: &Json, name: &str) -> Result<T, CatalogError> {
    let section = file.get(name).ok_or_else(|| wrong(name, "is missing"))?;
    T::deserialize(section).map_err(|error| wrong(name, &error.to_string()))
}

fn endpoints(file: &Json, errors: &mut Vec<CatalogError>) -> BTreeMap<String, Endpoint> {
    let mut read = BTreeMap::new();
    for (path, endpoint) in &kept(object(file, "endpoints"), errors).unwrap_or_default() {
        let mut told = Vec::new();
        let models = kept(object(endpoint, "models"), &mut told).unwrap_or_default();
        let rows = models.into_iter().filter_map(|(model, row)| {
            if let Json::Object(fields) = row {
                return Some((model, fields));
            }
            told.push(wrong(&model, "must be an object of fields"));
            None
        });
        let models = rows.collect();
        let pass_through = endpoint.get("pass_through");
        let pass_through = pass_through.map(|_| object(endpoint, "pass_through"));
        let pass_through = kept(pass_through.unwrap_or_else(|| Ok(Fields::new())), &mut told);
        errors.extend(told.into_iter().map(|error| error.under(path)));
        let pass_through = pass_through.unwrap_or_default();
        let endpoint = Endpoint {
            pass_through,
            models,
        };
        read.insert(path.clone(), endpoint);
    }
    read
}

fn object(parent: &Json, name: &str) -> Result<Fields, CatalogError> {
    let child = parent.get(name).ok_or_else(|| wrong(name, "is missing"))?;
    let members = child.as_object().cloned();
    members.ok_or_else(|| wrong(name, "must be an object"))
}

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
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TariffRow {
    /// The named tariff that this one takes everything over from and adds to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// What is added up.
    #[serde(default)]
    pub parts: Vec<PartRow>,
    /// What a task costs at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// What the provider takes for fields that are absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub defaults: BTreeMap<String, Json>,
    /// The role of the input whose length the output has, where no field sets one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// How long inputs may be, by their roles.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub longest_seconds: BTreeMap<String, u64>,
}

/// One part: with `rates`, or with one rate of its own.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartRow {
    /// What is counted, as the contract's price units are called.
    pub unit: String,
    /// Which inputs, for `input_second` and `reference`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Says that a part of a second is charged as such, not as a whole one.
    #[serde(default, skip_serializing_if = "is_not")]
    pub fractions: bool,
    /// What a unit costs; the first that applies counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateRow>,
    /// What every unit costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<f64>,
    /// For how many units at once; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<NonZeroU64>,
}

/// What a unit costs when everything in `when` holds.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateRow {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<ConditionRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<f64>,
    /// For how many units at once; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<NonZeroU64>,
    /// Says that the amount is not known.
    #[serde(default, skip_serializing_if = "is_not")]
    pub unknown: bool,
}

/// A field that `is` one of several values or is `given`; or pixels of a size, or of an input.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionRow {
    /// The provider's name of a field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The role of an input, measured where the field is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<Vec<Json>>,
    #[serde(default, skip_serializing_if = "is_not")]
    pub given: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels_above: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels_up_to: Option<u64>,
}

/// Whether a flag need not be written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_not(flag: &bool) -> bool {
    !*flag
}
