//! Where errors of the engine, the reward model, the text crate and the store become HTTP answers. Those of parsing are mapped in
//! `error.rs`, those of grammars in `generation/`.

use pad_engine::{ScoreError, SubmitError};
use pad_reward::RewardError;
use pad_store::StoreError;
use pad_text::TextError;

use crate::ApiError;

/// What the prompt is called where a route says nothing else.
const MESSAGES: &str = "messages";

/// Why the engine does not take a request whose field `prompt` is what it reads.
pub(crate) fn submit(error: &SubmitError, prompt: &str) -> ApiError {
    let message = error.to_string();
    match error {
        SubmitError::QueueFull { .. } | SubmitError::ShareFull { .. } => {
            ApiError::too_many_requests("queue_full", message)
        }
        SubmitError::TooManyChoices { .. } => ApiError::invalid("n", message),
        SubmitError::ContextExceeded { prompt: tokens, max_tokens, context } => {
            let message = too_long(*tokens, *max_tokens, *context);
            ApiError::invalid_code("context_length_exceeded", message).about(prompt)
        }
        SubmitError::NoKvRoom { .. } => ApiError::invalid_code("kv_room_exceeded", message).about(prompt),
        SubmitError::Draining => ApiError::unavailable("draining", message),
        SubmitError::Dead => ApiError::unavailable("engine_dead", message),
        SubmitError::Invalid(_) => ApiError::invalid_code("invalid_request", message),
    }
}

/// OpenAI's words, which clients search for.
fn too_long(prompt: usize, max_tokens: usize, context: usize) -> String {
    let limit = format!("This model's maximum context length is {context} tokens.");
    if prompt > context {
        return format!(
            "{limit} However, your messages resulted in {prompt} tokens. Please reduce the length of the messages."
        );
    }
    let sum = prompt as u128 + max_tokens as u128;
    format!(
        "{limit} However, you requested {sum} tokens ({prompt} in the messages, {max_tokens} in the completion). Please reduce the \
         length of the messages or completion."
    )
}

/// Maps an error of laying out the lanes; `prompt` names the field that they read.
pub(crate) fn reward(error: &RewardError, prompt: &str) -> ApiError {
    match error {
        RewardError::Text(error) => text(error, prompt),
        RewardError::NoUserMessage => ApiError::invalid(prompt, format!("{prompt}: {error}")),
        error => match error.param() {
            Some(param) => ApiError::invalid(param, error.to_string()),
            None => fault(error),
        },
    }
}

/// Why a request's field `prompt` gives no tokens.
fn text(error: &TextError, prompt: &str) -> ApiError {
    match error {
        TextError::TemplateRefused(_) | TextError::TemplateRender(_) => ApiError::invalid(prompt, error.to_string()),
        error => fault(error),
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::profile_changed(),
            StoreError::Missing(name) => Self::profile_not_found(&name),
            StoreError::Damaged(_) => fault(&error),
            StoreError::Unavailable(_)
            | StoreError::Newer { .. }
            | StoreError::File { .. }
            | StoreError::Location { .. } => {
                tracing::warn!(%error, "a request needs the database");
                Self::unavailable(
                    "store_unavailable",
                    "the database does not answer that holds profiles and responses; what needs neither is answered",
                )
            }
        }
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        submit(&error, MESSAGES)
    }
}

impl From<ScoreError> for ApiError {
    fn from(error: ScoreError) -> Self {
        match error {
            ScoreError::Failed(why) => Self::internal(format!("the scoring failed: {why}")),
            ScoreError::Dead => Self::unavailable("engine_dead", error.to_string()),
        }
    }
}

impl From<RewardError> for ApiError {
    fn from(error: RewardError) -> Self {
        reward(&error, MESSAGES)
    }
}

impl From<TextError> for ApiError {
    fn from(error: TextError) -> Self {
        text(&error, MESSAGES)
    }
}

/// An internal error, which no request can have caused: the log has the details, the client only learns that it happened.
fn fault(error: &dyn std::error::Error) -> ApiError {
    tracing::error!(%error, "a request failed with an internal error");
    ApiError::internal("the server could not prepare the request")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: impl Into<ApiError>, status: u16, param: Option<&str>, code: Option<&str>, says: &[&str]) {
        let error = error.into();
        let detail = error.body().error;
        assert_eq!((error.status().as_u16(), detail.param.as_deref(), detail.code.as_deref()), (status, param, code));
        for part in says {
            assert!(detail.message.contains(part), "{}", detail.message);
        }
    }

    #[test]
    fn what_the_engine_refuses() {
        let full = SubmitError::QueueFull { running: 3, waiting: 5, limit: 8 };
        check(full, 429, None, Some("queue_full"), &["8"]);
        let share = SubmitError::ShareFull { held: 190, asked: 16, limit: 256 };
        check(share, 429, None, Some("queue_full"), &["190", "16", "256"]);
        let never = SubmitError::TooManyChoices { asked: 193, most: 192 };
        check(never, 400, Some("n"), None, &["193", "192"]);
        check(ScoreError::Failed("on purpose".to_owned()), 500, None, Some("internal_error"), &["on purpose"]);
        check(ScoreError::Dead, 503, None, Some("engine_dead"), &[]);
        let long = SubmitError::ContextExceeded { prompt: 2000, max_tokens: 100, context: 2048 };
        check(
            long,
            400,
            Some("messages"),
            Some("context_length_exceeded"),
            &[
                "maximum context length is 2048 tokens. However, you requested 2100 tokens (2000 in the messages, 100 in the completion)",
            ],
        );
        let longer = SubmitError::ContextExceeded { prompt: 3000, max_tokens: 1, context: 2048 };
        let says = "maximum context length is 2048 tokens. However, your messages resulted in 3000 tokens";
        check(longer, 400, Some("messages"), Some("context_length_exceeded"), &[says]);
        let big = SubmitError::NoKvRoom { needed: 900, total: 512 };
        check(big, 400, Some("messages"), Some("kv_room_exceeded"), &["900", "512"]);
        check(SubmitError::Draining, 503, None, Some("draining"), &[]);
        check(SubmitError::Dead, 503, None, Some("engine_dead"), &[]);
        check(SubmitError::Invalid("top_k is 0".to_owned()), 400, None, Some("invalid_request"), &["top_k"]);
    }

    #[test]
    fn what_the_database_refuses() {
        check(StoreError::Conflict, 412, None, Some("profile_changed"), &["read it again"]);
        check(StoreError::Missing("alice".to_owned()), 404, None, Some("profile_not_found"), &["`alice`"]);
        check(StoreError::Damaged("x".to_owned()), 500, None, Some("internal_error"), &[]);
        let gone = ApiError::from(StoreError::Unavailable("postgres://pad:secret@db".to_owned()));
        assert!(!gone.body().error.message.contains("secret"), "what the database says is for the log");
        check(gone, 503, None, Some("store_unavailable"), &["database"]);
    }

    #[test]
    fn what_the_reward_model_refuses() {
        check(RewardError::EmptyPrinciple, 400, Some("preference"), None, &["principle"]);
        let unknown = RewardError::UnknownDimension { name: "humour".to_owned(), known: "`humor`".to_owned() };
        check(unknown, 400, Some("preference"), None, &["`humour`", "`humor`"]);
        check(RewardError::NoUserMessage, 400, Some("messages"), None, &["messages: no message", "user"]);
    }

    #[test]
    fn the_prompt_has_the_name_that_its_request_gives_it() {
        let long = SubmitError::ContextExceeded { prompt: 2000, max_tokens: 100, context: 2048 };
        check(submit(&long, "input"), 400, Some("input"), Some("context_length_exceeded"), &["2000"]);
        let big = SubmitError::NoKvRoom { needed: 900, total: 512 };
        check(submit(&big, "prompt"), 400, Some("prompt"), Some("kv_room_exceeded"), &["900"]);
        check(reward(&RewardError::NoUserMessage, "input"), 400, Some("input"), None, &["input: no message"]);
        check(reward(&RewardError::EmptyPrinciple, "input"), 400, Some("preference"), None, &[]);
        let refused = RewardError::Text(TextError::TemplateRefused("roles must alternate".to_owned()));
        check(reward(&refused, "input"), 400, Some("input"), None, &["roles must alternate"]);
    }

    #[test]
    fn what_the_template_refuses_and_what_is_our_fault() {
        let refused = || TextError::TemplateRefused("roles must alternate".to_owned());
        check(refused(), 400, Some("messages"), None, &["roles must alternate"]);
        check(RewardError::Text(refused()), 400, Some("messages"), None, &["roles must alternate"]);
        let fault = TextError::Encode("a secret of the prompt".to_owned());
        check(fault, 500, None, Some("internal_error"), &["could not prepare"]);
    }
}
