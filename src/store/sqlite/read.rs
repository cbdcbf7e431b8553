//! Rows to tasks, and the questions that loops and callers ask.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::super::{Alike, ListQuery, Sorted, StoreError};
use super::clauses::Clauses;
use super::decode;
use crate::domain::caller::KeyId;
use crate::domain::id::{RequestId, TaskId, TenantId};
use crate::domain::moderation::Ending;
use crate::domain::task::{Lane, Task};
use crate::domain::time::Timestamp;

/// The task of an id.
pub(super) fn by_id(c: &Connection, id: TaskId) -> Result<Option<Arc<Task>>, StoreError> {
    one(c, "WHERE id = ?1", params![id.as_bytes()])
}

/// The task of a tenant's key.
pub(super) fn by_request(
    c: &Connection,
    tenant: &TenantId,
    request_id: &RequestId,
) -> Result<Option<Arc<Task>>, StoreError> {
    let filter = "WHERE tenant = ?1 AND request_id = ?2";
    one(c, filter, params![tenant.as_str(), request_id.as_str()])
}

/// The newest tasks of a request that had no key.
pub(super) fn alike(
    c: &Connection,
    alike: &Alike,
    limit: usize,
) -> Result<Vec<Arc<Task>>, StoreError> {
    // Ids begin with the time of creation: only what was made since is looked at, the newest first.
    // Repeats are rare, so that no index of its own is kept up with every create.
    let first = first_id(alike.since.0);
    let filter = "INDEXED BY tasks_tenant WHERE tenant = ?1 AND id >= ?2 \
                  AND fingerprint = ifnull(?3, fingerprint) AND key IS ?4 AND request_id = 'auto_' || lower(hex(id)) AND deleted = 0 \
                  ORDER BY id DESC LIMIT ?5";
    let key = alike.key.as_ref().map(KeyId::as_str);
    let (tenant, print) = (alike.tenant.as_str(), alike.fingerprint);
    let bounds = params![tenant, first.as_bytes(), print, key, clamp(limit)];
    sound(c, filter, bounds)
}

/// What is due in a lane.
pub(super) fn due(
    c: &Connection,
    lane: Lane,
    until: Timestamp,
    after: Option<(Timestamp, TaskId)>,
    limit: usize,
) -> Result<Vec<Arc<Task>>, StoreError> {
    let (from, id) = after.map_or((i64::MIN, [0; 16]), |(at, id)| (at.0, *id.as_bytes()));
    let filter = "WHERE lane = ?1 AND due <= ?2 AND (due, id) > (?3, ?4) ORDER BY due, id LIMIT ?5";
    let bounds = params![lane.code(), until.0, from, id, clamp(limit)];
    sound(c, filter, bounds)
}

/// What is in a lane, without a look at the tasks.
pub(super) fn in_lane(
    c: &Connection,
    lane: Lane,
    after: Option<(Timestamp, TaskId)>,
    limit: usize,
) -> Result<Vec<(Timestamp, TaskId)>, StoreError> {
    let (from, id) = after.map_or((i64::MIN, [0; 16]), |(at, id)| (at.0, *id.as_bytes()));
    let sql = "SELECT due, id FROM tasks WHERE lane = ?1 AND (due, id) > (?2, ?3) \
               ORDER BY due, id LIMIT ?4";
    let mut statement = c.prepare_cached(sql)?;
    let rows = statement.query_map(params![lane.code(), from, id, clamp(limit)], |row| {
        Ok((Timestamp(row.get(0)?), row.get(1)?))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let (due, id) = row?;
        // One that makes no sense is told by who reads the task.
        found.extend(TaskId::from_bytes(id).map(|id| (due, id)));
    }
    Ok(found)
}

/// When the first of a lane is due.
pub(super) fn next_due(c: &Connection, lane: Lane) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<i64> = c
        .prepare_cached("SELECT min(due) FROM tasks WHERE lane = ?1")?
        .query_row([lane.code()], |row| row.get(0))?;
    Ok(due.map(Timestamp))
}

/// A page of a tenant's tasks that are not deleted.
pub(super) fn list(c: &Connection, query: &ListQuery) -> Result<Vec<Arc<Task>>, StoreError> {
    let clauses = page(query);
    many(c, &clauses.sql, params_from_iter(clauses.values))
}

/// What finds a page.
pub(super) fn page(query: &ListQuery) -> Clauses {
    // By any other index all that pass would be sorted for one page.
    let mut clauses = Clauses::new("INDEXED BY tasks_tenant");
    clauses.choose(&query.filter);
    clauses.push(" AND deleted = 0");
    // Ids begin with the time of creation: a page of long ago is found without a look at all since.
    let (newest, oldest, order) = match query.sorted {
        Sorted::NewestFirst => (query.after, None, " ORDER BY id DESC LIMIT ?"),
        Sorted::OldestFirst => (None, query.after, " ORDER BY id LIMIT ?"),
    };
    // One bound on each side: of two the index would use any.
    let before = query.filter.created_before.map(|time| first_id(time.0));
    if let Some(id) = before.into_iter().chain(newest).min() {
        clauses.also(" AND id < ?", id.as_bytes().to_vec());
    }
    let from = query.filter.created_from;
    let from = from.map(|time| first_id(time.0.saturating_sub(NAMED_BEFORE)));
    if let Some(id) = from.into_iter().chain(oldest).max() {
        clauses.also(" AND id > ?", id.as_bytes().to_vec());
    }
    clauses.also(order, clamp(query.limit));
    clauses
}

/// No task named at or after a moment has a lower id.
fn first_id(millis: i64) -> TaskId {
    TaskId::new(millis.clamp(0, LAST_NAMED), [0; 10])
}

/// Whether a provider's task is known already.
pub(super) fn upstream_in_use(
    c: &Connection,
    account: &str,
    upstream_id: &str,
) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM attempts WHERE account = ?1 AND upstream_id = ?2";
    Ok(c.prepare_cached(sql)?
        .exists(params![account, upstream_id])?)
}

/// How long finished tasks ran, newest first.
pub(super) fn run_times(c: &Connection, limit: usize) -> Result<Vec<(String, i64)>, StoreError> {
    // The newest ids are found by the primary key; at most ten times the limit is looked at.
    let sql = "SELECT json_extract(request, '$.model'), completed - started FROM \
               (SELECT request, completed, started, status FROM tasks ORDER BY id DESC LIMIT ?1) \
               WHERE status = 'COMPLETED' AND started IS NOT NULL LIMIT ?2";
    let mut statement = c.prepare_cached(sql)?;
    let rows = statement.query_map(
        params![clamp(limit.saturating_mul(10)), clamp(limit)],
        |row| {
            Ok((
                row.get::<_, Option<String>>(0)?.unwrap_or_default(),
                row.get(1)?,
            ))
        },
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How tasks ended after a moment, oldest first.
pub(super) fn endings(
    c: &Connection,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<Ending>, StoreError> {
    // Ids begin with the time of creation: the primary key bounds what is looked at.
    let first = first_id(since.0.saturating_sub(LONGEST_LIFE));
    let sql = "SELECT tenant, completed, status = 'FAILED' FROM tasks \
               WHERE id >= ?1 AND completed > ?2 AND (status = 'COMPLETED' OR \
                   failure_reason IN ('MODERATED_INPUT', 'MODERATED_OUTPUT')) \
               ORDER BY completed DESC LIMIT ?3";
    let mut statement = c.prepare_cached(sql)?;
    let rows = statement.query_map(params![first.as_bytes(), since.0, clamp(limit)], |row| {
        Ok(Ending {
            tenant: TenantId::named(row.get::<_, String>(0)?),
            at: Timestamp(row.get(1)?),
            moderated: row.get(2)?,
        })
    })?;
    let mut endings = rows.collect::<Result<Vec<_>, _>>()?;
    endings.reverse();
    Ok(endings)
}

/// The tasks of a filter, without those whose stored form makes no sense.
pub(super) fn sound(
    c: &Connection,
    filter: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<Arc<Task>>, StoreError> {
    let sql = format!("{SELECT} {filter}");
    let mut statement = c.prepare_cached(&sql)?;
    let rows = statement.query_map(params, |row| Ok(decode_row(c, row)))?;
    let mut tasks = Vec::new();
    for row in rows {
        match row? {
            Err(error @ StoreError::Corrupt { .. }) => tracing::error!(%error, "task left out"),
            task => tasks.push(task?),
        }
    }
    Ok(tasks)
}

fn one(
    c: &Connection,
    filter: &str,
    params: impl rusqlite::Params,
) -> Result<Option<Arc<Task>>, StoreError> {
    let sql = format!("{SELECT} {filter}");
    let found = c
        .prepare_cached(&sql)?
        .query_row(params, |row| Ok(decode_row(c, row)))
        .optional()?;
    found.transpose()
}

fn many(
    c: &Connection,
    filter: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<Arc<Task>>, StoreError> {
    let sql = format!("{SELECT} {filter}");
    let mut statement = c.prepare_cached(&sql)?;
    let rows = statement.query_map(params, |row| Ok(decode_row(c, row)))?;
    rows.map(|row| row?).collect()
}

fn decode_row(c: &Connection, row: &Row<'_>) -> Result<Arc<Task>, StoreError> {
    decode::task(c, row).map(Arc::new)
}

pub(super) fn clamp(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Milliseconds before an ending of interest in which its task was made: longer lives are rare.
const LONGEST_LIFE: i64 = 86_400_000;
/// Milliseconds that may lie between the making of a task's id and what it says of its creation.
const NAMED_BEFORE: i64 = 60_000;
/// The last moment that an id can carry.
const LAST_NAMED: i64 = (1 << 48) - 1;
/// The columns that [`decode::task`] reads, by position.
const SELECT: &str = "SELECT id, tenant, request_id, fingerprint, version, revision, state, \
     attempt, not_before, deadline, before_submit, failure_reason, failure_message, \
     provider_code, provider_message, cancel_requested, deleted, purge, status_detail, created, \
     submitted, started, completed, updated, request, estimate, key, reserve FROM tasks";
