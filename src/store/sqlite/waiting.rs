//! The queues: what waits, in the order in which it is served, and the counts of what has not ended.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::census::{Counted, Spot};
use super::super::{Census, Queue, StoreError, Waiting};
use super::read;
use crate::domain::caller::KeyId;
use crate::domain::id::{TaskId, TenantId};
use crate::domain::task::{Lane, Task};
use crate::domain::time::Timestamp;

/// The queues with when the first task of each is due; one that was emptied meanwhile is left out.
pub(super) fn first(c: &Connection, queues: Vec<Queue>) -> Result<Vec<Waiting>, StoreError> {
    let sql = "SELECT due FROM tasks INDEXED BY tasks_waiting_due \
               WHERE lane = 0 AND tenant = ?1 AND model = ?2 ORDER BY due LIMIT 1";
    let mut statement = c.prepare_cached(sql)?;
    let mut found = Vec::with_capacity(queues.len());
    for queue in queues {
        let asked = params![queue.tenant.as_str(), queue.model];
        let due: Option<i64> = statement.query_row(asked, |row| row.get(0)).optional()?;
        if let Some(due) = due {
            found.push(Waiting {
                tenant: queue.tenant,
                model: queue.model,
                queued: queue.queued,
                first_due: Timestamp(due),
            });
        }
    }
    Ok(found)
}

/// What is due of a queue, given by tenant and model, in the order in which it is served.
pub(super) fn due(
    c: &Connection,
    queue: (&TenantId, &str),
    until: Timestamp,
    after: Option<(i32, TaskId)>,
    limit: usize,
) -> Result<Vec<Arc<Task>>, StoreError> {
    let (tenant, model) = (queue.0.as_str(), queue.1);
    let Some((priority, id)) = after else {
        let bounds = params![tenant, model, until.0, i64::MAX, read::clamp(limit)];
        return read::sound(c, &below(), bounds);
    };
    // Two searches, for one condition would look at all that have the priority.
    let same = params![
        tenant,
        model,
        until.0,
        priority,
        id.as_bytes(),
        read::clamp(limit)
    ];
    let mut tasks = read::sound(c, &beside(), same)?;
    if tasks.len() < limit {
        let rest = read::clamp(limit - tasks.len());
        let lower = params![tenant, model, until.0, priority, rest];
        tasks.extend(read::sound(c, &below(), lower)?);
    }
    Ok(tasks)
}

fn beside() -> String {
    format!("{WAITING} AND priority = ?4 AND id > ?5 ORDER BY id LIMIT ?6")
}

fn below() -> String {
    format!("{WAITING} AND priority < ?4 ORDER BY priority DESC, id LIMIT ?5")
}

const WAITING: &str = "INDEXED BY tasks_waiting \
    WHERE lane = 0 AND tenant = ?1 AND model = ?2 AND due <= ?3";

/// The counts of all that has not ended. What makes no sense is told when it is read.
pub(super) fn census(c: &Connection) -> rusqlite::Result<Census> {
    let census = Census::default();
    let sql = "SELECT tasks.id, tenant, key, tasks.model, state, deadline IS NULL, \
               account, attempts.deployment, \
               CASE WHEN attempts.model <> '' THEN attempts.model \
                   WHEN account IS NOT NULL AND json_valid(request) \
                   THEN json_extract(request, '$.model') END \
               FROM tasks LEFT JOIN attempts ON task_id = tasks.id \
                   AND outcome IN ('PENDING', 'ACCEPTED', 'UNKNOWN') \
               WHERE lane <= ?1";
    let mut statement = c.prepare(sql)?;
    let mut rows = statement.query([Lane::Archive.code()])?;
    while let Some(row) = rows.next()? {
        count(&census, row)?;
    }
    Ok(census)
}

fn count(census: &Census, row: &Row<'_>) -> rusqlite::Result<()> {
    let Some(id) = row.get(0).ok().and_then(TaskId::from_bytes) else {
        return Ok(());
    };
    let tenant = TenantId::named(row.get::<_, String>(1)?);
    let key = row.get::<_, Option<String>>(2)?.map(KeyId::new);
    let (model, state): (String, String) = (row.get(3)?, row.get(4)?);
    let text = |n| {
        row.get::<_, Option<String>>(n)
            .map(Option::unwrap_or_default)
    };
    let (account, deployment, served) = (text(6)?, text(7)?, text(8)?);
    let seat = (account.as_str(), served.as_str(), deployment.as_str());
    let held: bool = row.get(5)?;
    let spot = match state.as_str() {
        "queued" => Spot::Waiting,
        "submission_unknown" if held => Spot::Aside,
        "submitting" | "submission_unknown" | "submitted" | "running" => {
            Spot::in_flight(seat, false)
        }
        "throttled" => Spot::in_flight(seat, true),
        "archiving" => Spot::Aside,
        _ => return Ok(()),
    };
    let task = Counted {
        id,
        tenant: &tenant,
        key: key.as_ref(),
        model: &model,
    };
    census.put(task, Some(spot));
    Ok(())
}
