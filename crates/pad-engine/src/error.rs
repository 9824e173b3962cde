//! Why a request is rejected, or a step failed.

/// Why the engine does not take a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too many requests are waiting.
    #[error("the queue is full: {running} sequences run and {waiting} wait, the limit is {limit} in all")]
    QueueFull {
        /// Sequences being decoded.
        running: usize,
        /// Sequences waiting.
        waiting: usize,
        /// Sequences that may be running or waiting together.
        limit: usize,
    },
    /// One owner would hold more of the queue than leaves room for others.
    #[error(
        "the queue has {limit} places in all; this API key holds {held}, and {asked} more would leave too few for others"
    )]
    ShareFull {
        /// Places that the owner holds.
        held: usize,
        /// Places that it asks for.
        asked: usize,
        /// Places of all.
        limit: usize,
    },
    /// One request asks for more choices than its sender can ever have in the queue.
    #[error("the request has {asked} choices in all, `n` for each prompt; allowed: {most} at most")]
    TooManyChoices {
        /// Choices that it asks for.
        asked: usize,
        /// Places that its sender can hold.
        most: usize,
    },
    /// The longest lane and the tokens asked for do not fit the context.
    #[error("the prompt has {prompt} tokens and {max_tokens} more are asked for, but the context is {context} tokens")]
    ContextExceeded {
        /// Tokens of the longest lane's prompt.
        prompt: usize,
        /// Tokens to generate.
        max_tokens: usize,
        /// Tokens that a lane may have.
        context: usize,
    },
    /// The KV cache is too small for this request even when it runs alone.
    #[error("the request needs {needed} positions of one KV cache, which has {total}")]
    NoKvRoom {
        /// Positions needed by all its lanes of one set of weights, in whole blocks.
        needed: usize,
        /// Positions that the cache has.
        total: usize,
    },
    /// The engine is finishing what runs and takes nothing new.
    #[error("the server is shutting down")]
    Draining,
    /// The worker thread ended.
    #[error("the engine's worker has stopped")]
    Dead,
    /// The request makes no sense; the text says why.
    #[error("{0}")]
    Invalid(String),
}

/// Why an answer was not scored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    /// A step that it was in failed; the text says why.
    #[error("{0}")]
    Failed(String),
    /// The worker ended.
    #[error("the engine's worker has stopped")]
    Dead,
}

/// A failed step. It fails the sequences in the step and nothing else.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] pad_model::ModelError),
    /// The runner broke a promise, or panicked; the text says how.
    #[error("{0}")]
    Runner(String),
}
