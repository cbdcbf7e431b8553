//! The store's promises on a real file, and what only SQLite promises.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::join_all;
use rusqlite::{Connection, StatementStatus};
use tempfile::TempDir;

use super::lock::FileLock;
use super::{OpenError, SqliteStore};
use crate::domain::id::TaskId;
use crate::domain::task::samples::{
    NOW, accepted, ambiguous, archived, booked, claimed, failure, rejected, seen_of, situations,
    succeeded_of, task,
};
use crate::domain::task::{Event, Lane, Task, UnknownPolicy, UpstreamStatus, Verdict};
use crate::domain::time::Timestamp;
use crate::store::conformance::{
    admission, costs, counts, create, every_task_of, lead, reading, uploads, webhooks, writing,
};
use crate::store::{CostQuery, CostTotals, ListQuery, Sorted, StoreError, TaskFilter, TaskStore};

/// A store in a folder of its own.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tasks.db")
    }

    fn lock(&self) -> FileLock {
        FileLock::take(&self.path()).expect("the lock")
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path(), BATCH).expect("a store")
    }
}

/// Runs a promise of every store on an empty one.
macro_rules! promises {
    ($($room:ident: $($name:ident($($kind:ident)?)),+ $(,)?;)+) => {
        $($(
            #[tokio::test]
            async fn $name() {
                let home = Home::new();
                promises!(@run home, $room::$name $($kind)?);
            }
        )+)+
    };
    (@run $home:ident, $room:ident::$name:ident shared) => {
        $room::$name(Arc::new($home.open())).await;
    };
    (@run $home:ident, $room:ident::$name:ident) => {
        $room::$name(&$home.open()).await;
    };
}

promises! {
    admission:
        racing_creates_do_not_pass_a_budget_together(shared),
        racing_creates_do_not_pass_a_queues_end_together(shared),
        a_task_is_let_in_where_those_after_it_fit_too(),
        a_denied_create_leaves_nothing_and_a_repeat_is_found(),
        limits_count_their_own_alone(),
        a_budget_is_of_its_day_and_month(),
        spend_is_settled_with_the_task(),
        a_save_is_within_the_budget();
    counts:
        a_queue_is_served_by_priority_and_age(),
        endings_are_told_in_order();
    writing:
        racing_duplicates_get_one_task(shared),
        a_key_belongs_to_its_tenant(),
        a_save_on_an_old_version_is_refused(),
        a_second_live_attempt_is_refused(),
        an_upstream_id_serves_one_attempt(),
        an_attempt_may_come_back_as_the_live_one(),
        only_tasks_at_rest_are_removed(),
        commits_are_announced_in_order(),
        racing_updates_all_find_their_place(shared);
    reading:
        what_is_not_there_is_not_found(),
        a_request_without_a_key_finds_what_it_made(),
        every_task_is_due_in_its_lane_only(),
        what_is_due_comes_in_order_and_in_pages(),
        a_list_is_filtered(),
        a_list_of_a_time_goes_on_after_a_task(),
        a_lane_is_told_by_its_ids(),
        a_list_is_paged_while_it_grows(),
        run_times_are_those_of_completed_tasks();
    costs:
        costs_are_those_of_the_tasks(),
        costs_are_paged_by_their_keys(),
        a_deleted_task_counts_until_its_record_goes(),
        absurd_amounts_do_not_break_the_sums();
    uploads:
        an_upload_is_found_by_its_tenant_and_whole_name(),
        expired_uploads_are_told_until_they_are_removed(),
        content_has_one_address_at_an_account();
    webhooks:
        the_end_and_what_is_due_of_it_are_one_write(),
        a_refused_end_makes_nothing_due(),
        what_is_due_is_told_by_receiver(),
        a_try_counts_once(),
        a_record_outlives_what_is_pending_of_it(),
        what_was_made_long_ago_is_told_due_or_not();
}

#[tokio::test]
async fn what_is_due_survives_a_restart() {
    let home = Home::new();
    webhooks::what_is_due_survives_a_restart(|| async { home.open() }).await;
}

#[tokio::test]
async fn uploads_and_placements_survive_a_restart() {
    let home = Home::new();
    uploads::uploads_and_placements_survive_a_restart(|| async { home.open() }).await;
}

#[tokio::test]
async fn counts_and_spend_are_those_of_the_tasks() {
    let home = Home::new();
    counts::counts_and_spend_are_those_of_the_tasks(|| async { home.open() }).await;
}

#[tokio::test]
async fn every_field_survives_a_restart() {
    let home = Home::new();
    writing::every_field_survives_a_restart(|| async { home.open() }).await;
}

#[test]
fn a_file_in_use_is_refused() {
    let home = Home::new();
    let first = home.open();
    let second = SqliteStore::open(&home.path(), BATCH);
    assert!(matches!(second, Err(OpenError::InUse(path)) if path == home.path()));
    drop(first);
    home.open();
}

#[test]
fn a_newer_schema_is_refused() {
    let home = Home::new();
    drop(home.open());
    edit(&home.path(), "PRAGMA user_version = 99");
    let before = std::fs::read(home.path()).expect("the file");
    let refused = SqliteStore::open(&home.path(), BATCH);
    assert!(matches!(refused, Err(OpenError::Newer { found: 99, .. })));
    assert!(before == std::fs::read(home.path()).expect("the file"));
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_as_it_is() {
    let home = Home::new();
    let words = b"these are the notes of somebody, and no database at all".repeat(100);
    std::fs::write(home.path(), &words).expect("a file");
    let refused = SqliteStore::open(&home.path(), BATCH);
    assert!(matches!(refused, Err(OpenError::Database { .. })));
    assert!(words == std::fs::read(home.path()).expect("the file"));
}

#[tokio::test]
async fn a_value_without_sense_is_named_and_hides_no_other_task() {
    for (sql, table, column) in [
        ("UPDATE tasks SET state = 'dreaming'", "tasks", "state"),
        ("UPDATE tasks SET request = '{'", "tasks", "request"),
        ("UPDATE tasks SET version = 'x'", "tasks", "version"),
        ("UPDATE tasks SET purge = 9", "tasks", "purge"),
        (
            "UPDATE tasks SET fingerprint = x'00'",
            "tasks",
            "fingerprint",
        ),
        ("UPDATE history SET status = 'ODD'", "history", "status"),
    ] {
        let home = Home::new();
        let store = home.open();
        let broken = create(&store, task(1)).await;
        let sound = create(&store, task(2)).await;
        drop(store);
        let key = if table == "tasks" { "id" } else { "task_id" };
        let id = hex::encode(broken.id.as_bytes());
        edit(&home.path(), &format!("{sql} WHERE {key} = x'{id}'"));
        let store = home.open();
        let error = store.get(broken.id).await.expect_err("it makes no sense");
        let StoreError::Corrupt {
            table: in_table,
            row,
            column: in_column,
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!((in_table, in_column), (table, column));
        assert_eq!(row, broken.id.to_string());
        assert_eq!(
            store.get(sound.id).await.expect("a read"),
            Some(sound.clone())
        );
        let due = store.due(Lane::Dispatch, Timestamp::NEVER, None, 10).await;
        assert_eq!(due.expect("a read"), [sound]);
    }
}

#[test]
fn commits_reach_the_disk() {
    let home = Home::new();
    let connection = super::schema::open(&home.path()).expect("a store");
    let pragma = |name: &str| -> String {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| {
                let value: rusqlite::types::Value = row.get(0)?;
                Ok(format!("{value:?}"))
            })
            .expect("a setting")
    };
    assert_eq!(pragma("journal_mode"), r#"Text("wal")"#);
    assert_eq!(pragma("synchronous"), "Integer(2)");
    assert_eq!(pragma("foreign_keys"), "Integer(1)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_creates_share_transactions() {
    let home = Home::new();
    let store = home.open();
    let creates = (1..=640).map(|n| create(&store, task(n)));
    assert_eq!(join_all(creates).await.len(), 640);
    let transactions = store.transactions();
    println!("640 creates took {transactions} transactions");
    assert!(transactions <= 160, "{transactions}");
}

/// One refused write of a batch undoes itself alone.
#[tokio::test]
async fn a_refused_write_does_not_undo_its_neighbours() {
    let home = Home::new();
    let store = home.open();
    let first = create(&store, task(1)).await;
    let stale = first
        .apply(&crate::domain::task::Event::CancelRequested, Timestamp(1))
        .expect("legal");
    store.save(stale.clone()).await.expect("the first");
    let creates = (2..40).map(|n| create(&store, task(n)));
    let late = (0..40).map(|_| store.save(stale.clone()));
    let (neighbours, answers) = tokio::join!(join_all(creates), join_all(late));
    assert!(
        answers
            .into_iter()
            .all(|r| matches!(r, Err(StoreError::Conflict)))
    );
    for task in neighbours {
        let found = store.find(&task.tenant, &task.request_id).await;
        assert_eq!(found.expect("a read"), Some(task));
    }
}

#[tokio::test]
async fn a_full_disk_is_said_leaves_reads_working_and_passes() {
    let home = Home::new();
    let connection = super::schema::open(&home.path()).expect("a store");
    connection
        .execute_batch("PRAGMA max_page_count = 40")
        .expect("a limit");
    let store = SqliteStore::with(connection, home.lock(), &home.path(), BATCH).expect("a store");
    let (mut kept, mut refused) = (Vec::new(), 0);
    for n in 1..300 {
        match store.create(task(n)).await {
            Ok(_) => kept.push(task(n)),
            Err(StoreError::Full) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    println!("{} kept, {refused} refused", kept.len());
    assert!(kept.len() > 10 && refused > 50);
    for task in &kept {
        let found = store.find(&task.tenant, &task.request_id).await;
        assert_eq!(found.expect("a read").as_deref(), Some(task));
    }
    let counted = |store: &SqliteStore| usize::try_from(store.census().queued());
    assert_eq!(
        counted(&store),
        Ok(kept.len()),
        "what was undone is not counted"
    );
    // Space again: what was refused left nothing, and passes now.
    drop(store);
    let store = home.open();
    assert_eq!(counted(&store), Ok(kept.len()));
    assert_eq!(store.get(task(299).id).await.expect("a read"), None);
    create(&store, task(299)).await;
}

/// A store of the first release is brought up to date in place: every task reads back, and what its
/// attempts say is summed as if this release had written it.
#[tokio::test]
async fn a_store_of_the_first_version_is_upgraded_with_its_costs() {
    let (new, old) = (Home::new(), Home::new());
    let store = new.open();
    let mut tasks = Vec::new();
    for (n, events) in (1..).zip(walks_without_an_estimate()) {
        let mut task = task(n);
        (task.key, task.estimate, task.reserve) = (None, None, None);
        let created = create(&store, task).await;
        tasks.push(lead(&store, created, &events).await);
    }
    drop(store);
    write_as_version(1, &new.path(), &old.path());
    let store = old.open();
    for task in &tasks {
        let found = store.get(task.id).await.expect("a read");
        assert_eq!(found.as_ref(), Some(task));
    }
    let asked = CostQuery {
        filter: every_task_of("local"),
        group_by: Vec::new(),
        after: None,
        limit: 1,
    };
    let report = store.cost_report(&asked).await.expect("a report");
    let sum = |sum: CostTotals, task: &Arc<Task>| sum.with(&task.cost());
    let summed = tasks.iter().fold(CostTotals::default(), sum);
    assert_eq!(report.totals, summed);
    assert!(summed.actual.0 > 0 && summed.estimated.0 > 0 && summed.unknown > 0);
    drop(store);
    assert_eq!(cost_columns(&old.path()), cost_columns(&new.path()));
    // Once is enough: it opens again as it is.
    old.open();
}

/// What the second version added, task by task.
fn cost_columns(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("the file");
    let sql = "SELECT id, cost_estimated, cost_actual, charge, deployment, estimate \
               FROM tasks ORDER BY id";
    let mut statement = connection.prepare(sql).expect("the columns");
    let rows = statement.query_map([], |row| {
        let cells = (0..6).map(|n| row.get::<_, rusqlite::types::Value>(n));
        Ok(format!(
            "{:?}",
            cells.collect::<rusqlite::Result<Vec<_>>>()?
        ))
    });
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

/// Every situation, and costs of more than one attempt.
fn walks_without_an_estimate() -> Vec<Vec<Event>> {
    let resubmit = Event::DeadlinePassed(UnknownPolicy::Resubmit);
    let unnamed = |attempt| {
        let mut event = accepted(attempt);
        if let Event::Accepted { estimated, .. } = &mut event {
            *estimated = None;
        }
        event
    };
    let twice = [claimed(), ambiguous(1), resubmit, claimed()];
    let walk = |more: &[Event]| [&twice[..], more].concat();
    let done = [accepted(2), succeeded_of(2), archived(), accepted(1)];
    let newer = |event: &Event| matches!(event, Event::Skipped { .. } | Event::Remade { .. });
    let mut walks: Vec<Vec<Event>> = situations().into_iter().map(|(_, events)| events).collect();
    walks.retain(|events| !events.iter().any(newer));
    walks.extend([
        walk(&[]),
        walk(&done[..1]),
        walk(&done[..3]),
        walk(&done),
        walk(&[&done[..], &[booked(None)]].concat()),
        walk(&[&done[..], &[booked(Some(0))]].concat()),
        walk(&[
            unnamed(2),
            seen_of(2, UpstreamStatus::Cancelled),
            Event::Deleted,
        ]),
        vec![claimed(), rejected(1, Verdict::Retry(Timestamp(0)))],
        vec![claimed(), rejected(1, Verdict::Fail(failure()))],
        vec![claimed(), unnamed(1)],
    ]);
    for event in walks.iter_mut().flatten() {
        if let Event::Claimed {
            model,
            estimated,
            changes,
            ..
        } = event
        {
            (*model, *estimated, *changes) = (String::new(), None, String::new());
        }
    }
    walks
}

/// A store of the release before keys goes on where it was: its live tasks are counted, served and
/// finished, and count against nobody's budget.
#[tokio::test]
async fn live_tasks_of_the_third_version_go_on() {
    let (new, old) = (Home::new(), Home::new());
    let store = new.open();
    let mut tasks = Vec::new();
    for (n, events) in (1..).zip(walks_without_an_estimate()) {
        let mut task = task(n);
        (task.key, task.reserve) = (None, task.estimate);
        let created = create(&store, task).await;
        tasks.push(lead(&store, created, &events).await);
    }
    let counted = |store: &SqliteStore| {
        let census = store.census();
        let mut accounts = census.accounts();
        accounts.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        let whole = (census.queued(), census.unfinished());
        (whole, census.queues(), accounts)
    };
    let expected = counted(&store);
    drop(store);
    write_as_version(3, &new.path(), &old.path());
    let store = old.open();
    assert_eq!(counted(&store), expected);
    assert!(expected.0.0 > 0 && !expected.2.is_empty());
    let waiting = store.waiting().await.expect("a read");
    assert_eq!(waiting.len(), 1);
    let tenant = &waiting[0].tenant;
    let first = store.due_for(tenant, &waiting[0].model, Timestamp::NEVER, None, 1);
    let first = first.await.expect("a read").remove(0);
    assert!(tasks.contains(&first));
    assert_eq!(first.reserve, first.estimate);
    let attempt = u32::try_from(first.attempts.len()).expect("few") + 1;
    let fail = rejected(attempt, Verdict::Fail(failure()));
    lead(&store, first, &[claimed(), fail]).await;
    assert_eq!(store.census().queued(), expected.0.0 - 1);
    drop(store);
    let connection = Connection::open(old.path()).expect("the file");
    let spend = connection.query_row("SELECT count(*) FROM spend", [], |row| row.get(0));
    assert_eq!(spend, Ok(0));
}

/// How a statement is carried out.
fn plan_of(connection: &Connection, sql: &str) -> Vec<String> {
    let explained = format!("EXPLAIN QUERY PLAN {sql}");
    let mut statement = connection.prepare(&explained).expect("a statement");
    let rows = statement.raw_query().mapped(|row| row.get(3));
    rows.collect::<Result<_, _>>().expect("a plan")
}

/// A page of long ago is found without a look at what was created since, or before.
#[test]
fn a_page_of_a_time_is_read_by_its_bounds() {
    let home = Home::new();
    let connection = super::schema::open(&home.path()).expect("a store");
    let id = TaskId::new(NOW.0, [1; 10]);
    for after in [None, Some(id)] {
        for sorted in [Sorted::NewestFirst, Sorted::OldestFirst] {
            let page = super::read::page(&ListQuery {
                filter: TaskFilter {
                    created_from: Some(Timestamp(NOW.0 - 1)),
                    created_before: Some(Timestamp(NOW.0 + 1)),
                    ..every_task_of("a")
                },
                after,
                sorted,
                limit: 50,
            });
            let steps = plan_of(&connection, &format!("SELECT * FROM tasks {}", page.sql));
            let search = "SEARCH tasks USING INDEX tasks_tenant (tenant=? AND id>? AND id<?)";
            assert_eq!(steps, [search], "and nothing is sorted");
        }
    }
}

/// One tenant's queue is found without a look at any other's.
#[test]
fn a_queue_is_read_by_its_index_alone() {
    let home = Home::new();
    let connection = super::schema::open(&home.path()).expect("a store");
    let plan = |sql: &str| plan_of(&connection, sql);
    for (sql, bounds) in [
        (
            super::waiting::BESIDE,
            "tenant=? AND model=? AND priority=? AND id>?",
        ),
        (super::waiting::BELOW, "tenant=? AND model=? AND priority<?"),
    ] {
        let steps = plan(&format!("SELECT * FROM tasks {sql}"));
        let search = format!("SEARCH tasks USING INDEX tasks_waiting ({bounds})");
        assert_eq!(steps, [search], "and nothing is sorted");
    }
    let first = plan(super::waiting::FIRST);
    let index = "SEARCH tasks USING COVERING INDEX tasks_waiting_due (tenant=? AND model=?)";
    assert_eq!(first, [index]);
}

/// A loop's question costs no plan of its own each time that it is asked.
#[test]
fn values_do_not_have_a_statement_prepared_again() {
    let home = Home::new();
    drop(super::schema::open(&home.path()).expect("a store"));
    let reader = super::schema::open_reader(&home.path()).expect("a reader");
    let sql = "SELECT id FROM tasks WHERE lane = ?1 AND due <= ?2 ORDER BY due, id";
    let mut statement = reader.prepare(sql).expect("a statement");
    for lane in [0, 2, 0, 3] {
        let rows = statement.query_map([lane, 9], |row| row.get::<_, Vec<u8>>(0));
        assert_eq!(rows.expect("an answer").count(), 0);
    }
    assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
}

/// Copies all that an earlier version of the schema had room for into a file of that version.
fn write_as_version(version: usize, from: &Path, to: &Path) {
    let connection = Connection::open(to).expect("a file");
    for migration in &super::schema::MIGRATIONS[..version] {
        connection.execute_batch(migration).expect("the schema");
    }
    let newer = [from.display().to_string()];
    connection
        .execute("ATTACH ?1 AS newer", newer)
        .expect("the newer file");
    for table in ["tasks", "labels", "attempts", "history", "outputs"] {
        let sql = format!("SELECT group_concat(name) FROM pragma_table_info('{table}', 'main')");
        let columns = connection.query_row(&sql, [], |row| row.get(0));
        let columns: String = columns.expect("its columns");
        let copy =
            format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}");
        connection.execute(&copy, []).expect("a copy");
    }
    let version = i64::try_from(version).expect("a small number");
    let version = connection.pragma_update(None, "user_version", version);
    version.expect("its version");
}

/// Changes the file behind the store's back.
fn edit(path: &Path, sql: &str) {
    let connection = Connection::open(path).expect("the file");
    connection.execute_batch(sql).expect("the edit");
}

/// Writes that share one transaction at most.
const BATCH: usize = 256;
