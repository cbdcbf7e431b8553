//! Deliveries as rows.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::super::{Receiver, StoreError, WebhookStore};
use super::SqliteStore;
use crate::domain::id::TaskId;
use crate::domain::task::{Status, Task};
use crate::domain::time::Timestamp;
use crate::domain::webhook::{Delivery, DeliveryState, EventId, LastTry};

#[async_trait]
impl WebhookStore for SqliteStore {
    async fn receivers(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Receiver>, StoreError> {
        let read = move |c: &Connection| receivers(c, after.as_deref(), limit);
        self.readers.run(read).await
    }

    async fn due_deliveries(
        &self,
        receiver: &str,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let receiver = receiver.to_owned();
        let read = move |c: &Connection| pending(c, "due <= ?2", &receiver, until, limit);
        self.readers.run(read).await
    }

    async fn late_deliveries(
        &self,
        receiver: &str,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let receiver = receiver.to_owned();
        let read = move |c: &Connection| pending(c, "created <= ?2", &receiver, until, limit);
        self.readers.run(read).await
    }

    async fn deliveries(&self, task: TaskId) -> Result<Vec<Delivery>, StoreError> {
        self.readers.run(move |c| of_task(c, task)).await
    }

    async fn settle(&self, next: Delivery) -> Result<bool, StoreError> {
        let settled = self.writer.run(move |c| settle(c, &next)).await?;
        Ok(settled > 0)
    }

    async fn pending_deliveries(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM deliveries WHERE state = 'pending'";
        let read = move |c: &Connection| {
            let count: i64 = c.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            Ok(u64::try_from(count).unwrap_or(0))
        };
        self.readers.run(read).await
    }
}

/// Notes what is due now that a task has ended, inside the transaction that ends it. An event that is
/// noted already stays as it is.
pub(super) fn announce(c: &Connection, task: &Task) -> Result<(), StoreError> {
    let Some(delivery) = Delivery::of(task) else {
        return Ok(());
    };
    let (state, due) = columns(delivery.state);
    c.prepare_cached(
        "INSERT INTO deliveries (task_id, ending, event, url, receiver, state, due, tries, \
         last_error, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '', ?9) \
         ON CONFLICT (task_id, ending) DO NOTHING",
    )?
    .execute(params![
        delivery.task.as_bytes(),
        delivery.ending.as_str(),
        delivery.event.as_str(),
        delivery.url,
        delivery.receiver,
        state,
        due.0,
        delivery.tries,
        delivery.created.0,
    ])?;
    Ok(())
}

fn settle(c: &Connection, next: &Delivery) -> Result<usize, StoreError> {
    let (state, due) = columns(next.state);
    let last = next.last.as_ref();
    let mut statement = c.prepare_cached(
        "UPDATE deliveries SET url = ?3, state = ?4, due = ?5, tries = ?6, last_at = ?7, \
         last_status = ?8, last_error = ?9 \
         WHERE task_id = ?1 AND ending = ?2 AND state = 'pending' AND tries = ?6 - 1",
    )?;
    Ok(statement.execute(params![
        next.task.as_bytes(),
        next.ending.as_str(),
        next.url,
        state,
        due.0,
        next.tries,
        last.map(|last| last.at.0),
        last.and_then(|last| last.status),
        last.map_or("", |last| &last.error),
    ])?)
}

/// Leaps from one receiver to the next, so that a long list of one costs no more than a short one. An
/// `OR` for "from the first" would have it go through all before `after` instead: no name is empty.
fn receivers(
    c: &Connection,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Receiver>, StoreError> {
    let mut statement = c.prepare_cached(
        "WITH RECURSIVE found (receiver) AS ( \
             SELECT min(receiver) FROM deliveries \
                 WHERE state = 'pending' AND receiver > coalesce(?1, '') \
             UNION ALL \
             SELECT (SELECT min(receiver) FROM deliveries \
                     WHERE state = 'pending' AND receiver > found.receiver) \
                 FROM found WHERE found.receiver IS NOT NULL) \
         SELECT receiver, (SELECT min(due) FROM deliveries \
             WHERE state = 'pending' AND deliveries.receiver = found.receiver) \
         FROM found WHERE receiver IS NOT NULL LIMIT ?2",
    )?;
    let rows = statement.query_map(params![after, clamp(limit)], |row| {
        Ok(Receiver {
            name: row.get(0)?,
            first_due: Timestamp(row.get(1)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Those of a receiver's pending deliveries of which `which` holds, by when they are due.
fn pending(
    c: &Connection,
    which: &str,
    receiver: &str,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM deliveries WHERE state = 'pending' AND receiver = ?1 \
         AND {which} ORDER BY due, task_id LIMIT ?3"
    );
    let mut statement = c.prepare_cached(&sql)?;
    let mut rows = statement.query(params![receiver, until.0, clamp(limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        match decode(row) {
            Ok(delivery) => found.push(delivery),
            Err(error) => tracing::error!(%error, "a delivery that makes no sense is left out"),
        }
    }
    Ok(found)
}

fn of_task(c: &Connection, task: TaskId) -> Result<Vec<Delivery>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM deliveries WHERE task_id = ?1 ORDER BY created, ending");
    let mut statement = c.prepare_cached(&sql)?;
    let mut rows = statement.query([task.as_bytes()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(decode(row)?);
    }
    Ok(found)
}

fn decode(row: &Row<'_>) -> Result<Delivery, StoreError> {
    let id = row.get(0).ok().and_then(TaskId::from_bytes);
    let task = id.ok_or_else(|| corrupt("?".to_owned(), "task_id"))?;
    let wrong = |column| corrupt(task.to_string(), column);
    let time = |index, column| row.get(index).map_err(|_| wrong(column)).map(Timestamp);
    let ending: String = row.get(1).map_err(|_| wrong("ending"))?;
    let ending = Status::ALL
        .into_iter()
        .find(|status| status.as_str() == ending);
    let event: String = row.get(2).map_err(|_| wrong("event"))?;
    let state: String = row.get(5).map_err(|_| wrong("state"))?;
    let at = time(6, "due")?;
    let last_at: Option<i64> = row.get(8).map_err(|_| wrong("last_at"))?;
    let last = match last_at {
        None => None,
        Some(at) => Some(LastTry {
            at: Timestamp(at),
            status: row.get(9).map_err(|_| wrong("last_status"))?,
            error: row.get(10).map_err(|_| wrong("last_error"))?,
        }),
    };
    Ok(Delivery {
        event: EventId::stored(event),
        task,
        ending: ending.ok_or_else(|| wrong("ending"))?,
        url: row.get(3).map_err(|_| wrong("url"))?,
        receiver: row.get(4).map_err(|_| wrong("receiver"))?,
        state: match state.as_str() {
            "pending" => DeliveryState::Pending { due: at },
            "delivered" => DeliveryState::Delivered { at },
            "given_up" => DeliveryState::GivenUp { at },
            _ => return Err(wrong("state")),
        },
        tries: row.get(7).map_err(|_| wrong("tries"))?,
        last,
        created: time(11, "created")?,
    })
}

fn columns(state: DeliveryState) -> (&'static str, Timestamp) {
    let at = match state {
        DeliveryState::Pending { due: at }
        | DeliveryState::Delivered { at }
        | DeliveryState::GivenUp { at } => at,
    };
    (state.as_str(), at)
}

fn corrupt(row: String, column: &'static str) -> StoreError {
    StoreError::Corrupt {
        table: "deliveries",
        row,
        column,
    }
}

fn clamp(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

const COLUMNS: &str = "task_id, ending, event, url, receiver, state, due, tries, last_at, \
                       last_status, last_error, created";
