//! Why a shape is no grammar.

/// Why an answer cannot be held to a shape. Every one of these is about what the request asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The schema is no object.
    #[error("a schema is a JSON object")]
    NotAnObject,
    /// The schema is larger than is read.
    #[error("the schema has {bytes} bytes; allowed: {allowed} at most")]
    TooLong {
        /// Its bytes as compact JSON.
        bytes: usize,
        /// Bytes that are read.
        allowed: usize,
    },
    /// The schema is wrong, asks for what is not supported, or is more than the bounds of a grammar allow.
    #[error("{0}")]
    Unsupported(String),
}
