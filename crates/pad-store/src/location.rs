//! Where a database is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::StoreError;

/// Where the store keeps what it is given.
#[derive(Clone)]
pub enum Location {
    /// In memory, until the store is dropped.
    Memory,
    /// In an SQLite database of this path, which is made if it is not there.
    File(PathBuf),
    /// In a PostgreSQL database.
    Postgres(Box<PgConnectOptions>),
}

impl Location {
    /// Parses `memory`, `sqlite:PATH` or `postgres://…`.
    ///
    /// # Errors
    /// [`StoreError::Location`], which quotes no password.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let refused = |why: &str| Err(StoreError::Location { given: scheme.to_owned(), why: why.to_owned() });
        match scheme {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "sqlite" => match rest.strip_prefix("//").unwrap_or(rest) {
                "" => refused(", since it has no path"),
                path => Ok(Self::File(PathBuf::from(path))),
            },
            "postgres" | "postgresql" => match PgConnectOptions::from_str(text) {
                Ok(options) => {
                    Ok(Self::Postgres(Box::new(options.application_name("pad").disable_statement_logging())))
                }
                Err(_) => refused(", since its address cannot be read"),
            },
            _ => refused(""),
        }
    }
}

/// For logs: without user and password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(options) => {
                let database = options.get_database().unwrap_or_default();
                write!(f, "postgres://{}:{}/{database}", options.get_host(), options.get_port())
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_kinds_of_places() {
        let shown = |text: &str| Location::parse(text).map(|location| location.to_string()).unwrap_or_default();
        assert_eq!(shown("memory"), "memory");
        assert_eq!(shown("sqlite:data/pad.sqlite"), "sqlite:data/pad.sqlite");
        assert_eq!(shown("sqlite:///var/lib/pad/p.sqlite"), "sqlite:/var/lib/pad/p.sqlite");
        assert_eq!(shown("postgres://pad:secret@db.example:6432/pad"), "postgres://db.example:6432/pad");
        assert_eq!(shown("postgresql://db/pad"), "postgres://db:5432/pad");
    }

    #[test]
    fn what_is_no_place_is_refused_without_its_password() {
        for text in ["", "mysql://pad:secret@db/pad", "sqlite:", "postgres://pad:secret@db:port/pad", "memory:secret"] {
            let error = Location::parse(text).expect_err("refused").to_string();
            assert!(error.contains("allowed: `memory`") && !error.contains("secret"), "{error}");
        }
        let location = Location::parse("postgres://pad:secret@db/pad").expect("a place");
        assert!(!format!("{location:?} {location}").contains("secret"));
    }
}
