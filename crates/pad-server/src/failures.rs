//! The errors of requests, for the API description: of those for text or rewards, and of those for stored profiles.

use pad_api::ErrorBody;
use utoipa::IntoResponses;

/// The answers that all routes have that read prompts.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is a description: nothing makes one")]
pub(crate) enum Failures {
    /// A value is wrong (`param` names the field), or the input is too long.
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// No such model, no such profile, or no such previous response.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The queue, or the key's share of it, is full.
    #[response(status = 429, headers(("retry-after" = u64, description = "Seconds to wait.")))]
    TooMany(ErrorBody),
    /// The server is draining, its engine has stopped, or the database does not answer that has what is asked for.
    #[response(status = 503, headers(("retry-after" = u64, description = "Seconds to wait.")))]
    Unavailable(ErrorBody),
}

/// The answers that all routes of profiles have.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is a description: nothing makes one")]
pub(crate) enum ProfileFailures {
    /// A value is wrong; `param` names it.
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// There is no such profile, or the server stores none.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// A limit of the API key is reached.
    #[response(status = 429, headers(("retry-after" = u64, description = "Seconds to wait.")))]
    TooManyRequests(ErrorBody),
    /// The database does not answer.
    #[response(status = 503, headers(("retry-after" = u64, description = "Seconds to wait.")))]
    Unavailable(ErrorBody),
}
