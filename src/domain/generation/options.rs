//! Further fields in the provider's own names, judged by the catalogue.

use super::bounds::printable;
use super::choice::Chosen;
use super::{Draft, InvalidReason, Violations, url};
use crate::domain::model::{Extras, Param, Slot, listed};
use crate::domain::value::Value;

/// Judges every option, and misses those that are required.
pub(super) fn check(draft: &Draft, chosen: &Chosen<'_>, found: &mut Violations) {
    for (name, value) in &draft.options {
        check_one(name, value, draft, chosen, found);
        check_addresses(
            &format!("provider_options.{}", printable(name)),
            name,
            value,
            found,
        );
    }
    for param in chosen.spec.options.values() {
        if param.required && !draft.options.contains_key(&param.name) {
            let problem = format!("{} needs it: {}", chosen.id, param.shape.wanted());
            found.field(format!("provider_options.{}", param.name), problem);
        }
    }
}

/// What the caller is to know about options that were passed unchecked.
pub(super) fn notes(draft: &Draft, chosen: &Chosen<'_>) -> Vec<String> {
    if !chosen.known {
        return vec![format!(
            "the catalogue lacks {}: the request was passed on unchecked",
            chosen.id
        )];
    }
    let spec = chosen.spec;
    if spec.extras != Extras::Unknown {
        return Vec::new();
    }
    let unchecked: Vec<String> = draft
        .options
        .keys()
        .filter(|name| !spec.options.contains_key(*name) && spec.typed(name).is_none())
        .map(|name| printable(name))
        .collect();
    if unchecked.is_empty() {
        return Vec::new();
    }
    let names = listed(unchecked);
    vec![format!(
        "the catalogue does not name these options of {}, passed on unchecked: {names}",
        chosen.id
    )]
}

fn check_one(
    name: &str,
    value: &Value,
    draft: &Draft,
    chosen: &Chosen<'_>,
    found: &mut Violations,
) {
    let spec = chosen.spec;
    let field = format!("provider_options.{}", printable(name));
    if name == "model" {
        return found.field(field, "is the request's field model");
    }
    if let Some(slot) = spec.slots.iter().find(|slot| slot.name == name) {
        return found.field(field, slot_hint(slot));
    }
    if let Some((typed, param)) = spec.typed(name) {
        if typed == "prompt" || is_set(typed, param, draft, chosen) {
            return found.field(
                field,
                format!("is the request's field {typed}; give it once, there"),
            );
        }
        return judge(&field, param, value, chosen, found);
    }
    match spec.options.get(name) {
        Some(param) => judge(&field, param, value, chosen, found),
        None if spec.extras == Extras::Refused => {
            let names = taken(chosen);
            let problem = format!(
                "{} does not take it for {}; it takes {names}",
                chosen.id, chosen.operation
            );
            found.add(field, InvalidReason::OptionUnsupported, problem);
        }
        None => {}
    }
}

fn slot_hint(slot: &Slot) -> String {
    let roles = listed(slot.accepts.iter().map(|(role, _)| *role));
    format!("is given by the request's field input_references, with the role {roles}")
}

fn taken(chosen: &Chosen<'_>) -> String {
    let names = chosen.spec.option_names();
    if names.is_empty() {
        "no options".into()
    } else {
        listed(names)
    }
}

/// Whether the request sets the typed field that goes to this very field of the provider.
fn is_set(typed: &str, param: &Param, draft: &Draft, chosen: &Chosen<'_>) -> bool {
    match typed {
        "seconds" => draft.seconds.is_some(),
        "count" => draft.count.is_some(),
        "seed" => draft.seed.is_some(),
        "audio" => draft.audio.is_some(),
        "negative_prompt" => !draft.negative_prompt.is_empty(),
        "size" => chosen
            .spec
            .size(&draft.size)
            .is_some_and(|(size, _)| size.name == param.name),
        _ => false,
    }
}

fn judge(field: &str, param: &Param, value: &Value, chosen: &Chosen<'_>, found: &mut Violations) {
    if found.names(field) {
        return;
    }
    for complaint in param.shape.complaints(value, chosen.spec.extras) {
        let reason = if complaint.unknown_name {
            InvalidReason::OptionUnsupported
        } else {
            InvalidReason::FieldInvalid
        };
        found.add(
            format!("{field}{}", complaint.path),
            reason,
            complaint.problem,
        );
    }
}

/// Addresses inside options obey the rules of every other address. Depth was bounded before.
fn check_addresses(field: &str, name: &str, value: &Value, found: &mut Violations) {
    match value {
        Value::String(text) if name == "uri" || name.ends_with("Uri") => {
            if let Err(problem) = url::check(text) {
                found.add(field, InvalidReason::InputUrlForbidden, problem);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                check_addresses(&format!("{field}[{index}]"), name, item, found);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                check_addresses(&format!("{field}.{}", printable(name)), name, value, found);
            }
        }
        _ => {}
    }
}
