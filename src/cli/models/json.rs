//! A model as JSON for scripts: the proto's own names, enums without their prefix.

use serde_json::{Value as Json, json};

use super::super::json::{bare, plain_value};
use crate::pb::v1::{InputLimits, Model, ModelOperation, OptionLimits, Price, PromptLimits};

/// A model for scripts: the proto's own names, every key always there.
pub(super) fn model(model: &Model) -> Json {
    json!({
        "name": model.name,
        "alias_of": model.alias_of,
        "deployments": model.deployments,
        "output_kind": bare(model.output_kind().as_str_name(), "MEDIA_KIND_"),
        "operations": model.operations.iter().map(operation).collect::<Vec<_>>(),
    })
}

fn operation(operation: &ModelOperation) -> Json {
    json!({
        "operation": bare(operation.operation().as_str_name(), "OPERATION_"),
        "prompt": operation.prompt.as_ref().map(prompt),
        "size": operation.size.as_ref().map(|limits| json!({
            "allowed": limits.allowed,
            "default": limits.default,
            "open": limits.open,
            "min_pixels": limits.min_pixels,
            "max_pixels": limits.max_pixels,
        })),
        "duration": operation.duration.as_ref().map(|limits| json!({
            "allowed_seconds": limits.allowed_seconds,
            "min_seconds": limits.min_seconds,
            "max_seconds": limits.max_seconds,
            "default_seconds": limits.default_seconds,
        })),
        "inputs": operation.inputs.iter().map(input).collect::<Vec<_>>(),
        "max_count": operation.max_count,
        "allowed_counts": operation.allowed_counts,
        "takes_seed": operation.takes_seed,
        "takes_audio": operation.takes_audio,
        "default_audio": operation.default_audio,
        "negative_prompt": operation.negative_prompt.as_ref().map(prompt),
        "options": operation.options.iter().map(option).collect::<Vec<_>>(),
        "unknown_options": bare(operation.unknown_options().as_str_name(), "UNKNOWN_OPTIONS_"),
        "rules": operation.rules,
        "prices": operation.prices.iter().map(price).collect::<Vec<_>>(),
    })
}

fn prompt(limits: &PromptLimits) -> Json {
    json!({
        "required": limits.required,
        "min_utf16_units": limits.min_utf16_units,
        "max_utf16_units": limits.max_utf16_units,
    })
}

fn input(limits: &InputLimits) -> Json {
    let kinds = limits
        .kinds()
        .map(|kind| bare(kind.as_str_name(), "MEDIA_KIND_"));
    json!({
        "role": bare(limits.role().as_str_name(), "ROLE_"),
        "min_count": limits.min_count,
        "max_count": limits.max_count,
        "kinds": kinds.collect::<Vec<_>>(),
        "max_bytes": limits.max_bytes,
        "place": limits.place,
        "place_max_count": limits.place_max_count,
        "takes_tag": limits.takes_tag,
        "subjects": limits.subjects,
    })
}

fn option(limits: &OptionLimits) -> Json {
    json!({
        "name": limits.name,
        "required": limits.required,
        "allowed": limits.allowed.iter().map(plain_value).collect::<Vec<_>>(),
        "json_type": limits.json_type,
        "minimum": limits.minimum,
        "maximum": limits.maximum,
        "default": limits.default.as_ref().map(plain_value),
        "fields": limits.fields.iter().map(option).collect::<Vec<_>>(),
        "item": limits.item.as_ref().map(|item| option(item)),
        "alternatives": limits.alternatives.iter().map(option).collect::<Vec<_>>(),
    })
}

fn price(price: &Price) -> Json {
    json!({
        "unit": bare(price.unit().as_str_name(), "PRICE_UNIT_"),
        "millicredits": price.millicredits,
        "usd_micros": price.usd_micros,
        "condition": price.condition,
        "unit_count": price.unit_count,
    })
}
