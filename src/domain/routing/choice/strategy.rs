//! One among those that are fit and have room.

use std::cmp::Ordering;

use super::Candidate;
use crate::domain::routing::Strategy;

/// Picks by the strategy; of equals one at random. `None`: there is nobody.
pub(super) fn pick(
    strategy: Strategy,
    mut candidates: Vec<Candidate<'_>>,
    random: f64,
) -> Option<Candidate<'_>> {
    // Weight 0 takes nothing while another can, whatever the strategy.
    if candidates.iter().any(|c| c.deployment.weight > 0) {
        candidates.retain(|c| c.deployment.weight > 0);
    }
    if strategy == Strategy::SimpleShuffle {
        let index = by_weight(&candidates, random)?;
        return Some(candidates.swap_remove(index));
    }
    let shares = candidates.iter().all(|c| c.fitness.limit.is_some());
    let rank = |a: &Candidate<'_>, b: &Candidate<'_>| match strategy {
        Strategy::MostRoom if shares => share(a).total_cmp(&share(b)),
        Strategy::MostRoom | Strategy::LeastBusy | Strategy::SimpleShuffle => {
            a.fitness.in_flight.cmp(&b.fitness.in_flight)
        }
        Strategy::LatencyBased => speed(a).cmp(&speed(b)),
        Strategy::CostBased => price(a).cmp(&price(b)),
    };
    let best = candidates.iter().min_by(|a, b| rank(a, b))?;
    let is_best = |c: &Candidate<'_>| rank(c, best) == Ordering::Equal;
    let best: Vec<usize> = (0..candidates.len())
        .filter(|index| is_best(&candidates[*index]))
        .collect();
    let index = *best.get(nth(best.len(), random))?;
    Some(candidates.swap_remove(index))
}

fn by_weight(candidates: &[Candidate<'_>], random: f64) -> Option<usize> {
    let weights = candidates.iter().map(|c| f64::from(c.deployment.weight));
    let total: f64 = weights.clone().sum();
    if total <= 0.0 {
        return (!candidates.is_empty()).then(|| nth(candidates.len(), random));
    }
    let mut left = random.clamp(0.0, 1.0) * total;
    for (index, weight) in weights.enumerate() {
        left -= weight;
        if left < 0.0 {
            return Some(index);
        }
    }
    candidates.len().checked_sub(1)
}

/// How much of the account's concurrency is in use.
fn share(candidate: &Candidate<'_>) -> f64 {
    let limit = candidate.fitness.limit.unwrap_or(1).max(1);
    f64::from(candidate.fitness.in_flight) / f64::from(limit)
}

/// The fastest first. One that is not known goes before them while it is idle, so that it is learned,
/// and after them else.
fn speed(candidate: &Candidate<'_>) -> (u8, std::time::Duration, u32) {
    let busy = candidate.fitness.in_flight;
    match candidate.fitness.usual {
        Some(usual) => (1, usual, busy),
        None => (
            if busy == 0 { 0 } else { 2 },
            std::time::Duration::ZERO,
            busy,
        ),
    }
}

/// The cheapest first; what is not known last.
fn price(candidate: &Candidate<'_>) -> (bool, u64, u32) {
    let price = candidate.estimated;
    let busy = candidate.fitness.in_flight;
    (price.is_none(), price.unwrap_or_default().0, busy)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a random number in 0..1 picks one of a few"
)]
fn nth(count: usize, random: f64) -> usize {
    let at = (random.clamp(0.0, 1.0) * count as f64) as usize;
    at.min(count.saturating_sub(1))
}
