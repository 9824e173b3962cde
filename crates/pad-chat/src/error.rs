//! What can go wrong in a conversation.

use pad_client::ClientError;

/// Every error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The server refused a request, or cannot be reached.
    #[error(transparent)]
    Server(#[from] ClientError),
    /// The answer cannot be written.
    #[error("cannot write the answer: {0}")]
    Output(#[from] std::io::Error),
}
