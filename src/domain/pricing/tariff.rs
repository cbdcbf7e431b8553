//! The price of one model's work, as data, and how it adds up.

use std::collections::BTreeMap;

use super::{Amount, Condition, Facts};
use crate::domain::generation::Role;
use crate::domain::money::Millicredits;
use crate::domain::value::Value;

/// The price of what a model does for one operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tariff {
    /// What is added up.
    pub parts: Vec<Part>,
    /// What a task costs at least; `None`: no such bound.
    pub minimum: Option<Millicredits>,
    /// What the provider takes for fields that are absent, by their names.
    pub defaults: BTreeMap<String, Value>,
    /// The input whose length the output has, where no field sets one.
    pub follows: Option<Role>,
    /// How long inputs may be, in milliseconds, where that is documented.
    pub longest_ms: BTreeMap<Role, u64>,
}

/// One part of a price.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What is counted.
    pub unit: Unit,
    /// What a unit costs; the first that applies counts. None applies: the price is not known.
    pub rates: Vec<Rate>,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Each second of each output.
    OutputSecond,
    /// Each output.
    Output,
    /// The task, whatever it makes.
    Task,
    /// Each second of the inputs in these roles.
    InputSecond(Vec<Role>),
    /// Each input in these roles.
    Reference(Vec<Role>),
    /// Each character of the prompt, in UTF-16 code units: no count of characters is greater.
    Character,
    /// Each frame of each output, of which there are as many as in the input that it follows.
    OutputFrame,
}

/// What a unit costs, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// What must hold, all of it; empty: always.
    pub when: Vec<Condition>,
    /// The amount; `None`: it is known that nothing is known.
    pub amount: Option<Amount>,
}

impl Tariff {
    /// The dearest that the facts allow, in whole credits.
    pub(super) fn total(&self, facts: &Facts<'_>) -> Option<Millicredits> {
        let parts = self
            .parts
            .iter()
            .map(|part| part.price(facts, |unit, fractions| facts.quantity(unit, fractions)));
        let sum = added(parts)?.max(self.minimum.unwrap_or_default());
        let credits = sum.0.div_ceil(MILLI).checked_mul(MILLI)?;
        (1..=MOST)
            .contains(&credits)
            .then_some(Millicredits(credits))
    }

    /// What one of every unit costs at a size; good for comparing sizes, for nothing else.
    pub fn at_size(&self, field: &str, size: &str) -> Option<Millicredits> {
        let facts = Facts::of_size(self, field, size);
        added(
            self.parts
                .iter()
                .map(|part| part.price(&facts, |_, _| super::quantity::whole(1))),
        )
    }
}

impl Part {
    /// The dearest of the rates that may apply; a part without any has no known price.
    fn price(
        &self,
        facts: &Facts<'_>,
        quantity: impl Fn(&Unit, bool) -> Option<u64>,
    ) -> Option<Millicredits> {
        let prices = self.candidates(facts).into_iter().map(|rate| {
            let amount = rate.amount?;
            if amount.price.0 == 0 {
                return Some(Millicredits(0));
            }
            amount.times(quantity(&self.unit, amount.fractions)?)
        });
        let prices: Option<Vec<Millicredits>> = prices.collect();
        prices?.into_iter().max()
    }

    /// The first rate that applies, and those before it of which that cannot be said.
    pub(super) fn candidates(&self, facts: &Facts<'_>) -> Vec<&Rate> {
        let mut candidates = Vec::new();
        for rate in &self.rates {
            match rate.applies(facts) {
                Some(false) => {}
                None => candidates.push(rate),
                Some(true) => {
                    candidates.push(rate);
                    break;
                }
            }
        }
        candidates
    }
}

impl Rate {
    /// Whether every condition holds; one that does not decides, whatever cannot be said.
    pub(super) fn applies(&self, facts: &Facts<'_>) -> Option<bool> {
        let mut answers = self.when.iter().map(|condition| condition.holds(facts));
        if answers.clone().any(|answer| answer == Some(false)) {
            return Some(false);
        }
        answers.all(|answer| answer.is_some()).then_some(true)
    }
}

fn added(parts: impl IntoIterator<Item = Option<Millicredits>>) -> Option<Millicredits> {
    let sum = parts
        .into_iter()
        .try_fold(0_u64, |sum, part| sum.checked_add(part?.0));
    sum.map(Millicredits)
}

/// Thousandths in a credit.
const MILLI: u64 = 1000;
/// More is no estimate, and no signed number holds it: not known, then.
const MOST: u64 = i64::MAX.unsigned_abs();
