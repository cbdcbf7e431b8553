//! A task to its rows. Every statement here runs inside the writer's transaction.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Statement, ToSql, params};

use super::super::{Admission, Census, Created, Saved, StoreError, request};
use super::{read, spend, webhooks};
use crate::domain::artifact::Artifact;
use crate::domain::caller::{Budget, KeyId};
use crate::domain::id::TaskId;
use crate::domain::money::{Charge, Millicredits};
use crate::domain::task::{Attempt, Lane, Milestone, Purge, RejectionKind, State, Task};

/// Inserts a task that is admitted, or finds the one its key names already.
pub(super) fn create(
    c: &Connection,
    task: Task,
    admission: &Admission,
    census: &Census,
) -> Result<Created, StoreError> {
    if let Some(existing) = read::by_request(c, &task.tenant, &task.request_id)? {
        return Ok(Created::Existing(existing));
    }
    let spend = task.committed_spend();
    if let Some(denied) = admission.passed(&task, census) {
        return Ok(Created::Denied(denied));
    }
    let all = admission.spend(spend);
    if let Some(denied) = spend::denied(c, &task, all, admission.budget)? {
        return Ok(Created::Denied(denied));
    }
    insert(c, &task)?;
    spend::moved(c, &task, 0, signed(spend.0))?;
    for (name, value) in &task.order.labels {
        c.prepare_cached("INSERT INTO labels (task_id, name, value) VALUES (?1, ?2, ?3)")?
            .execute(params![task.id.as_bytes(), name, value])?;
    }
    write_parts(c, &task, 0)?;
    Ok(Created::New(Arc::new(task)))
}

/// Replaces a task by its next version, if what that spends beyond is within the budget.
pub(super) fn save(c: &Connection, next: Task, budget: Budget) -> Result<Saved, StoreError> {
    let known: Option<(i64, i64, i64)> = c
        .prepare_cached("SELECT version, revision, spent FROM tasks WHERE id = ?1")?
        .query_row([next.id.as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((version, revision, before)) = known else {
        return Err(StoreError::Conflict);
    };
    if version + 1 != signed(next.version) {
        return Err(StoreError::Conflict);
    }
    let after = signed(next.committed_spend().0);
    let more = u64::try_from(after.saturating_sub(before)).unwrap_or(0);
    if more > 0
        && let Some(denied) = spend::denied(c, &next, Millicredits(more), budget)?
    {
        return Ok(Saved::Denied(denied));
    }
    update(c, &next, version)?;
    spend::moved(c, &next, before, after)?;
    write_parts(c, &next, revision)?;
    // Revisions end with the task: only the write that ends it is of another than the one before.
    if next.state.is_terminal() && signed(next.revision) > revision {
        webhooks::announce(c, &next)?;
    }
    Ok(Saved::Committed(Arc::new(next)))
}

/// Deletes tasks that are at rest; the rows that hang on them go with them.
pub(super) fn remove(c: &Connection, ids: &[TaskId]) -> Result<usize, StoreError> {
    let mut delete = c.prepare_cached(
        "DELETE FROM tasks WHERE id = ?1 AND lane = ?2 AND NOT EXISTS \
         (SELECT 1 FROM deliveries WHERE task_id = ?1 AND state = 'pending')",
    )?;
    let mut removed = 0;
    for id in ids {
        removed += delete.execute(params![id.as_bytes(), Lane::Rest.code()])?;
    }
    Ok(removed)
}

fn insert(c: &Connection, task: &Task) -> Result<(), StoreError> {
    let mut statement = c.prepare_cached(
        "INSERT INTO tasks (id, version, revision, state, status, attempt, not_before, deadline, \
         before_submit, failure_reason, failure_message, provider_code, provider_message, lane, \
         due, cancel_requested, deleted, purge, status_detail, submitted, started, completed, \
         updated, request, cost_estimated, cost_actual, charge, deployment, spent, tenant, \
         request_id, fingerprint, model, created, estimate, key, reserve, priority) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
         ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, \
         ?35, ?36, ?37, ?38)",
    )?;
    let mut columns = Columns {
        statement: &mut statement,
        next: 1,
    };
    columns.changing(task)?;
    columns.bind(task.tenant.as_str())?;
    columns.bind(task.request_id.as_str())?;
    columns.bind(task.fingerprint)?;
    columns.bind(&task.order.model)?;
    columns.bind(task.times.created.0)?;
    columns.bind(money(task.estimate))?;
    columns.bind(task.key.as_ref().map(KeyId::as_str))?;
    columns.bind(money(task.reserve))?;
    columns.bind(task.order.priority)?;
    statement.raw_execute()?;
    Ok(())
}

fn update(c: &Connection, task: &Task, from: i64) -> Result<(), StoreError> {
    let mut statement = c.prepare_cached(
        "UPDATE tasks SET version = ?2, revision = ?3, state = ?4, status = ?5, attempt = ?6, \
         not_before = ?7, deadline = ?8, before_submit = ?9, failure_reason = ?10, \
         failure_message = ?11, provider_code = ?12, provider_message = ?13, lane = ?14, \
         due = ?15, cancel_requested = ?16, deleted = ?17, purge = ?18, status_detail = ?19, \
         submitted = ?20, started = ?21, completed = ?22, updated = ?23, request = ?24, \
         cost_estimated = ?25, cost_actual = ?26, charge = ?27, deployment = ?28, spent = ?29 \
         WHERE id = ?1 AND version = ?30",
    )?;
    let mut columns = Columns {
        statement: &mut statement,
        next: 1,
    };
    columns.changing(task)?;
    columns.bind(from)?;
    if statement.raw_execute()? == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict)
    }
}

/// Binds the columns of a task one after the other.
struct Columns<'a, 'b> {
    statement: &'a mut Statement<'b>,
    next: usize,
}

impl Columns<'_, '_> {
    fn bind(&mut self, value: impl ToSql) -> Result<(), StoreError> {
        self.statement.raw_bind_parameter(self.next, value)?;
        self.next += 1;
        Ok(())
    }

    /// What a step may change, in the order that both statements use.
    fn changing(&mut self, task: &Task) -> Result<(), StoreError> {
        self.bind(task.id.as_bytes())?;
        self.bind(signed(task.version))?;
        self.bind(signed(task.revision))?;
        self.state(task)?;
        let (lane, due) = task.next_step();
        self.bind(lane.code())?;
        self.bind(due.0)?;
        self.bind(task.cancel_requested)?;
        self.bind(task.deleted)?;
        self.bind(purge_code(task.purge))?;
        self.bind(&task.status_detail)?;
        self.bind(task.times.submitted.map(|t| t.0))?;
        self.bind(task.times.started.map(|t| t.0))?;
        self.bind(task.times.completed.map(|t| t.0))?;
        self.bind(task.times.updated.0)?;
        self.bind(request::encode(&task.order))?;
        self.cost(task)
    }

    /// What reports sum: always as the task shows it.
    fn cost(&mut self, task: &Task) -> Result<(), StoreError> {
        let cost = task.cost();
        self.bind(money(cost.estimated))?;
        self.bind(money(cost.actual))?;
        self.bind(charge_name(cost.charge))?;
        self.bind(task.deployment().unwrap_or_default())?;
        self.bind(signed(task.committed_spend().0))
    }

    fn state(&mut self, task: &Task) -> Result<(), StoreError> {
        let state = StateColumns::of(&task.state);
        let failure = task.failure();
        self.bind(task.state.name())?;
        self.bind(task.status().as_str())?;
        self.bind(state.attempt)?;
        self.bind(state.not_before)?;
        self.bind(state.deadline)?;
        self.bind(state.before_submit)?;
        self.bind(failure.map(|f| f.reason.as_str()))?;
        self.bind(failure.map(|f| f.message.as_str()))?;
        self.bind(failure.map(|f| f.provider_code.as_str()))?;
        self.bind(failure.map(|f| f.provider_message.as_str()))
    }
}

/// Attempts, outputs, and the history after `revision`.
fn write_parts(c: &Connection, task: &Task, revision: i64) -> Result<(), StoreError> {
    // Only the last attempts can change in one step, but an older one may gain evidence: write all.
    // Outcomes that are no longer live go first, so that `one_live` judges the result only.
    let (live, settled): (Vec<_>, Vec<_>) = task
        .attempts
        .iter()
        .partition(|attempt| attempt.outcome.is_live());
    for attempt in settled.into_iter().chain(live) {
        write_attempt(c, task.id, attempt)?;
    }
    for milestone in task
        .history
        .iter()
        .filter(|m| signed(m.revision) > revision)
    {
        write_milestone(c, task.id, milestone)?;
    }
    if task.outputs.is_empty() {
        if task.state.is_terminal() {
            c.prepare_cached("DELETE FROM outputs WHERE task_id = ?1")?
                .execute([task.id.as_bytes()])?;
        }
        return Ok(());
    }
    task.outputs
        .iter()
        .try_for_each(|output| write_output(c, task.id, output))
}

fn write_attempt(c: &Connection, id: TaskId, attempt: &Attempt) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO attempts (task_id, number, deployment, account, started, ended, outcome, \
         upstream_id, reason, estimated, actual, charge, book_until, fault, model, changes, \
         running) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
         ON CONFLICT (task_id, number) DO UPDATE SET ended = excluded.ended, \
         outcome = excluded.outcome, upstream_id = excluded.upstream_id, \
         reason = excluded.reason, estimated = excluded.estimated, actual = excluded.actual, \
         charge = excluded.charge, book_until = excluded.book_until, \
         fault = excluded.fault, changes = excluded.changes, running = excluded.running",
    )?
    .execute(params![
        id.as_bytes(),
        attempt.number,
        attempt.deployment,
        attempt.account,
        attempt.started.0,
        attempt.ended.map(|t| t.0),
        attempt.outcome.as_str(),
        attempt.upstream_id,
        attempt.reason,
        money(attempt.cost.estimated),
        money(attempt.cost.actual),
        charge_name(attempt.cost.charge),
        attempt.book_until.map(|t| t.0),
        attempt.fault.map(RejectionKind::as_str),
        attempt.model,
        attempt.changes,
        attempt.running.map(|t| t.0),
    ])?;
    Ok(())
}

fn write_milestone(c: &Connection, id: TaskId, milestone: &Milestone) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO history (task_id, revision, status, time) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![
        id.as_bytes(),
        signed(milestone.revision),
        milestone.status.as_str(),
        milestone.time.0
    ])?;
    Ok(())
}

fn write_output(c: &Connection, id: TaskId, output: &Artifact) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO outputs (task_id, number, content_type, size_bytes, sha256, width, height, \
         duration_ms, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (task_id, number) DO NOTHING",
    )?
    .execute(params![
        id.as_bytes(),
        output.index,
        output.content_type,
        signed(output.size_bytes),
        output.sha256,
        output.width,
        output.height,
        output.duration_ms.map(signed),
        output.expires.0,
    ])?;
    Ok(())
}

/// The columns that only some states use.
#[derive(Default)]
struct StateColumns {
    attempt: Option<u32>,
    not_before: Option<i64>,
    deadline: Option<i64>,
    before_submit: Option<bool>,
}

impl StateColumns {
    fn of(state: &State) -> Self {
        match state {
            State::Queued { not_before } => Self {
                not_before: Some(not_before.0),
                ..Self::default()
            },
            State::Submitting { attempt } => Self {
                attempt: Some(*attempt),
                ..Self::default()
            },
            State::SubmissionUnknown { attempt, deadline } => Self {
                attempt: Some(*attempt),
                deadline: deadline.map(|t| t.0),
                ..Self::default()
            },
            State::Cancelled { before_submit } => Self {
                before_submit: Some(*before_submit),
                ..Self::default()
            },
            State::Submitted
            | State::Throttled
            | State::Running
            | State::Archiving
            | State::Completed
            | State::Failed(_) => Self::default(),
        }
    }
}

pub(super) const fn purge_code(purge: Purge) -> u8 {
    match purge {
        Purge::Nothing => 0,
        Purge::Inputs => 1,
        Purge::All => 2,
    }
}

pub(super) const fn charge_name(charge: Charge) -> &'static str {
    match charge {
        Charge::None => "NONE",
        Charge::Estimated => "ESTIMATED",
        Charge::Charged => "CHARGED",
        Charge::ChargedOrUnknown => "CHARGED_OR_UNKNOWN",
    }
}

fn money(amount: Option<Millicredits>) -> Option<i64> {
    amount.map(|Millicredits(amount)| signed(amount))
}

/// Counters and sizes stay far below 2^63; a larger one is stored as the largest.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
