//! What can go wrong between a client and a server.

/// An error of a request. Each names the server's URL, but for those within a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address cannot be one.
    #[error("the server's address is `{address}`, but must begin with http:// or https://")]
    Address {
        /// What was given.
        address: String,
    },
    /// No reply came.
    #[error("{url}: {problem}")]
    Connection {
        /// What was requested.
        url: String,
        /// Why there is no reply.
        problem: String,
    },
    /// The server refused the request.
    #[error("{url}: status {status}: {message}")]
    Status {
        /// What was requested.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The server's message.
        message: String,
    },
    /// The reply is not what this route replies.
    #[error("{url}: unexpected reply: {problem}")]
    Reply {
        /// What was requested.
        url: String,
        /// What is wrong with the reply.
        problem: String,
    },
    /// A stream ended early, or contains an error.
    #[error("{0}")]
    Stream(String),
}

impl ClientError {
    /// The HTTP status of a refused request.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}
