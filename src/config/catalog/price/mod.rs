//! From a model's `_price` to its tariff.
//!
//! `_price` is a tariff, or the name of one in the file's `tariffs`; a tariff may be `like` a named
//! one and add parts to it. Strict: a unit, a role or a key that is not known is refused, and so is
//! a condition that the model could never meet. A model without `_price` has no known price.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use serde_json::Value as Json;

use super::rows::{ConditionRow, Fields, PartRow, RateRow, TariffRow};
use super::shape::value;
use super::{CatalogError, wrong};
use crate::domain::generation::Role;
use crate::domain::model::{Param, Slot, Spec, listed};
use crate::domain::money::Millicredits;
use crate::domain::pricing::{Amount, Condition, Part, Rate, Tariff, Unit};
use crate::domain::value::Value;

/// What a model costs, by its row and the named tariffs; `None`: not known.
pub(super) fn tariff(
    fields: &Fields,
    named: &BTreeMap<String, Json>,
    spec: &Spec,
) -> Result<Option<Tariff>, CatalogError> {
    let Some(row) = written(fields, named)? else {
        return Ok(None);
    };
    build(row, spec)
        .map(Some)
        .map_err(|error| error.under("_price"))
}

/// The price without rates that only count with values which the fields do not take: nobody can ask
/// for them. `None`: there are none such.
pub(super) fn fitted(fields: &Fields, named: &BTreeMap<String, Json>, spec: &Spec) -> Option<Json> {
    let mut row = written(fields, named).ok()??;
    let mut dropped = false;
    for rates in row.parts.iter_mut().map(|part| &mut part.rates) {
        for condition in rates.iter_mut().flat_map(|rate| &mut rate.when) {
            let param = condition.field.as_ref().map(|name| field(name, spec));
            if let (Some(Ok(param)), Some(values)) = (param, &mut condition.is) {
                let before = values.len();
                values.retain(|json| param.shape.takes(&value(json)));
                dropped |= values.len() < before;
            }
        }
        let can_be = |row: &ConditionRow| row.is.as_ref().is_none_or(|values| !values.is_empty());
        rates.retain(|rate| rate.when.iter().all(can_be));
    }
    dropped.then(|| serde_json::to_value(row).ok()).flatten()
}

/// What a row says of its price, with everything taken over; `None`: nothing.
fn written(
    fields: &Fields,
    named: &BTreeMap<String, Json>,
) -> Result<Option<TariffRow>, CatalogError> {
    let Some(row) = fields.get("_price") else {
        return Ok(None);
    };
    let mut row = match row {
        Json::String(name) => lookup(name, named)?,
        row => parsed("_price", row)?,
    };
    row = whole(row, named, DEEPEST)?;
    row.like = None;
    Ok(Some(row))
}

/// Refuses a named tariff that cannot be read, whether or not a model has it.
pub(super) fn check(named: &BTreeMap<String, Json>) -> Result<(), CatalogError> {
    named
        .keys()
        .try_for_each(|name| lookup(name, named).map(|_| ()))
}

fn lookup(name: &str, named: &BTreeMap<String, Json>) -> Result<TariffRow, CatalogError> {
    let row = named.get(name).ok_or_else(|| {
        let problem = format!(
            "names no tariff: {name:?}; there are {}",
            listed(named.keys())
        );
        wrong("_price", &problem)
    })?;
    parsed(&format!("tariffs {name}"), row)
}

fn parsed(place: &str, row: &Json) -> Result<TariffRow, CatalogError> {
    serde_json::from_value(row.clone()).map_err(|error| wrong(place, &error.to_string()))
}

/// A row with everything that it takes over from the tariff that it is like.
fn whole(
    row: TariffRow,
    named: &BTreeMap<String, Json>,
    depth: usize,
) -> Result<TariffRow, CatalogError> {
    let Some(name) = &row.like else {
        return Ok(row);
    };
    let Some(depth) = depth.checked_sub(1) else {
        return Err(wrong("_price", "is like too many others, or like itself"));
    };
    let mut base = whole(lookup(name, named)?, named, depth)?;
    base.parts.extend(row.parts);
    base.minimum = row.minimum.or(base.minimum);
    base.defaults.extend(row.defaults);
    base.follows = row.follows.or(base.follows);
    base.longest_seconds.extend(row.longest_seconds);
    Ok(base)
}

fn build(row: TariffRow, spec: &Spec) -> Result<Tariff, CatalogError> {
    let parts: Vec<Part> = row
        .parts
        .into_iter()
        .map(|row| part(row, spec))
        .collect::<Result<_, _>>()?;
    let rates = || parts.iter().flat_map(|part| &part.rates);
    let amounts = || rates().filter_map(|rate| rate.amount);
    if !amounts().any(|amount| amount.price.0 > 0) {
        return Err(wrong(
            "parts",
            "must charge something: leave an unknown price out",
        ));
    }
    let mut defaults = BTreeMap::new();
    for (name, json) in &row.defaults {
        let param = field(name, spec).map_err(|error| error.under("defaults"))?;
        defaults.insert(name.clone(), taken(param, json)?);
    }
    let mut longest_ms = BTreeMap::new();
    for (name, seconds) in &row.longest_seconds {
        let role = role(name, spec).map_err(|error| error.under("longest_seconds"))?;
        longest_ms.insert(role, seconds.saturating_mul(MILLI));
    }
    let follows = row.follows.map(|name| role(&name, spec)).transpose();
    Ok(Tariff {
        minimum: row.minimum.map(millicredits).transpose()?,
        follows: follows.map_err(|error| error.under("follows"))?,
        parts,
        defaults,
        longest_ms,
    })
}

fn part(row: PartRow, spec: &Spec) -> Result<Part, CatalogError> {
    let under = |error: CatalogError| error.under(&row.unit);
    let own = RateRow {
        when: Vec::new(),
        credits: row.credits,
        per: row.per,
        unknown: false,
    };
    let rates = match (row.credits.is_some() || row.per.is_some(), row.rates) {
        (true, rates) if rates.is_empty() => vec![own],
        (false, rates) if !rates.is_empty() => rates,
        _ => return Err(under(wrong("rates", "must be there, or credits instead"))),
    };
    let rates = rates.into_iter().map(|rate| {
        Ok(Rate {
            amount: amount(&rate, row.fractions)?,
            when: rate
                .when
                .into_iter()
                .map(|row| condition(row, spec))
                .collect::<Result<_, CatalogError>>()?,
        })
    });
    Ok(Part {
        rates: rates.collect::<Result<_, CatalogError>>().map_err(under)?,
        unit: unit(&row.unit, &row.roles, spec)?,
    })
}

fn unit(name: &str, roles: &[String], spec: &Spec) -> Result<Unit, CatalogError> {
    let of_inputs = matches!(name, "input_second" | "reference");
    if of_inputs == roles.is_empty() {
        return Err(wrong(
            name,
            "must have roles exactly where it is counted on inputs",
        ));
    }
    let known: Vec<Role> = roles
        .iter()
        .map(|name| Role::parse(name).ok_or_else(|| wrong(name, "is no known role")))
        .collect::<Result<_, _>>()?;
    if of_inputs && !known.iter().any(|role| has(*role, spec)) {
        return Err(wrong(
            name,
            &format!("counts {}, which the model does not take", listed(&known)),
        ));
    }
    Ok(match name {
        "output_second" => Unit::OutputSecond,
        "output" => Unit::Output,
        "task" => Unit::Task,
        "input_second" => Unit::InputSecond(known),
        "reference" => Unit::Reference(known),
        "character" => Unit::Character,
        "output_frame" => Unit::OutputFrame,
        _ => return Err(wrong(name, "is no known unit")),
    })
}

fn amount(row: &RateRow, fractions: bool) -> Result<Option<Amount>, CatalogError> {
    match (row.unknown, row.credits) {
        (true, None) => Ok(None),
        (false, Some(credits)) => Ok(Some(Amount {
            price: millicredits(credits)?,
            per: row.per.unwrap_or(NonZeroU64::MIN),
            fractions,
        })),
        _ => Err(wrong("credits", "must be there, or unknown instead")),
    }
}

/// Credits are written with at most three decimals, so that they are exact.
fn millicredits(credits: f64) -> Result<Millicredits, CatalogError> {
    let exact = credits * 1000.0;
    let whole = exact.round();
    if !(0.0..=MOST_MILLICREDITS).contains(&whole) || (exact - whole).abs() > ROUNDING {
        let problem = format!("must be from 0 to 1000000 in thousandths; got {credits}");
        return Err(wrong("credits", &problem));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and within bounds"
    )]
    Ok(Millicredits(whole as u64))
}

fn condition(row: ConditionRow, spec: &Spec) -> Result<Condition, CatalogError> {
    let ranged = row.pixels_above.is_some() || row.pixels_up_to.is_some();
    match (row.field, row.is, row.given, ranged, &row.input) {
        (Some(name), Some(values), false, false, None) => {
            let param = field(&name, spec)?;
            let values = values.iter().map(|json| taken(param, json));
            Ok(Condition::OneOf {
                values: values.collect::<Result<_, _>>()?,
                field: name,
            })
        }
        (Some(name), None, true, false, None) => {
            field(&name, spec)?;
            Ok(Condition::Given { field: name })
        }
        (name, None, false, true, input) if name.is_some() || input.is_some() => {
            name.as_ref().map(|name| size(name, spec)).transpose()?;
            let input = input.as_ref().map(|name| role(name, spec)).transpose()?;
            Ok(Condition::Pixels {
                field: name,
                input,
                above: row.pixels_above,
                up_to: row.pixels_up_to,
            })
        }
        _ => Err(wrong(
            "when",
            "must be a field with is or given, or a field or input with pixels",
        )),
    }
}

/// A field that the model has.
fn field<'a>(name: &str, spec: &'a Spec) -> Result<&'a Param, CatalogError> {
    let typed = spec.typed(name).map(|(_, param)| param);
    typed
        .or_else(|| spec.options.get(name))
        .ok_or_else(|| wrong(name, "is no field of the model"))
}

fn size<'a>(name: &str, spec: &'a Spec) -> Result<&'a Param, CatalogError> {
    let sizes = spec.typed.sizes.iter();
    sizes
        .into_iter()
        .find(|param| param.name == name)
        .ok_or_else(|| wrong(name, "is no size of the model"))
}

/// A value that the field takes.
fn taken(param: &Param, json: &Json) -> Result<Value, CatalogError> {
    let value = value(json);
    if param.shape.takes(&value) {
        return Ok(value);
    }
    let problem = format!("must be {}; got {value}", param.shape.wanted());
    Err(wrong(&param.name, &problem))
}

/// A role that the model takes.
fn role(name: &str, spec: &Spec) -> Result<Role, CatalogError> {
    let role = Role::parse(name).ok_or_else(|| wrong(name, "is no known role"))?;
    if has(role, spec) {
        return Ok(role);
    }
    Err(wrong(name, "is a role that the model does not take"))
}

fn has(role: Role, spec: &Spec) -> bool {
    let taken = |slot: &Slot| {
        let named = slot.accepts.iter().any(|(taken, _)| *taken == role);
        named || (role == Role::Unspecified && slot.frames.is_some())
    };
    spec.slots.iter().any(taken)
}

/// How many tariffs may be like one another in a row.
const DEEPEST: usize = 4;
const MILLI: u64 = 1000;
/// A million credits: ten thousand dollars for one unit is a slip of the pen.
const MOST_MILLICREDITS: f64 = 1e9;
/// What writing a decimal in binary may lose.
const ROUNDING: f64 = 1e-6;

#[cfg(test)]
mod tests;
