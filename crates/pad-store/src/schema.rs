//! The tables: which version of them this is, and how a database gets there.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Connection, PgConnection, SqlSafeStr, SqlitePool};

use crate::StoreError;

/// A change of the schema, for both kinds of database.
struct Change {
    /// The version that a database has after it.
    version: i64,
    /// What it adds.
    adds: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// All changes in their order.
const CHANGES: [Change; 1] = [Change {
    version: 1,
    adds: "profiles",
    sqlite: include_str!("../migrations/sqlite/0001_profiles.sql"),
    postgres: include_str!("../migrations/postgres/0001_profiles.sql"),
}];

/// Records which changes a database has had.
const TABLE: &str = "pad_schema";
/// SQLite has no lock for changes of the schema: of two processes that start at once, one finds the tables made in the middle of its
/// attempt, and everything done in the next one.
const ATTEMPTS: usize = 5;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// The newest version here.
fn newest() -> i64 {
    CHANGES.iter().map(|change| change.version).max().unwrap_or_default()
}

fn migrator(sql: fn(&Change) -> &'static str) -> Migrator {
    let migration = |change: &Change| {
        let adds = Cow::Borrowed(change.adds);
        Migration::new(change.version, adds, MigrationType::Simple, sql(change).into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(CHANGES.iter().map(migration).collect());
    migrator.dangerous_set_table_name(TABLE);
    migrator
}

/// Brings an SQLite database up to date.
///
/// # Errors
/// [`StoreError::Newer`] if it is ahead of this version.
pub(crate) async fn of_sqlite(pool: &SqlitePool) -> Result<(), StoreError> {
    let migrator = migrator(|change| change.sqlite);
    for _ in 1..ATTEMPTS {
        match migrator.run(pool).await.map_err(|error| StoreError::of_schema(error, newest())) {
            Ok(()) => return Ok(()),
            Err(error @ StoreError::Newer { .. }) => return Err(error),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    migrator.run(pool).await.map_err(|error| StoreError::of_schema(error, newest()))
}

/// Brings a PostgreSQL database up to date. The connection holds a lock meanwhile, and is closed whatever happens, so that the lock is
/// free again.
///
/// # Errors
/// [`StoreError::Newer`] if it is ahead of this version.
pub(crate) async fn of_postgres(mut connection: PgConnection) -> Result<(), StoreError> {
    let outcome = migrator(|change| change.postgres).run(&mut connection).await;
    // It is closed when dropped, too.
    let _ = connection.close().await;
    outcome.map_err(|error| StoreError::of_schema(error, newest()))
}
