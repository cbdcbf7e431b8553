//! The cost report: aggregates over the index `tasks_cost`, in one snapshot.

use rusqlite::{Connection, Row, params_from_iter, types::Value};

use super::super::{CostKey, CostQuery, CostReport, CostRow, CostTotals, Grouping, StoreError};
use super::clauses::Clauses;
use super::read::clamp;
use crate::domain::money::Millicredits;

/// A page of groups and the sum over all.
pub(super) fn report(c: &Connection, query: &CostQuery) -> Result<CostReport, StoreError> {
    // Both statements see one state of the tasks.
    let snapshot = c.unchecked_transaction()?;
    let rows = rows(&snapshot, query)?;
    let whole = CostQuery {
        group_by: Vec::new(),
        after: None,
        limit: 1,
        ..query.clone()
    };
    let totals = self::rows(&snapshot, &whole)?;
    Ok(CostReport {
        rows,
        totals: totals.first().map(|row| row.totals).unwrap_or_default(),
    })
}

fn rows(c: &Connection, query: &CostQuery) -> Result<Vec<CostRow>, StoreError> {
    let keys: Vec<String> = (0..query.group_by.len()).map(|n| format!("k{n}")).collect();
    let keys = keys.join(", ");
    let mut clauses = Clauses::new("SELECT ");
    clauses.push(SUMS);
    if !keys.is_empty() {
        clauses.push(&format!(", {keys}"));
    }
    clauses.push(" FROM (SELECT ");
    clauses.push(AMOUNTS);
    for (n, grouping) in query.group_by.iter().enumerate() {
        key_of(&mut clauses, grouping);
        clauses.push(&format!(" AS k{n}"));
    }
    clauses.push(" FROM tasks INDEXED BY tasks_cost");
    clauses.choose(&query.filter);
    clauses.push(")");
    if !keys.is_empty() {
        after(&mut clauses, &keys, query);
        clauses.push(&format!(" GROUP BY {keys} ORDER BY {keys}"));
    }
    clauses.also(" LIMIT ?", clamp(query.limit));
    let mut statement = c.prepare_cached(&clauses.sql)?;
    let found = statement.query_map(params_from_iter(clauses.values), |row| {
        Ok(CostRow {
            keys: keys_in(row, &query.group_by)?,
            totals: totals(row)?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Adds the column that a grouping tells tasks apart by.
fn key_of(clauses: &mut Clauses, grouping: &Grouping) {
    match grouping {
        Grouping::Model => clauses.push(", model"),
        Grouping::Deployment => clauses.push(", deployment"),
        Grouping::Day => clauses.also(", created / ?", DAY),
        // A mark before the value: a label that is empty is not one that lacks.
        Grouping::Label(name) => clauses.also(
            ", coalesce((SELECT '=' || value FROM labels \
             WHERE task_id = tasks.id AND name = ?), '')",
            name.clone(),
        ),
    }
}

fn after(clauses: &mut Clauses, keys: &str, query: &CostQuery) {
    let Some(last) = &query.after else { return };
    clauses.push(&format!(" WHERE ({keys}) > ("));
    for (place, (key, grouping)) in last.iter().zip(&query.group_by).enumerate() {
        let comma = ["?", ", ?"][usize::from(place > 0)];
        clauses.also(comma, stored(key, grouping));
    }
    clauses.push(")");
}

fn stored(key: &CostKey, grouping: &Grouping) -> Value {
    match (key, grouping) {
        (CostKey::Missing, _) => Value::from(String::new()),
        (CostKey::Text(value), Grouping::Label(_)) => Value::from(format!("={value}")),
        (CostKey::Text(text), _) => Value::from(text.clone()),
        (CostKey::Day(day), _) => Value::from(*day),
    }
}

fn keys_in(row: &Row<'_>, group_by: &[Grouping]) -> rusqlite::Result<Vec<CostKey>> {
    let key = |(place, grouping): (usize, &Grouping)| {
        let place = SUM_COLUMNS + place;
        Ok(match grouping {
            Grouping::Model | Grouping::Deployment => CostKey::Text(row.get(place)?),
            Grouping::Day => CostKey::Day(row.get(place)?),
            Grouping::Label(_) => {
                let marked: String = row.get(place)?;
                let value = marked.strip_prefix('=');
                value.map_or(CostKey::Missing, |value| CostKey::Text(value.to_owned()))
            }
        })
    };
    group_by.iter().enumerate().map(key).collect()
}

fn totals(row: &Row<'_>) -> rusqlite::Result<CostTotals> {
    let count = |place| -> rusqlite::Result<u64> { Ok(row.get::<_, i64>(place)?.unsigned_abs()) };
    let amount = |place| -> rusqlite::Result<Millicredits> {
        let (high, low) = (count(place)?, count(place + 1)?);
        let exact = (u128::from(high) << HALF) + u128::from(low);
        Ok(Millicredits(u64::try_from(exact).unwrap_or(u64::MAX)))
    };
    Ok(CostTotals {
        tasks: count(0)?,
        unknown: count(1)?,
        actual: amount(2)?,
        estimated: amount(4)?,
    })
}

/// The amounts of one task: what was charged, what is open, and whether neither is known.
const AMOUNTS: &str = "cost_actual AS a, CASE WHEN charge IN ('ESTIMATED', 'CHARGED_OR_UNKNOWN') \
     OR (charge = 'CHARGED' AND cost_actual IS NULL) THEN cost_estimated END AS e, \
     charge <> 'NONE' AND cost_actual IS NULL AND cost_estimated IS NULL AS u";
/// Amounts are summed in two halves: SQLite's own sum ends in an error beyond 2^63.
const SUMS: &str = "count(*), coalesce(sum(u), 0), \
     coalesce(sum(a >> 32), 0), coalesce(sum(a & 4294967295), 0), \
     coalesce(sum(e >> 32), 0), coalesce(sum(e & 4294967295), 0)";
/// Columns before the keys.
const SUM_COLUMNS: usize = 6;
/// Bits of the lower half.
const HALF: u32 = 32;
/// Milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;
