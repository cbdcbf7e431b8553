//! What an estimate took for granted, in words for the caller.
//!
//! It goes by the same facts as the amount. A default that the provider documents is no assumption.

use super::condition::Condition;
use super::facts::{Facts, Longest};
use super::tariff::{Part, Tariff};
use crate::domain::generation::{Generation, Role};
use crate::domain::model::Spec;

/// Every assumption behind the price that a tariff makes of the facts, each once.
pub(super) fn sentences(
    generation: &Generation,
    spec: &Spec,
    tariff: &Tariff,
    facts: &Facts<'_>,
) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut tell = |sentence: String| {
        if !told.contains(&sentence) {
            told.push(sentence);
        }
    };
    for part in &tariff.parts {
        for longest in lengths(part, facts) {
            tell(match longest {
                Longest::Output(ms) => {
                    let model = &generation.model;
                    format!("assumed the greatest length of {model}, {}", seconds(ms))
                }
                Longest::Input(role, ms) => {
                    format!("assumed the longest {}, {}", words(role), seconds(ms))
                }
            });
        }
        open(part, facts)
            .into_iter()
            .map(|condition| dearest(condition, spec, facts))
            .for_each(&mut tell);
    }
    told
}

/// The lengths that had to be assumed where seconds cost something.
fn lengths(part: &Part, facts: &Facts<'_>) -> Vec<Longest> {
    let mut amounts = part.candidates(facts).into_iter().map(|rate| rate.amount);
    if amounts.any(|amount| amount.is_some_and(|amount| amount.price.0 > 0)) {
        facts.longest(&part.unit)
    } else {
        Vec::new()
    }
}

/// The conditions that cannot be said to hold, where the price depends on them.
fn open<'a>(part: &'a Part, facts: &Facts<'_>) -> Vec<&'a Condition> {
    let candidates = part.candidates(facts);
    let alike = candidates
        .windows(2)
        .all(|two| two[0].amount == two[1].amount);
    if candidates.len() > 1 && alike {
        return Vec::new();
    }
    let doubtful = candidates
        .into_iter()
        .filter(|rate| rate.applies(facts).is_none());
    doubtful
        .flat_map(|rate| &rate.when)
        .filter(|condition| condition.holds(facts).is_none())
        .collect()
}

fn dearest(condition: &Condition, spec: &Spec, facts: &Facts<'_>) -> String {
    let named = |field: &str| {
        let typed = spec.typed(field).map(|(name, _)| name);
        format!("assumed the dearest {}", typed.unwrap_or(field))
    };
    match condition {
        Condition::OneOf { field, .. } | Condition::Given { field } => named(field),
        Condition::Pixels { field, input, .. } => match (field, input) {
            (Some(field), Some(role)) if facts.value(field).is_none() => of_input(*role),
            (None, Some(role)) => of_input(*role),
            (Some(field), _) => named(field),
            (None, None) => "assumed the dearest size".to_owned(),
        },
    }
}

fn of_input(role: Role) -> String {
    format!("assumed the dearest size of the {}", words(role))
}

fn words(role: Role) -> String {
    role.as_str().replace('_', " ")
}

/// `30 s`, `2.5 s`.
fn seconds(ms: u64) -> String {
    let (whole, rest) = (ms / MILLI, ms % MILLI);
    match rest {
        0 => format!("{whole} s"),
        rest => format!("{whole}.{} s", format!("{rest:03}").trim_end_matches('0')),
    }
}

/// Milliseconds in a second.
const MILLI: u64 = 1000;
