//! Connections to the database.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, PgPool, Postgres, SqlitePool, Transaction};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::file::DatabaseFile;
use crate::{Location, StoreError, schema};

/// Connections that read an SQLite file. Reading does not wait for writing.
const READERS: u32 = 4;

/// A database that is up to date.
pub(crate) enum Database {
    /// A file or memory. There is one connection that writes, since SQLite has one writer at a time.
    Sqlite {
        read: SqlitePool,
        write: SqlitePool,
        file: Option<DatabaseFile>,
        /// A connection that nothing uses, so that nothing ends it: what is in memory is gone with the last one.
        keeper: Option<SqlitePool>,
    },
    Postgres(PgPool),
}

/// The same work on the connections that read, whichever database it is.
macro_rules! reading {
    ($database:expr, $pool:ident => $work:expr) => {
        match $database {
            $crate::database::Database::Sqlite { read: $pool, .. } => $work,
            $crate::database::Database::Postgres($pool) => $work,
        }
    };
}

/// The same work on the connections that write.
macro_rules! writing {
    ($database:expr, $pool:ident => $work:expr) => {
        match $database {
            $crate::database::Database::Sqlite { write: $pool, .. } => $work,
            $crate::database::Database::Postgres($pool) => $work,
        }
    };
}

/// The same work in a transaction, which is committed if the work does so. SQLite's begins as one that writes: otherwise it could find at
/// its first change that another one was faster.
macro_rules! transacting {
    ($database:expr, $transaction:ident => $work:expr) => {
        match $database {
            $crate::database::Database::Sqlite { write, .. } => {
                let mut $transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                $work
            }
            $crate::database::Database::Postgres(pool) => {
                let mut $transaction = $crate::database::begin(pool).await?;
                $work
            }
        }
    };
}

pub(crate) use {reading, transacting, writing};

/// Begins a transaction. Where the caller is dropped before it has begun, it is begun and rolled back all the same: sqlx counts it only
/// once PostgreSQL has answered, and would put the connection back into the pool with it.
pub(crate) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin().await }).await;
    begun.unwrap_or_else(|error| Err(sqlx::Error::Protocol(error.to_string())))
}

impl Database {
    /// Connects and brings the schema up to date. Waits for a connection, or for SQLite's lock, no longer than `patience`.
    ///
    /// # Errors
    /// If the database cannot be reached or written, or is of a newer version.
    pub(crate) async fn open(location: Location, connections: u32, patience: Duration) -> Result<Self, StoreError> {
        apart(patience, move || async move { Self::connect(&location, connections, patience).await }).await
    }

    async fn connect(location: &Location, connections: u32, patience: Duration) -> Result<Self, StoreError> {
        match location {
            Location::Memory => {
                // A database of its own, which connections with these options share.
                let options = "sqlite::memory:".parse::<SqliteConnectOptions>()?.disable_statement_logging();
                let pool = || {
                    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(patience);
                    pool.idle_timeout(None).max_lifetime(None).connect_with(options.clone())
                };
                let (keeper, write) = (pool().await?, pool().await?);
                schema::of_sqlite(&write).await?;
                Ok(Self::Sqlite { read: write.clone(), write, file: None, keeper: Some(keeper) })
            }
            Location::File(path) => {
                let file = Some(DatabaseFile::make(path)?);
                let options = of_file(path, patience);
                let pool = || SqlitePoolOptions::new().acquire_timeout(patience);
                // After a commit that failed (the disk is full), SQLite has no transaction and sqlx has one: such a connection is closed.
                let write = pool().max_connections(1).after_release(|connection, _| {
                    let sound = !connection.is_in_transaction();
                    Box::pin(async move { Ok(sound) })
                });
                let write = write.connect_with(options.clone()).await?;
                schema::of_sqlite(&write).await?;
                Ok(Self::Sqlite {
                    read: pool().max_connections(READERS).connect_lazy_with(options),
                    write,
                    file,
                    keeper: None,
                })
            }
            Location::Postgres(options) => {
                schema::of_postgres(options.connect().await?).await?;
                let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(patience);
                Ok(Self::Postgres(pool.connect_lazy_with(PgConnectOptions::clone(options))))
            }
        }
    }
}

/// Connects to PostgreSQL apart from the pool, whose connections may all be busy, and ends the connection.
///
/// # Errors
/// If PostgreSQL does not answer within `patience`.
pub(crate) async fn greet(options: PgConnectOptions, patience: Duration) -> Result<(), StoreError> {
    let greeting = move || async move {
        options.connect().await?.close().await?;
        Ok(())
    };
    apart(patience, greeting).await
}

/// Runs a future on a thread that may block, for at most `patience`. Those by which sqlx connects and changes schemas borrow in ways that
/// keep the compiler from seeing that they can be sent between threads; this one stays on its thread.
async fn apart<T, F>(patience: Duration, work: impl FnOnce() -> F + Send + 'static) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>>,
{
    let runtime = Handle::current();
    let outcome = spawn_blocking(move || runtime.block_on(async { timeout(patience, work()).await })).await;
    let late = || StoreError::Unavailable(format!("it did not answer within {} s", patience.as_secs_f32()));
    match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(late()),
        Err(error) => Err(StoreError::Unavailable(error.to_string())),
    }
}

impl Database {
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { read, write, keeper, .. } => {
                read.close().await;
                write.close().await;
                if let Some(keeper) = keeper {
                    keeper.close().await;
                }
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// How an SQLite file is used: what is acknowledged is on the disk, and what is deleted is overwritten.
fn of_file(path: &Path, patience: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        .busy_timeout(patience)
        .disable_statement_logging()
}
