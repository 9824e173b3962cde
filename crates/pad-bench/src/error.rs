//! What can go wrong in a measurement.

/// Every error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The engine took no request.
    #[error(transparent)]
    Submit(#[from] pad_engine::SubmitError),
    /// The engine did something else than the measurement needs.
    #[error("{0}")]
    Engine(String),
    /// The form has no grammar in this vocabulary.
    #[error(transparent)]
    Form(#[from] pad_grammar::ShapeError),
    /// A server did not answer, or refused.
    #[error(transparent)]
    Server(#[from] pad_client::ClientError),
    /// The server's list of models is empty.
    #[error("{url}: the list of models is empty; name one with --model")]
    NoModel {
        /// The list's URL.
        url: String,
    },
    /// The figures cannot be written.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}
