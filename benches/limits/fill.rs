//! Makes many finished tasks out of one, in the file of a server that does not run.
//!
//! Every row that hangs on the task is multiplied with it: the tables are those that refer to `tasks`.
//! Times are moved back, each id carries its own time of creation as the service's ids do, and what
//! must be unique is made anew. Not multiplied are files: the copies have no outputs in the archive.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::Connection;
use uuid::Uuid;

/// Multiplies the only task of a store, so many times, over `days` back from its creation. The store
/// then has one task more, in the order of their ids.
pub fn multiply(store: &Path, copies: u32, days: u32) -> anyhow::Result<()> {
    let connection = Connection::open(store)?;
    // Nothing of this must survive a crash; the server sets the file as it needs it.
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    let tasks: u32 = connection.query_row("SELECT count(*) FROM tasks", [], |row| row.get(0))?;
    anyhow::ensure!(tasks == 1, "the store has {tasks} tasks");
    stamp(&connection, copies, days)?;
    copy(&connection, "tasks")?;
    for table in hanging(&connection)? {
        copy(&connection, &table)?;
    }
    connection.execute_batch("PRAGMA journal_mode = WAL;")?;
    Ok(())
}

/// The ids of so many tasks that [`multiply`] made, here and there.
pub fn some_ids(store: &Path, copies: u32, count: usize) -> anyhow::Result<Vec<String>> {
    let connection = open(store)?;
    let mut asked = connection.prepare("SELECT id FROM tasks WHERE rowid = ?1")?;
    let mut id = || -> anyhow::Result<String> {
        let row = 1 + rand::random_range(1..=copies);
        let id: [u8; 16] = asked.query_row([row], |row| row.get(0))?;
        Ok(format!("task_{}", Uuid::from_bytes(id).simple()))
    };
    (0..count).map(|_| id()).collect()
}

/// Opens the file beside its server, or where that was killed; leaves what the server finds as it is.
pub fn open(store: &Path) -> anyhow::Result<Connection> {
    use rusqlite::config::DbConfig;
    let connection = Connection::open(store)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Each copy's id, and by how much its times are moved.
fn stamp(connection: &Connection, copies: u32, days: u32) -> anyhow::Result<()> {
    connection.execute_batch(
        "CREATE TEMP TABLE original AS SELECT id, created FROM tasks; \
         CREATE TEMP TABLE copies (n INTEGER PRIMARY KEY, shift INTEGER, id BLOB);",
    )?;
    let step = i64::from(days) * DAY / i64::from(copies.max(1));
    // A UUID of version 7: 48 bits of milliseconds, the rest random.
    let made = connection.execute(
        "WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < ?1), \
         moved AS (SELECT n, (n - ?1) * ?2 - ?3 AS shift FROM count) \
         INSERT INTO copies SELECT n, shift, unhex(printf('%012x7%03x8%015x', \
         (SELECT created FROM original) + shift, random() & 0xfff, random() & 0xfffffffffffffff)) \
         FROM moved",
        (copies, step, REST),
    )?;
    anyhow::ensure!(made == usize::try_from(copies)?, "{made} ids are made");
    Ok(())
}

/// The tables whose rows belong to a task.
fn hanging(connection: &Connection) -> anyhow::Result<Vec<String>> {
    let mut found = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND EXISTS \
         (SELECT 1 FROM pragma_foreign_key_list(name) WHERE \"table\" = 'tasks')",
    )?;
    let found = found.query_map([], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn copy(connection: &Connection, table: &str) -> anyhow::Result<()> {
    let mut names = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let names = names.query_map([table], |row| row.get(0))?;
    let names = names.collect::<Result<Vec<String>, _>>()?;
    let values = names.iter().map(|name| value(name));
    let values = values.collect::<Vec<_>>().join(", ");
    let (names, key) = (
        names.join(", "),
        if table == "tasks" { "id" } else { "task_id" },
    );
    // The copies are the outer loop, so that rows are added in the order of their keys.
    let sql = format!(
        "INSERT INTO {table} ({names}) SELECT {values} FROM copies CROSS JOIN {table} AS old \
         WHERE old.{key} = (SELECT id FROM original) ORDER BY n"
    );
    connection
        .execute(&sql, [])
        .with_context(|| format!("the rows of {table}"))?;
    Ok(())
}

/// What a copy has in a column.
fn value(column: &str) -> String {
    match column {
        "id" | "task_id" => "copies.id".to_owned(),
        "request_id" => "'fill_' || lower(hex(copies.id))".to_owned(),
        "fingerprint" => "randomblob(32)".to_owned(),
        "upstream_id" => "lower(hex(randomblob(18)))".to_owned(),
        name if TIMES.contains(&name) => format!("old.{name} + shift"),
        name => format!("old.{name}"),
    }
}

/// The columns that hold moments, in any table.
const TIMES: [&str; 14] = [
    "not_before",
    "deadline",
    "due",
    "created",
    "submitted",
    "started",
    "completed",
    "updated",
    "ended",
    "book_until",
    "running",
    "time",
    "expires",
    "last_at",
];
/// Between the last copy and the task that was there, in milliseconds.
const REST: i64 = 60_000;
/// Milliseconds.
const DAY: i64 = 86_400_000;
