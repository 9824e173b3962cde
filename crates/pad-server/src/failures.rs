//! The errors of requests for text or rewards, for the API description.

use pad_api::ErrorBody;
use utoipa::IntoResponses;

/// The answers that all routes have that read prompts.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is a description: nothing makes one")]
pub(crate) enum Failures {
    /// A value is wrong (`param` names the field), or the input is too long.
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// No such model, or no such previous response.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The queue, or the key's share of it, is full.
    #[response(status = 429, headers(("retry-after" = u64, description = "Seconds to wait.")))]
    TooMany(ErrorBody),
    /// The server is draining, or its engine has stopped.
    #[response(status = 503, headers(("retry-after" = u64, description = "Seconds to wait.")))]
    Unavailable(ErrorBody),
}
