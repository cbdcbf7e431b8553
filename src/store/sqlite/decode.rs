//! Stored values are outside bytes: each is checked, and one that makes no sense is named.

use rusqlite::types::FromSql;
use rusqlite::{Connection, Row};
use std::sync::Arc;

use super::super::{StoreError, request};
use crate::domain::artifact::Artifact;
use crate::domain::caller::KeyId;
use crate::domain::id::{RequestId, TaskId, TenantId};
use crate::domain::money::{Charge, Cost, Millicredits};
use crate::domain::task::{
    Attempt, AttemptOutcome, Failure, FailureReason, Milestone, Purge, RejectionKind, State,
    Status, Task, Times,
};
use crate::domain::time::Timestamp;

/// The task of a row that [`super::read`] selected, with its attempts, history and outputs.
pub(super) fn task(c: &Connection, row: &Row<'_>) -> Result<Task, StoreError> {
    let id = row.get(0).ok().and_then(TaskId::from_bytes);
    let id = id.ok_or_else(|| corrupt("?", "tasks", "id"))?;
    let at = Cells {
        row,
        id,
        table: "tasks",
    };
    let text: String = at.get(24, "request")?;
    let order = request::decode(&text).ok_or_else(|| at.corrupt("request"))?;
    let key: String = at.get(2, "request_id")?;
    Ok(Task {
        id,
        tenant: TenantId::named(at.get::<String>(1, "tenant")?),
        request_id: RequestId::parse(&key).ok_or_else(|| at.corrupt("request_id"))?,
        fingerprint: at.get(3, "fingerprint")?,
        order: Arc::new(order),
        key: at.get::<Option<String>>(26, "key")?.map(KeyId::new),
        estimate: at.money(25, "estimate")?,
        reserve: at.money(27, "reserve")?,
        state: state(&at)?,
        revision: at.count(5, "revision")?,
        version: at.count(4, "version")?,
        status_detail: at.get(18, "status_detail")?,
        cancel_requested: at.get(15, "cancel_requested")?,
        attempts: attempts(c, id)?,
        outputs: outputs(c, id)?,
        history: history(c, id)?,
        times: Times {
            created: Timestamp(at.get(19, "created")?),
            submitted: at.time(20, "submitted")?,
            started: at.time(21, "started")?,
            completed: at.time(22, "completed")?,
            updated: Timestamp(at.get(23, "updated")?),
        },
        purge: match at.get::<u8>(17, "purge")? {
            0 => Purge::Nothing,
            1 => Purge::Inputs,
            2 => Purge::All,
            _ => return Err(at.corrupt("purge")),
        },
        deleted: at.get(16, "deleted")?,
    })
}

fn state(at: &Cells<'_>) -> Result<State, StoreError> {
    let attempt = || at.get::<u32>(7, "attempt");
    let name: String = at.get(6, "state")?;
    Ok(match name.as_str() {
        "queued" => State::Queued {
            not_before: Timestamp(at.get(8, "not_before")?),
        },
        "submitting" => State::Submitting {
            attempt: attempt()?,
        },
        "submission_unknown" => State::SubmissionUnknown {
            attempt: attempt()?,
            deadline: at.time(9, "deadline")?,
        },
        "submitted" => State::Submitted,
        "throttled" => State::Throttled,
        "running" => State::Running,
        "archiving" => State::Archiving,
        "completed" => State::Completed,
        "failed" => State::Failed(failure(at)?),
        "cancelled" => State::Cancelled {
            before_submit: at.get(10, "before_submit")?,
        },
        _ => return Err(at.corrupt("state")),
    })
}

fn failure(at: &Cells<'_>) -> Result<Failure, StoreError> {
    let reason: String = at.get(11, "failure_reason")?;
    Ok(Failure {
        reason: FailureReason::parse(&reason).ok_or_else(|| at.corrupt("failure_reason"))?,
        message: at.get(12, "failure_message")?,
        provider_code: at.get(13, "provider_code")?,
        provider_message: at.get(14, "provider_message")?,
    })
}

fn attempts(c: &Connection, id: TaskId) -> Result<Vec<Attempt>, StoreError> {
    let sql = "SELECT number, deployment, account, started, ended, outcome, upstream_id, reason, \
               estimated, actual, charge, book_until, fault, model, changes, running \
               FROM attempts WHERE task_id = ?1 ORDER BY number";
    parts(c, sql, id, "attempts", |at| {
        let outcome: String = at.get(5, "outcome")?;
        let charge: String = at.get(10, "charge")?;
        Ok(Attempt {
            number: at.get(0, "number")?,
            deployment: at.get(1, "deployment")?,
            account: at.get(2, "account")?,
            model: at.get(13, "model")?,
            changes: at.get(14, "changes")?,
            running: at.time(15, "running")?,
            started: Timestamp(at.get(3, "started")?),
            ended: at.time(4, "ended")?,
            outcome: AttemptOutcome::parse(&outcome).ok_or_else(|| at.corrupt("outcome"))?,
            upstream_id: at.get(6, "upstream_id")?,
            reason: at.get(7, "reason")?,
            fault: at
                .get::<Option<String>>(12, "fault")?
                .map(|name| RejectionKind::parse(&name).ok_or_else(|| at.corrupt("fault")))
                .transpose()?,
            cost: Cost {
                estimated: at.money(8, "estimated")?,
                actual: at.money(9, "actual")?,
                charge: parse_charge(&charge).ok_or_else(|| at.corrupt("charge"))?,
            },
            book_until: at.time(11, "book_until")?,
        })
    })
}

fn history(c: &Connection, id: TaskId) -> Result<Vec<Milestone>, StoreError> {
    let sql = "SELECT revision, status, time FROM history WHERE task_id = ?1 ORDER BY revision";
    parts(c, sql, id, "history", |at| {
        let status: String = at.get(1, "status")?;
        Ok(Milestone {
            revision: at.count(0, "revision")?,
            status: Status::parse(&status).ok_or_else(|| at.corrupt("status"))?,
            time: Timestamp(at.get(2, "time")?),
        })
    })
}

fn outputs(c: &Connection, id: TaskId) -> Result<Vec<Artifact>, StoreError> {
    let sql = "SELECT number, content_type, size_bytes, sha256, width, height, duration_ms, \
               expires FROM outputs WHERE task_id = ?1 ORDER BY number";
    parts(c, sql, id, "outputs", |at| {
        Ok(Artifact {
            index: at.get(0, "number")?,
            content_type: at.get(1, "content_type")?,
            size_bytes: at.count(2, "size_bytes")?,
            sha256: at.get(3, "sha256")?,
            width: at.get(4, "width")?,
            height: at.get(5, "height")?,
            duration_ms: at
                .get::<Option<i64>>(6, "duration_ms")?
                .map(i64::unsigned_abs),
            expires: Timestamp(at.get(7, "expires")?),
        })
    })
}

fn parts<T>(
    c: &Connection,
    sql: &str,
    id: TaskId,
    table: &'static str,
    read: impl Fn(&Cells<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = c.prepare_cached(sql)?;
    let rows = statement.query_map([id.as_bytes()], |row| Ok(read(&Cells { row, id, table })))?;
    rows.map(|row| row?).collect()
}

/// The cells of a row, read with the name of what is wrong at hand.
struct Cells<'a> {
    row: &'a Row<'a>,
    id: TaskId,
    table: &'static str,
}

impl Cells<'_> {
    fn get<T: FromSql>(&self, index: usize, column: &'static str) -> Result<T, StoreError> {
        self.row.get(index).map_err(|_| self.corrupt(column))
    }

    fn count(&self, index: usize, column: &'static str) -> Result<u64, StoreError> {
        u64::try_from(self.get::<i64>(index, column)?).map_err(|_| self.corrupt(column))
    }

    fn time(&self, index: usize, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>(index, column)?.map(Timestamp))
    }

    fn money(
        &self,
        index: usize,
        column: &'static str,
    ) -> Result<Option<Millicredits>, StoreError> {
        let value = self.get::<Option<i64>>(index, column)?;
        let amount = value
            .map(u64::try_from)
            .transpose()
            .map_err(|_| self.corrupt(column))?;
        Ok(amount.map(Millicredits))
    }

    fn corrupt(&self, column: &'static str) -> StoreError {
        corrupt(&self.id.to_string(), self.table, column)
    }
}

fn parse_charge(name: &str) -> Option<Charge> {
    [
        Charge::None,
        Charge::Estimated,
        Charge::Charged,
        Charge::ChargedOrUnknown,
    ]
    .into_iter()
    .find(|charge| super::rows::charge_name(*charge) == name)
}

fn corrupt(row: &str, table: &'static str, column: &'static str) -> StoreError {
    StoreError::Corrupt {
        table,
        row: row.to_owned(),
        column,
    }
}
