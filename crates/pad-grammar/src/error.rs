//! Why a shape cannot become a grammar.

use std::time::Duration;

/// Why a shape cannot be enforced on an answer. All but [`ShapeError::Busy`] are about what the request asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The schema is not an object.
    #[error("a schema must be a JSON object")]
    NotAnObject,
    /// The schema is larger than is read.
    #[error("the schema has {bytes} bytes; allowed: {allowed} at most")]
    TooLong {
        /// Its bytes as compact JSON.
        bytes: usize,
        /// Bytes that are read.
        allowed: usize,
    },
    /// Something in the schema is out of bounds.
    #[error("{what} at `{place}` is {found}; allowed: {allowed}")]
    Beyond {
        /// What it is: a keyword, or a count.
        what: String,
        /// Where in the schema it stands, as a `$ref` would point to it.
        place: String,
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// An unknown `type` in the schema.
    #[error("`type` at `{place}` is {found}; allowed: {allowed}, or a list of them")]
    UnknownType {
        /// Where the schema with it stands.
        place: String,
        /// What was found.
        found: String,
        /// The names that are known.
        allowed: String,
    },
    /// The schema is wrong, asks for what is not supported, or is more than the bounds of a grammar allow.
    #[error("{0}")]
    Unsupported(String),
    /// The grammar takes more memory than allowed.
    #[error("its grammar needs {mib} MiB; allowed: {allowed} MiB (`grammar.memory`)")]
    TooLarge {
        /// What it takes.
        mib: usize,
        /// What one may take.
        allowed: usize,
    },
    /// The grammar took longer than allowed.
    #[error("its grammar did not compile within {} s, the time limit (`grammar.seconds`)", allowed.as_secs_f32())]
    TooSlow {
        /// How long it may take.
        allowed: Duration,
    },
    /// All threads that compile are busy: the request may be sent again.
    #[error("too many grammars are being compiled")]
    Busy,
}

impl ShapeError {
    /// What kind of error it is, without a word of the schema: for the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotAnObject => "no object",
            Self::TooLong { .. } => "too long",
            Self::Beyond { .. } => "out of bounds",
            Self::UnknownType { .. } => "unknown type",
            Self::Unsupported(_) => "not supported",
            Self::TooLarge { .. } => "too large",
            Self::TooSlow { .. } => "too slow",
            Self::Busy => "busy",
        }
    }
}

/// [`ShapeError::Beyond`], with long texts shortened.
pub(crate) fn beyond(what: &str, place: &str, found: &str, allowed: &str) -> ShapeError {
    let shorten = |text: &str| match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    };
    ShapeError::Beyond {
        what: what.to_owned(),
        place: shorten(place),
        found: shorten(found),
        allowed: allowed.to_owned(),
    }
}
