//! Why an operation of the store failed.

use std::path::PathBuf;

use sqlx::migrate::MigrateError;

/// Why the store cannot be opened, or an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A place that names no database.
    #[error(
        "`{given}` names no database{why}; allowed: `memory`, `sqlite:PATH`, `postgres://USER:PASSWORD@HOST:PORT/NAME`"
    )]
    Location {
        /// The text up to its colon: the rest may hold a password.
        given: String,
        /// What is wrong, if more can be said.
        why: String,
    },
    /// The file of an SQLite database cannot be written.
    #[error("the database file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database has a schema that this version does not know: a newer one has used it.
    #[error(
        "the database has schema {found}, but this version of the server knows schemas up to {known}: a newer version has \
         changed it, and this one would damage it"
    )]
    Newer {
        /// Version of the database's schema.
        found: i64,
        /// Version of the newest schema here.
        known: i64,
    },
    /// The database is out of reach, or cannot do what is asked; it may be able to later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Something was changed, made or deleted since the caller read it.
    #[error("it was changed meanwhile")]
    Conflict,
    /// There is no such profile.
    #[error("there is no profile `{0}`")]
    Missing(String),
    /// The database holds something that this version cannot read.
    #[error("a row of the database cannot be read: {0}")]
    Damaged(String),
}

impl StoreError {
    /// Whether the database may be out of reach, which is worth a closer look.
    pub(crate) fn is_suspicious(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::File { .. })
    }

    /// Why the database is not available.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Unavailable(why) => why.clone(),
            other => other.to_string(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Damaged(error.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl StoreError {
    /// What is wrong with the schema, of which `known` is the newest version here.
    pub(crate) fn of_schema(error: MigrateError, known: i64) -> Self {
        match error {
            MigrateError::VersionMissing(found) => Self::Newer { found, known },
            MigrateError::Execute(error) => error.into(),
            other => Self::Unavailable(format!("its schema cannot be brought up to date: {other}")),
        }
    }
}
