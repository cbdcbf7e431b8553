//! What keys spent: one row for each key and day, moved by the same transaction as the tasks.

use rusqlite::{Connection, params};

use super::super::{Denied, StoreError};
use crate::domain::caller::Budget;
use crate::domain::money::Millicredits;
use crate::domain::spending::{Day, Spent};
use crate::domain::task::Task;

/// What stands against the task spending `more`; without a bounded budget nothing does.
pub(super) fn denied(
    c: &Connection,
    task: &Task,
    more: Millicredits,
    budget: Budget,
) -> Result<Option<Denied>, StoreError> {
    let Some(key) = task.key.as_ref().filter(|_| budget.is_bounded()) else {
        return Ok(None);
    };
    let day = Day::of(task.times.created);
    let spent = spent(c, key.as_str(), day)?;
    Ok(budget.exceeded(spent, more, day).map(Denied::Budget))
}

fn spent(c: &Connection, key: &str, day: Day) -> Result<Spent, StoreError> {
    let (first, next) = day.month();
    let mut statement = c.prepare_cached(
        "SELECT day, amount FROM spend WHERE key = ?1 AND day >= ?2 AND day < ?3",
    )?;
    let rows = statement.query_map(params![key, first.0, next.0], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })?;
    let mut spent = Spent::default();
    for row in rows {
        let (on, amount) = row?;
        // A day cannot have spent less than nothing; if a row says so, others must not gain by it.
        let amount = Millicredits(u64::try_from(amount).unwrap_or(0));
        spent.month = spent.month.plus(amount);
        if on == day.0 {
            spent.day = amount;
        }
    }
    Ok(spent)
}

/// Moves what the task's key spent on the day of its creation from one amount to another.
pub(super) fn moved(c: &Connection, task: &Task, from: i64, to: i64) -> Result<(), StoreError> {
    let Some(key) = task.key.as_ref().filter(|_| from != to) else {
        return Ok(());
    };
    let (key, day) = (key.as_str(), Day::of(task.times.created));
    let more = to.saturating_sub(from);
    let sql = "UPDATE spend SET amount = amount + ?3 WHERE key = ?1 AND day = ?2";
    let known = c.prepare_cached(sql)?.execute(params![key, day.0, more])?;
    if known == 0 {
        c.prepare_cached("DELETE FROM spend WHERE key = ?1 AND day < ?2")?
            .execute(params![key, day.0 - KEEP_DAYS])?;
        c.prepare_cached("INSERT INTO spend (key, day, amount) VALUES (?1, ?2, ?3)")?
            .execute(params![key, day.0, more])?;
    }
    Ok(())
}

/// Days that are kept of a key: no budget looks back farther than a month, people may.
const KEEP_DAYS: i64 = 400;
