//! Further fields in the provider's own names, judged by the catalogue.

use std::collections::BTreeMap;

use super::bounds::printable;
use super::choice::Chosen;
use super::{Draft, Generation, InvalidReason, Violations, bounds, url};
use crate::domain::model::{Extras, Param, Slot, Spec, likely, listed};
use crate::domain::value::Value;

/// Gives typed fields that came by the provider's name their own place, so that the task shows what
/// is asked for and its price is known. What the field cannot hold, as a duration of `auto`, stays.
pub(super) fn lift(generation: &mut Generation, spec: &Spec) {
    let typed = &spec.typed;
    let mut options = std::mem::take(&mut generation.options);
    let small = |value: &Value| u32::try_from(value.as_int()?).ok();
    lift_one(
        &mut options,
        typed.seconds.as_ref(),
        &mut generation.seconds,
        small,
    );
    lift_one(
        &mut options,
        typed.count.as_ref(),
        &mut generation.count,
        small,
    );
    lift_one(
        &mut options,
        typed.seed.as_ref(),
        &mut generation.seed,
        |value| u64::try_from(value.as_int()?).ok(),
    );
    lift_one(
        &mut options,
        typed.audio.as_ref(),
        &mut generation.audio,
        |value| match value {
            Value::Bool(audio) => Some(*audio),
            _ => None,
        },
    );
    for param in &typed.sizes {
        let whole = |value: &Value| {
            let (place, size) = spec.size(value.as_str()?)?;
            (place.name == param.name && value.as_str() == Some(&size)).then_some(size)
        };
        lift_one(&mut options, Some(param), &mut generation.size, whole);
    }
    let mut negative = Some(std::mem::take(&mut generation.negative_prompt));
    negative = negative.filter(|text| !text.is_empty());
    lift_one(
        &mut options,
        typed.negative_prompt.as_ref(),
        &mut negative,
        |value| value.as_str().map(str::to_owned),
    );
    generation.negative_prompt = negative.unwrap_or_default();
    generation.options = options;
}

/// Gives every further field for a size that the model requires its default; the first has one
/// before. What has none is missed.
pub(super) fn fill_sizes(generation: &mut Generation, chosen: &Chosen<'_>, found: &mut Violations) {
    let spec = chosen.spec;
    let given = generation.size.as_ref().and_then(|size| spec.size(size));
    let given = given.map(|(param, _)| param.name.clone());
    for param in spec.typed.sizes.iter().filter(|param| param.required) {
        let name = &param.name;
        if given.as_ref() == Some(name) || generation.options.contains_key(name) {
            continue;
        }
        if let Some(fallback) = &param.fallback {
            generation.options.insert(name.clone(), fallback.clone());
        } else if generation.size.is_some() {
            let problem = format!("{} needs it: {}", chosen.id, param.shape.wanted());
            found.field(format!("provider_options.{name}"), problem);
        }
    }
}

fn lift_one<T>(
    options: &mut BTreeMap<String, Value>,
    param: Option<&Param>,
    field: &mut Option<T>,
    read: impl Fn(&Value) -> Option<T>,
) {
    let Some(name) = param.map(|param| &param.name).filter(|_| field.is_none()) else {
        return;
    };
    *field = options.get(name).and_then(read);
    if field.is_some() {
        options.remove(name);
    }
}

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

/// What the caller is to know about options that were passed unchecked, or may be misspelt.
pub(super) fn notes(draft: &Draft, chosen: &Chosen<'_>) -> Vec<String> {
    if !chosen.known {
        return vec![format!(
            "the catalogue lacks {}: the request was passed on unchecked",
            chosen.id
        )];
    }
    let spec = chosen.spec;
    let unlisted = draft.options.keys();
    let unlisted =
        unlisted.filter(|name| !spec.options.contains_key(*name) && spec.typed(name).is_none());
    match spec.extras {
        Extras::Refused => Vec::new(),
        Extras::Passed => {
            let doubtful = unlisted.filter_map(|name| {
                let meant = meant(name, spec)?;
                Some(format!(
                    "{} does not list the option {}, which is passed on; did you mean {meant}?",
                    chosen.id,
                    printable(name)
                ))
            });
            doubtful.collect()
        }
        Extras::Unknown => unchecked(unlisted, chosen).into_iter().collect(),
    }
}

fn unchecked<'a>(
    unlisted: impl Iterator<Item = &'a String>,
    chosen: &Chosen<'_>,
) -> Option<String> {
    let shown = unlisted.map(|name| {
        let meant = meant(name, chosen.spec);
        let hint = meant.map(|meant| format!(" (did you mean {meant}?)"));
        printable(name) + &hint.unwrap_or_default()
    });
    let shown: Vec<String> = shown.collect();
    (!shown.is_empty()).then(|| {
        let names = listed(shown);
        let model = &chosen.id;
        format!(
            "the catalogue does not name these options of {model}, passed on unchecked: {names}"
        )
    })
}

/// The option that a misspelt one most likely means.
fn meant<'a>(name: &str, spec: &'a Spec) -> Option<&'a str> {
    let typed = &spec.typed;
    let fields = [
        &typed.seconds,
        &typed.count,
        &typed.seed,
        &typed.audio,
        &typed.negative_prompt,
    ];
    let fields = fields.into_iter().flatten().chain(&typed.sizes);
    let known = spec.options.values().chain(fields);
    likely(name, known.map(|param| param.name.as_str()))
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
        if typed == "prompt" {
            return found.field(field, "is given by the request's field prompt");
        }
        if is_set(typed, param, draft, chosen) {
            let problem = format!("{typed} says the same: give one of the two");
            return found.field(field, problem);
        }
        judge(&field, param, value, chosen, found);
        return bounds::check_typed(&field, typed, value, found);
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
