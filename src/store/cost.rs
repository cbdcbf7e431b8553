//! What is asked of a cost report, and what comes back.

use super::TaskFilter;
use crate::domain::money::{Charge, Cost, Millicredits};

/// Which tasks are summed, and how.
#[derive(Clone, Debug)]
pub struct CostQuery {
    /// Among which; deleted tasks count until their records are removed.
    pub filter: TaskFilter,
    /// What splits the sums, in this order; empty: nothing does.
    pub group_by: Vec<Grouping>,
    /// Strictly after the group with these keys (the last of the page before).
    pub after: Option<Vec<CostKey>>,
    /// Groups at most.
    pub limit: usize,
}

/// What tasks are told apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// The model as asked for.
    Model,
    /// The deployment that took the task last.
    Deployment,
    /// The UTC day of the creation.
    Day,
    /// The value of this label.
    Label(String),
}

/// What the tasks of a group have in common. Groups are ordered by their keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CostKey {
    /// They lack the label.
    Missing,
    /// A model, a deployment (empty: none took them) or the value of a label.
    Text(String),
    /// Days since the Unix epoch.
    Day(i64),
}

/// A page of groups, and the sum over all pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostReport {
    /// In the order of their keys.
    pub rows: Vec<CostRow>,
    /// Over every group.
    pub totals: CostTotals,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostRow {
    /// One key for each grouping asked for.
    pub keys: Vec<CostKey>,
    /// Its sums.
    pub totals: CostTotals,
}

/// Sums over some tasks. What is unknown is counted, and summed nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostTotals {
    /// How many tasks.
    pub tasks: u64,
    /// What was charged, as far as it is known.
    pub actual: Millicredits,
    /// The estimates of those whose charge is not settled, or settled without an amount.
    pub estimated: Millicredits,
    /// How many may cost something and have neither amount.
    pub unknown: u64,
}

impl CostTotals {
    /// Adds one task's cost: the definition that every store must sum by.
    #[must_use]
    pub fn with(self, cost: &Cost) -> Self {
        let open = match cost.charge {
            Charge::None => false,
            Charge::Estimated | Charge::ChargedOrUnknown => true,
            Charge::Charged => cost.actual.is_none(),
        };
        let estimated = cost.estimated.filter(|_| open);
        let unknown =
            cost.charge != Charge::None && cost.actual.is_none() && cost.estimated.is_none();
        Self {
            tasks: self.tasks + 1,
            actual: self.actual.plus(cost.actual.unwrap_or_default()),
            estimated: self.estimated.plus(estimated.unwrap_or_default()),
            unknown: self.unknown + u64::from(unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_counts_by_what_is_known_of_its_charge() {
        use Charge::{Charged, ChargedOrUnknown, Estimated, None as Free};
        for (estimated, actual, charge, expected) in [
            (Some(5), None, Free, (0, 0, 0)),
            (None, None, Free, (0, 0, 0)),
            (Some(5), Some(0), Free, (0, 0, 0)),
            (Some(5), None, Estimated, (0, 5, 0)),
            (None, None, Estimated, (0, 0, 1)),
            (Some(5), Some(4), Charged, (4, 0, 0)),
            (None, Some(4), Charged, (4, 0, 0)),
            (Some(5), None, Charged, (0, 5, 0)),
            (None, None, Charged, (0, 0, 1)),
            (Some(5), None, ChargedOrUnknown, (0, 5, 0)),
            (None, None, ChargedOrUnknown, (0, 0, 1)),
            // A part is charged, another may be: both sums have their say.
            (Some(9), Some(4), ChargedOrUnknown, (4, 9, 0)),
        ] {
            let cost = Cost {
                estimated: estimated.map(Millicredits),
                actual: actual.map(Millicredits),
                charge,
            };
            let sum = CostTotals::default().with(&cost);
            let seen = (sum.actual.0, sum.estimated.0, sum.unknown);
            assert_eq!((sum.tasks, seen), (1, expected), "{cost:?}");
        }
    }
}
