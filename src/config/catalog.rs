//! The catalogue of RunwayML's models: from its JSON text to `domain::model` values.
//!
//! The file is data: a new model is a row. `endpoints` keeps the layout in which Runway's SDK is
//! extracted; which of Runway's names stands for which field of ours is said by `typed` and
//! `inputs`, in the same file. What a name means on the wire is `provider::runway`'s business.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::domain::generation::{Media, Operation, Role};
use crate::domain::model::{
    Catalog, Extras, Offer, Param, Rule, Shape, Slot, Spec, Typed, dimensions, nearest,
};
use crate::domain::value::Value;

/// The catalogue that is compiled in.
pub const EMBEDDED: &str = include_str!("../../config/runway_catalog.json");

/// What is wrong with a catalogue, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogError {
    /// Where, as in `/v1/text_to_video gen4.5 ratio`.
    pub place: String,
    /// A sentence.
    pub problem: String,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "catalogue: {}: {}", self.place, self.problem)
    }
}

impl std::error::Error for CatalogError {}

/// Parses a catalogue.
pub fn parse(text: &str) -> Result<Catalog, CatalogError> {
    let file: File =
        serde_json::from_str(text).map_err(|error| wrong("file", &error.to_string()))?;
    let mut offers: BTreeMap<String, Offer> = BTreeMap::new();
    let mut pass_through = Offer::new();
    for (path, endpoint) in &file.endpoints {
        let name = path.strip_prefix("/v1/").unwrap_or(path);
        let operation =
            Operation::parse(name).ok_or_else(|| wrong(path, "is no known operation"))?;
        for (model, fields) in &endpoint.models {
            let spec = file
                .spec(operation, fields)
                .map_err(|error| error.under(model).under(path))?;
            offers
                .entry(model.clone())
                .or_default()
                .insert(operation, spec);
        }
        let mut spec = file
            .spec(operation, &endpoint.pass_through)
            .map_err(|error| error.under(path))?;
        spec.extras = Extras::Unknown;
        pass_through.insert(operation, spec);
    }
    let mut catalog = Catalog::new(&file.prefix, offers, pass_through);
    catalog.default_model = file.defaults.model;
    catalog.default_image_model = file.defaults.image_model;
    Ok(catalog)
}

#[derive(Deserialize)]
struct File {
    prefix: String,
    defaults: Defaults,
    typed: TypedNames,
    inputs: Vec<Position>,
    endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Deserialize)]
struct Defaults {
    model: String,
    image_model: String,
    seconds: i64,
    size: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct TypedNames {
    prompt: Vec<String>,
    seconds: Vec<String>,
    size: Vec<String>,
    count: Vec<String>,
    seed: Vec<String>,
    audio: Vec<String>,
    negative_prompt: Vec<String>,
}

#[derive(Deserialize)]
struct Position {
    name: String,
    #[serde(default)]
    positions: bool,
    #[serde(default)]
    accepts: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default)]
    pass_through: Fields,
    models: BTreeMap<String, Fields>,
}

type Fields = serde_json::Map<String, Json>;

#[derive(Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
enum RuleRow {
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

impl CatalogError {
    fn under(mut self, place: &str) -> Self {
        self.place = format!("{place} {}", self.place);
        self
    }
}

impl File {
    fn spec(&self, operation: Operation, fields: &Fields) -> Result<Spec, CatalogError> {
        let mut params = BTreeMap::new();
        for (name, field) in fields.iter().filter(|(name, _)| !name.starts_with('_')) {
            params.insert(name.clone(), param(name, field)?);
        }
        let slots = self.slots(&mut params, fields)?;
        let typed = self.typed(operation, &mut params);
        Ok(Spec {
            typed,
            slots,
            options: params,
            extras: extras(fields),
            rules: rules(fields)?,
        })
    }

    /// Takes the typed fields out of the options, and gives them their fallbacks.
    fn typed(&self, operation: Operation, params: &mut BTreeMap<String, Param>) -> Typed {
        let mut take = |names: &[String]| names.iter().find_map(|name| params.remove(name));
        let names = &self.typed;
        let mut typed = Typed {
            prompt: take(&names.prompt),
            seconds: take(&names.seconds),
            sizes: names
                .size
                .iter()
                .filter_map(|name| take(std::slice::from_ref(name)))
                .collect(),
            count: take(&names.count),
            seed: take(&names.seed),
            audio: take(&names.audio),
            negative_prompt: take(&names.negative_prompt),
        };
        if let Some(seconds) = &mut typed.seconds {
            seconds.fallback = nearest_int(&seconds.shape, self.defaults.seconds);
        }
        let wanted = self.defaults.size.get(operation.output().as_str());
        for size in &mut typed.sizes {
            size.fallback = wanted.and_then(|wanted| default_size(&size.shape, wanted));
        }
        typed
    }

    /// Takes the places for media out of the options, in the file's order.
    fn slots(
        &self,
        params: &mut BTreeMap<String, Param>,
        fields: &Fields,
    ) -> Result<Vec<Slot>, CatalogError> {
        let mut slots = Vec::new();
        for position in &self.inputs {
            let Some(param) = params.remove(&position.name) else {
                continue;
            };
            slots.push(slot(position, param, fields)?);
        }
        Ok(slots)
    }
}

fn slot(position: &Position, param: Param, fields: &Fields) -> Result<Slot, CatalogError> {
    let mut accepts = Vec::new();
    let mut exclusive = false;
    if position.positions {
        let (roles, optional) = positions(&param.shape);
        accepts.extend(roles.into_iter().map(|role| (role, Media::Image)));
        exclusive = optional;
    }
    for (role, kinds) in &position.accepts {
        let role = Role::parse(role).ok_or_else(|| wrong(&position.name, "has an unknown role"))?;
        for kind in kinds {
            let media =
                Media::parse(kind).ok_or_else(|| wrong(&position.name, "has an unknown kind"))?;
            accepts.push((role, media));
        }
    }
    let last_alone = fields
        .get("_last_alone")
        .and_then(Json::as_bool)
        .unwrap_or(true);
    let maximum = if position.positions && !exclusive {
        accepts.len()
    } else {
        capacity(&param.shape)
    };
    Ok(Slot {
        name: param.name,
        required: param.required,
        accepts,
        maximum,
        takes_unspecified: position.positions,
        last_alone,
        exclusive,
        tags: item_fields(&param.shape).is_some_and(|fields| fields.contains_key("tag")),
        shape: param.shape,
    })
}

/// The frames that a prompt image can be, and whether it can also be a reference.
fn positions(shape: &Shape) -> (Vec<Role>, bool) {
    let position = item_fields(shape).and_then(|fields| fields.get("position"));
    let frames = match position.map(|position| &position.shape) {
        Some(Shape::Enum(values)) => {
            let named = |name: &str| values.iter().any(|value| value.as_str() == Some(name));
            let frame = |name, role| named(name).then_some(role);
            [
                frame("first", Role::FirstFrame),
                frame("last", Role::LastFrame),
            ]
            .into_iter()
            .flatten()
            .collect()
        }
        _ => vec![Role::FirstFrame, Role::LastFrame],
    };
    let optional = !position.is_some_and(|position| position.required);
    let reference = optional.then_some(Role::Reference);
    (frames.into_iter().chain(reference).collect(), optional)
}

/// The fields of one item of a list, wherever the list stands.
fn item_fields(shape: &Shape) -> Option<&BTreeMap<String, Param>> {
    match shape {
        Shape::List { item, .. } => match &**item {
            Shape::Object(fields) => Some(fields),
            _ => None,
        },
        Shape::Either(shapes) => shapes.iter().find_map(item_fields),
        _ => None,
    }
}

fn capacity(shape: &Shape) -> usize {
    match shape {
        Shape::List { maximum, .. } => maximum.unwrap_or(usize::MAX),
        Shape::Either(shapes) => shapes.iter().map(capacity).max().unwrap_or(1),
        _ => 1,
    }
}

fn param(name: &str, field: &Json) -> Result<Param, CatalogError> {
    let required = field
        .get("required")
        .and_then(Json::as_bool)
        .unwrap_or(false);
    let shape = shape(name, field, field)?;
    Ok(Param {
        name: name.to_owned(),
        required,
        shape,
        fallback: None,
    })
}

/// `outer` carries the bounds of an alternative.
fn shape(name: &str, field: &Json, outer: &Json) -> Result<Shape, CatalogError> {
    if let Some(values) = field.get("enum").and_then(Json::as_array) {
        return Ok(Shape::Enum(values.iter().map(value).collect()));
    }
    if let Some(fields) = field.get("object").and_then(Json::as_object) {
        let params = fields
            .iter()
            .map(|(name, field)| Ok((name.clone(), param(name, field)?)));
        return Ok(Shape::Object(params.collect::<Result<_, _>>()?));
    }
    if let Some(item) = field.get("array_of") {
        let limit = first_of(outer, &["maxItems", "max_items"]);
        return Ok(Shape::List {
            item: Box::new(shape(name, item, item)?),
            minimum: count(outer.get("minItems")).unwrap_or(0),
            maximum: count(limit),
        });
    }
    if let Some(shapes) = field.get("any_of").and_then(Json::as_array) {
        let shapes = shapes
            .iter()
            .map(|field| shape(name, field, &merged(outer, field)));
        return Ok(Shape::Either(shapes.collect::<Result<_, _>>()?));
    }
    scalar(name, field, outer)
}

fn scalar(name: &str, field: &Json, outer: &Json) -> Result<Shape, CatalogError> {
    let kind = field.get("type").and_then(Json::as_str).unwrap_or_default();
    let range = outer.get("range").and_then(Json::as_array);
    let end = |index, key| {
        range
            .and_then(|range| range.get(index))
            .or_else(|| outer.get(key))
    };
    let (minimum, maximum) = (end(0, "minimum"), end(1, "maximum"));
    Ok(match kind {
        "boolean" => Shape::Bool,
        "integer" => Shape::Integer {
            minimum: minimum.and_then(Json::as_i64),
            maximum: maximum.and_then(Json::as_i64),
        },
        "number" => Shape::Number {
            minimum: minimum.and_then(Json::as_f64),
            maximum: maximum.and_then(Json::as_f64),
        },
        "string" if is_address(name, field) => Shape::Uri,
        "string" => Shape::Text {
            minimum: count(outer.get("minLength")),
            maximum: count(outer.get("maxLength")),
        },
        "size" => Shape::Size {
            min_pixels: field.get("min_pixels").and_then(Json::as_u64).unwrap_or(1),
            max_pixels: field
                .get("max_pixels")
                .and_then(Json::as_u64)
                .unwrap_or(u64::MAX),
        },
        // What the SDK's extraction says where a type has no name.
        "<class 'object'>" => Shape::Any,
        other => return Err(wrong(name, &format!("has the unknown type {other:?}"))),
    })
}

fn is_address(name: &str, field: &Json) -> bool {
    field.get("max_data_uri_mb").is_some() || name == "uri" || name.ends_with("Uri")
}

/// The bounds of the whole, unless an alternative has its own.
fn merged(outer: &Json, field: &Json) -> Json {
    let (Some(outer), Some(field)) = (outer.as_object(), field.as_object()) else {
        return field.clone();
    };
    let mut both = outer.clone();
    both.extend(field.clone());
    Json::Object(both)
}

fn extras(fields: &Fields) -> Extras {
    match fields.get("_strict").and_then(Json::as_bool) {
        Some(true) => Extras::Refused,
        Some(false) => Extras::Passed,
        None => Extras::Unknown,
    }
}

fn rules(fields: &Fields) -> Result<Vec<Rule>, CatalogError> {
    let Some(rows) = fields.get("_rules") else {
        return Ok(Vec::new());
    };
    let rows: Vec<RuleRow> = serde_json::from_value(rows.clone())
        .map_err(|error| wrong("_rules", &error.to_string()))?;
    Ok(rows.into_iter().map(rule).collect())
}

fn rule(row: RuleRow) -> Rule {
    match row {
        RuleRow::OptionNeeds {
            option,
            other,
            values,
        } => Rule::OptionNeeds {
            option,
            other,
            values: values.iter().map(value).collect(),
        },
        RuleRow::Alone { option } => Rule::Alone { option },
        RuleRow::Something { options } => Rule::Something { options },
        RuleRow::KeyframesNeedSize { prefix } => Rule::KeyframesNeedSize { prefix },
        RuleRow::SizeNeedsInput { size } => Rule::SizeNeedsInput { size },
        RuleRow::SumBetween {
            option,
            list,
            field,
            minimum,
            maximum,
        } => Rule::SumBetween {
            option,
            list,
            field,
            minimum,
            maximum,
        },
        RuleRow::Mode {
            option,
            value: given,
            needs_prompt,
            forbids_size,
            fixes,
        } => Rule::Mode {
            option,
            value: value(&given),
            needs_prompt,
            forbids_size,
            fixes: fixes
                .iter()
                .next()
                .map(|(name, given)| (name.clone(), value(given))),
        },
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => number.as_i64().map_or_else(
            || Value::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::Int,
        ),
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, field)| (name.clone(), value(field)))
                .collect(),
        ),
    }
}

/// The whole number that a shape takes and that is nearest to `wanted`; of equals the smaller.
fn nearest_int(shape: &Shape, wanted: i64) -> Option<Value> {
    let candidates: Vec<i64> = match shape {
        Shape::Enum(values) => values.iter().filter_map(Value::as_int).collect(),
        Shape::Integer { minimum, maximum } => {
            vec![
                wanted
                    .max(minimum.unwrap_or(wanted))
                    .min(maximum.unwrap_or(i64::MAX)),
            ]
        }
        Shape::Either(shapes) => shapes
            .iter()
            .filter_map(|shape| nearest_int(shape, wanted)?.as_int())
            .collect(),
        _ => vec![wanted],
    };
    let fits = candidates
        .into_iter()
        .filter(|int| shape.takes(&Value::Int(*int)));
    fits.min_by_key(|int| ((int - wanted).abs(), *int))
        .map(Value::Int)
}

/// The default size where the model lists it, else the nearest that keeps its shape, else the first.
fn default_size(shape: &Shape, wanted: &str) -> Option<Value> {
    let listed: Vec<&str> = match shape {
        Shape::Enum(values) => values.iter().filter_map(Value::as_str).collect(),
        Shape::Either(shapes) => {
            return shapes.iter().find_map(|shape| default_size(shape, wanted));
        }
        _ => return None,
    };
    let near =
        dimensions(wanted).and_then(|wanted| nearest(wanted, listed.iter().copied(), KEEP_SHAPE));
    near.or_else(|| listed.first().copied())
        .map(|size| Value::String(size.to_owned()))
}

fn first_of<'a>(field: &'a Json, names: &[&str]) -> Option<&'a Json> {
    names.iter().find_map(|name| field.get(name))
}

fn count(json: Option<&Json>) -> Option<usize> {
    json.and_then(Json::as_u64)
        .and_then(|count| usize::try_from(count).ok())
}

fn wrong(place: &str, problem: &str) -> CatalogError {
    CatalogError {
        place: place.to_owned(),
        problem: problem.to_owned(),
    }
}

/// How much a default size's shape counts against its number of pixels.
const KEEP_SHAPE: f64 = 2.0;
