//! From a model's fields to its specification: which are typed, which are places for media, which
//! are further options.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::rows::{Fields, File, Position, RuleRow};
use super::shape::{param, value};
use super::{CatalogError, defaults, price, wrong};
use crate::domain::generation::{Media, Operation, Role};
use crate::domain::model::{Extras, Frames, Param, Rule, Shape, Slot, Spec, Typed};
use crate::domain::value::Value;

impl File {
    pub(super) fn spec(&self, operation: Operation, fields: &Fields) -> Result<Spec, CatalogError> {
        let mut spec = self.unpriced(fields)?;
        spec.price = price::tariff(fields, &self.tariffs, &spec)?;
        tell_defaults(&mut spec);
        self.fall_back(operation, &mut spec);
        Ok(spec)
    }

    /// A specification without price and without what follows from it.
    pub(super) fn unpriced(&self, fields: &Fields) -> Result<Spec, CatalogError> {
        let mut params = BTreeMap::new();
        for (name, field) in fields.iter().filter(|(name, _)| !name.starts_with('_')) {
            params.insert(name.clone(), param(name, field)?);
        }
        let slots = self.slots(&mut params, fields)?;
        Ok(Spec {
            typed: self.typed(&mut params),
            slots,
            options: params,
            extras: extras(fields),
            rules: rules(fields)?,
            price: None,
        })
    }

    /// Takes the typed fields out of the options.
    fn typed(&self, params: &mut BTreeMap<String, Param>) -> Typed {
        let mut take = |names: &[String]| names.iter().find_map(|name| params.remove(name));
        let names = &self.typed;
        Typed {
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
        }
    }

    /// Gives the typed fields what is sent where they are not given: those that are required, and one
    /// for a size where it goes to all.
    fn fall_back(&self, operation: Operation, spec: &mut Spec) {
        if let Some(seconds) = spec.typed.seconds.as_mut().filter(|param| param.required) {
            seconds.fallback = defaults::seconds(&seconds.shape, self.defaults.seconds);
        }
        let output = operation.output().as_str();
        let Some(wanted) = self.defaults.size.get(output) else {
            return;
        };
        let tariff = spec.price.as_ref();
        let is_for_all = self.defaults.size_to_all.contains(output);
        let mut is_open = is_for_all && !operation.remakes();
        for param in &mut spec.typed.sizes {
            let price = |size: &str| tariff?.at_size(&param.name, size);
            let is_asked = is_open || (is_for_all && param.required);
            let near = is_asked.then(|| defaults::near_size(&param.shape, wanted, &price));
            param.fallback = match near.flatten() {
                None if param.required => defaults::size(&param.shape, wanted, &price),
                near => near,
            };
            is_open &= param.fallback.is_none();
        }
    }

    /// Takes the places for media out of the options, in the file's order.
    fn slots(
        &self,
        params: &mut BTreeMap<String, Param>,
        fields: &Fields,
    ) -> Result<Vec<Slot>, CatalogError> {
        let mut slots = Vec::new();
        for position in &self.inputs {
            if params
                .get(&position.name)
                .is_none_or(|param| holds_no_media(&param.shape))
            {
                continue;
            }
            let Some(param) = params.remove(&position.name) else {
                continue;
            };
            slots.push(slot(position, param, fields)?);
        }
        Ok(slots)
    }
}

/// Gives fields the defaults that the price goes by: they are the provider's, wherever written.
fn tell_defaults(spec: &mut Spec) {
    let Some(price) = &spec.price else {
        return;
    };
    let typed = &mut spec.typed;
    let params = typed
        .sizes
        .iter_mut()
        .chain(&mut typed.seconds)
        .chain(&mut typed.count)
        .chain(&mut typed.audio)
        .chain(spec.options.values_mut());
    for param in params.filter(|param| param.default.is_none()) {
        param.default = price.defaults.get(&param.name).cloned();
    }
}

fn slot(position: &Position, param: Param, fields: &Fields) -> Result<Slot, CatalogError> {
    let mut accepts = Vec::new();
    let mut or_references = false;
    if position.positions {
        let (roles, optional) = positions(&param.shape);
        accepts.extend(roles.into_iter().map(|role| (role, Media::Image)));
        or_references = optional;
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
    let frames = position.positions.then_some(Frames {
        last_alone,
        or_references,
    });
    let only_frames = position.positions && !or_references;
    Ok(Slot {
        name: param.name,
        required: param.required,
        maximum: if only_frames {
            accepts.len()
        } else {
            capacity(&param.shape)
        },
        accepts,
        frames,
        tags: item_fields(&param.shape).is_some_and(|fields| fields.contains_key("tag")),
        subjects: subjects(&param.shape),
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

fn subjects(shape: &Shape) -> Vec<String> {
    match item_fields(shape)
        .and_then(|fields| fields.get("subject"))
        .map(|subject| &subject.shape)
    {
        Some(Shape::Enum(values)) => values
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether it is a plain object, such as the name of a stock voice.
fn holds_no_media(shape: &Shape) -> bool {
    match shape {
        Shape::Object(fields) => !fields.values().any(|field| field.shape == Shape::Uri),
        _ => false,
    }
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
        RuleRow::Subjects { limits } => Rule::Subjects { limits },
        RuleRow::InputBetween {
            input,
            minimum_ms,
            maximum_ms,
        } => Rule::InputBetween {
            input,
            minimum_ms,
            maximum_ms,
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
