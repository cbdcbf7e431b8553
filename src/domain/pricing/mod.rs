//! What a generation costs, before the provider has said so.
//!
//! A model's price is data, a [`Tariff`]; which model has which is the catalogue's business. All
//! arithmetic is on integers, in millicredits. A price that is not known stays unknown: it is never
//! zero. Once the provider names an amount, that amount counts and nothing here does.

mod amount;
mod assumed;
mod condition;
mod facts;
mod quantity;
mod tariff;

pub use amount::Amount;
pub use condition::Condition;
pub use tariff::{Part, Rate, Tariff, Unit};

use self::facts::Facts;
use super::generation::Generation;
use super::model::Spec;
use super::money::Millicredits;

/// The most that a generation may cost by the model's price rules; `None`: not known.
///
/// What is left open counts at its dearest: a duration that is absent or `auto` as the longest that
/// the model takes, a field that is absent and has no documented default as its dearest value. Whole
/// credits, as bills are; never `Some` of nothing.
pub fn estimate(generation: &Generation, spec: &Spec) -> Option<Millicredits> {
    estimate_by(spec.price.as_ref()?, generation, spec)
}

/// The same by another price than the model's own.
pub fn estimate_by(tariff: &Tariff, generation: &Generation, spec: &Spec) -> Option<Millicredits> {
    tariff.total(&Facts::of(generation, spec, tariff))
}

/// What [`estimate`] took for granted because neither the request nor its inputs say it, a sentence
/// each; nothing where the price is not known.
pub fn assumptions(generation: &Generation, spec: &Spec) -> Vec<String> {
    let Some(tariff) = &spec.price else {
        return Vec::new();
    };
    let facts = Facts::of(generation, spec, tariff);
    match tariff.total(&facts) {
        Some(_) => assumed::sentences(generation, spec, tariff, &facts),
        None => Vec::new(),
    }
}

/// Whether the price of a model's work is known; an estimate may still lack a length to go by.
pub const fn is_priced(spec: &Spec) -> bool {
    spec.price.is_some()
}

#[cfg(test)]
mod tests;
