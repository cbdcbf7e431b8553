//! `ListModels`: what each model takes, in the contract's words.
//!
//! What a limit is, is the domain's to say ([`Spec`]'s `…_limits`); here it only gets its field.

use prost::Message as _;
use prost_types::Struct;
use prost_types::value::Kind;

use super::Violations;
use super::names::{media_kind, operation, read_operation, role};
use super::price::prices;
use crate::domain::generation::{Media, Operation};
use crate::domain::model::{
    Extras, InputLimits, Param, SecondsLimits, Shape, SizeLimits, Spec, TextLimits,
};
use crate::domain::money::UsdRate;
use crate::domain::value::Value;
use crate::grpc::status::Reason;
use crate::pb::v1;
use crate::service::ListedModel;

/// What the configuration says of every model alike.
#[derive(Clone, Copy, Debug)]
pub(in crate::grpc) struct Said {
    /// What a credit costs.
    pub rate: UsdRate,
    /// The largest input that can be given.
    pub max_input_bytes: u64,
}

/// A page of the models, in the order given, which is that of their names.
pub(in crate::grpc) fn models(
    request: &v1::ListModelsRequest,
    listed: &[ListedModel<'_>],
    said: Said,
) -> Result<v1::ListModelsResponse, tonic::Status> {
    let mut found = Violations::default();
    let only = read_operation(request.operation, &mut found);
    let after = request.page_token.as_str();
    if after.len() > LONGEST_NAME || !after.bytes().all(|byte| byte.is_ascii_graphic()) {
        let problem = "is no token that this server gave";
        found.add("page_token", Reason::PageTokenInvalid, problem);
    }
    found.none(Some(()))?;
    let mut page = v1::ListModelsResponse::default();
    let mut bytes = 0;
    let rest = listed.iter().filter(|model| model.name > after);
    for model in rest.filter(|model| only.is_none_or(|only| model.offer.contains_key(&only))) {
        let model = show(model, only, said);
        bytes += model.encoded_len() + FRAME;
        if bytes > MAX_PAGE && !page.models.is_empty() {
            let last = page.models.last().map(|model| model.name.clone());
            page.next_page_token = last.unwrap_or_default();
            break;
        }
        page.models.push(model);
    }
    Ok(page)
}

fn show(model: &ListedModel<'_>, only: Option<Operation>, said: Said) -> v1::Model {
    let offered = model.offer.iter();
    let offered = offered.filter(|(operation, _)| only.is_none_or(|only| only == **operation));
    let operations: Vec<v1::ModelOperation> = offered
        .clone()
        .map(|(named, spec)| model_operation(*named, spec, said))
        .collect();
    let kinds: Vec<Media> = offered.map(|(operation, _)| operation.output()).collect();
    let kind = kinds
        .first()
        .filter(|first| kinds.iter().all(|kind| kind == *first));
    v1::Model {
        name: model.name.to_owned(),
        deployments: model.deployments.clone(),
        output_kind: kind.map_or(v1::MediaKind::Unspecified, |kind| media_kind(*kind)) as i32,
        operations,
        alias_of: Some(model.id)
            .filter(|id| *id != model.name)
            .unwrap_or_default()
            .to_owned(),
    }
}

fn model_operation(named: Operation, spec: &Spec, said: Said) -> v1::ModelOperation {
    let count = spec.count_limits().unwrap_or_default();
    v1::ModelOperation {
        operation: operation(named) as i32,
        prompt: spec.prompt_limits().map(text),
        size: spec.size_limits().map(|limits| size(&limits)),
        duration: spec.seconds_limits().map(duration),
        inputs: spec
            .input_limits()
            .iter()
            .map(|limits| input(limits, said.max_input_bytes))
            .collect(),
        max_count: count.maximum,
        takes_seed: spec.typed.seed.is_some(),
        takes_audio: spec.typed.audio.is_some(),
        negative_prompt: spec.negative_prompt_limits().map(text),
        options: options(spec),
        unknown_options: match spec.extras {
            Extras::Refused => v1::UnknownOptions::Refused,
            Extras::Passed => v1::UnknownOptions::Passed,
            Extras::Unknown => v1::UnknownOptions::Unspecified,
        } as i32,
        // None while the price is unknown.
        prices: spec
            .price
            .as_ref()
            .map_or_else(Vec::new, |tariff| prices(tariff, said.rate)),
        allowed_counts: count.allowed,
        rules: spec.sentences(),
        default_audio: spec.default_audio(),
    }
}

fn text(limits: TextLimits) -> v1::PromptLimits {
    v1::PromptLimits {
        required: limits.required,
        min_utf16_units: number(limits.minimum),
        max_utf16_units: number(limits.maximum),
    }
}

fn size(limits: &SizeLimits<'_>) -> v1::SizeLimits {
    let pixels = limits.pixels.as_ref();
    v1::SizeLimits {
        allowed: limits.allowed.iter().map(ToString::to_string).collect(),
        default: limits.default.unwrap_or_default().to_owned(),
        open: limits.open,
        min_pixels: pixels.map_or(0, |pixels| *pixels.start()),
        max_pixels: pixels
            .map(|pixels| *pixels.end())
            .filter(|most| *most != u64::MAX)
            .unwrap_or(0),
    }
}

fn duration(limits: SecondsLimits) -> v1::DurationLimits {
    v1::DurationLimits {
        allowed_seconds: limits.allowed,
        min_seconds: limits.minimum.unwrap_or(0),
        max_seconds: limits.maximum.unwrap_or(0),
        default_seconds: limits.default,
    }
}

fn input(limits: &InputLimits<'_>, max_bytes: u64) -> v1::InputLimits {
    let slot = limits.slot;
    v1::InputLimits {
        role: role(limits.role) as i32,
        min_count: slot.required.into(),
        max_count: number(limits.maximum),
        kinds: limits
            .kinds
            .iter()
            .map(|kind| media_kind(*kind) as i32)
            .collect(),
        max_bytes,
        place: slot.name.clone(),
        place_max_count: number(Some(slot.maximum).filter(|most| *most != usize::MAX)),
        takes_tag: slot.tags,
        subjects: slot.subjects.clone(),
    }
}

/// The fields of `provider_options`. One that a field of the request stands for as well has a
/// default, so it need not be there.
fn options(spec: &Spec) -> Vec<v1::OptionLimits> {
    let of = |param: &Param| v1::OptionLimits {
        required: param.required && spec.options.contains_key(&param.name),
        ..option(param)
    };
    spec.option_params().into_iter().map(of).collect()
}

fn option(param: &Param) -> v1::OptionLimits {
    v1::OptionLimits {
        name: param.name.clone(),
        required: param.required,
        default: param.default_value().map(value),
        ..form(&param.shape)
    }
}

/// A shape without a name.
fn form(shape: &Shape) -> v1::OptionLimits {
    let bounded = |json_type: &str, minimum, maximum| v1::OptionLimits {
        json_type: json_type.to_owned(),
        minimum,
        maximum,
        ..v1::OptionLimits::default()
    };
    let plain = |json_type: &str| bounded(json_type, None, None);
    match shape {
        Shape::Any => plain(""),
        Shape::Bool => plain("boolean"),
        Shape::Integer { minimum, maximum } => {
            let float = |int: &Option<i64>| int.and_then(|int| Value::Int(int).as_number());
            bounded("integer", float(minimum), float(maximum))
        }
        Shape::Number { minimum, maximum } => bounded("number", *minimum, *maximum),
        Shape::Text { minimum, maximum } => bounded("string", length(*minimum), length(*maximum)),
        Shape::Uri | Shape::Size { .. } => plain("string"),
        Shape::Enum(values) => v1::OptionLimits {
            allowed: values.iter().map(value).collect(),
            ..plain(json_type(values))
        },
        Shape::List {
            item,
            minimum,
            maximum,
        } => v1::OptionLimits {
            item: Some(Box::new(form(item))),
            ..bounded("array", length(Some(*minimum)), length(*maximum))
        },
        Shape::Object(fields) => v1::OptionLimits {
            fields: fields.values().map(option).collect(),
            ..plain("object")
        },
        Shape::Either(shapes) => v1::OptionLimits {
            alternatives: shapes.iter().map(form).collect(),
            ..plain("")
        },
    }
}

/// The one type of all values; empty where they differ.
fn json_type(values: &[Value]) -> &'static str {
    let named = |value: &Value| match value {
        Value::Bool(_) => "boolean",
        Value::Int(_) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::List(_) => "array",
        Value::Object(_) => "object",
        Value::Null => "",
    };
    let first = values.first().map_or("", named);
    if values.iter().all(|value| named(value) == first) {
        first
    } else {
        ""
    }
}

fn value(given: &Value) -> prost_types::Value {
    let kind = match given {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Int(_) | Value::Number(_) => {
            Kind::NumberValue(given.as_number().unwrap_or_default())
        }
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::List(items) => Kind::ListValue(prost_types::ListValue {
            values: items.iter().map(value).collect(),
        }),
        Value::Object(fields) => Kind::StructValue(Struct {
            fields: fields
                .iter()
                .map(|(name, field)| (name.clone(), value(field)))
                .collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}

fn number(count: Option<usize>) -> u32 {
    count.map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn length(count: Option<usize>) -> Option<f64> {
    count.map(|count| f64::from(u32::try_from(count).unwrap_or(u32::MAX)))
}

/// Most bytes of a page: well below the 4 MiB that a client takes unless told otherwise. A row of
/// the catalogue is bounded, so that one model always fits.
const MAX_PAGE: usize = 3 << 20;
/// What a model costs in a page beside its own bytes.
const FRAME: usize = 8;
/// Longest name that a token can be.
const LONGEST_NAME: usize = 128;

#[cfg(test)]
mod tests;
