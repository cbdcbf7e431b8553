//! Opening the file: settings and migrations.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::OpenError;

/// Opens the writing connection and brings the schema up to date.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::Database {
        path: path.to_owned(),
        source,
    };
    let mut connection = Connection::open(path).map_err(failed)?;
    configure(&connection).map_err(failed)?;
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if !(0..=known).contains(&found) {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    migrate(&mut connection, usize::try_from(found).unwrap_or(0)).map_err(failed)?;
    Ok(connection)
}

/// Opens a connection that cannot write.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    settle(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", READER_CACHE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// What every connection has.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    // Plans do not depend on values. Otherwise a value that is compared with a column of a partial
    // index's condition (`lane`) has the statement prepared again each time that it is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    settle(connection)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Each migration and the version it makes are one transaction.
fn migrate(connection: &mut Connection, from: usize) -> rusqlite::Result<()> {
    for (version, sql) in (1_i64..).zip(MIGRATIONS).skip(from) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// In order; never edited once released.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_tasks.sql"),
    include_str!("../../../migrations/sqlite/0002_costs.sql"),
    include_str!("../../../migrations/sqlite/0003_uploads.sql"),
    include_str!("../../../migrations/sqlite/0004_callers.sql"),
    include_str!("../../../migrations/sqlite/0005_attempts.sql"),
    include_str!("../../../migrations/sqlite/0006_webhooks.sql"),
];
/// How long a statement waits for another connection's lock.
const BUSY: std::time::Duration = std::time::Duration::from_secs(5);
/// What a reading connection keeps of the file, in KiB (a negative number means that to `SQLite`): it is
/// thrown away with each commit of the writer's anyway.
const READER_CACHE: i32 = -128;
/// Prepared statements kept by a connection.
const STATEMENTS: usize = 64;
