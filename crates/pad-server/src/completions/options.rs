//! A completion request with all its values checked.

use pad_api::{CompletionRequest, MaxTokens, TextLogprobs};
use pad_reward::Prompt;
use pad_text::{Tokenizer, spell};

use crate::ApiError;
use crate::generation::form::{FormNames, FormRequest};
use crate::generation::options::GenerationOptions;
use crate::generation::request::{FieldNames, GenerationRequest};
use crate::generation::sampling::sampling_request;
use crate::standing_preference::Steering;
use crate::state::AppState;
use crate::text_constraints::text_constraints;

/// Tokens where a request names no number: OpenAI's.
const MAX_TOKENS: MaxTokens = MaxTokens::Most(16);
/// What the request calls its fields.
const NAMES: FieldNames = FieldNames { prompt: "prompt", max_tokens: "max_tokens", top_logprobs: "logprobs" };

/// The checked values of a request, with defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct CompletionOptions {
    /// What is generated.
    pub(crate) generation: GenerationOptions,
    /// The text that each prompt's choices begin with, where they do.
    pub(crate) echo: Option<Vec<String>>,
    /// The log-probabilities of each prompt's tokens, once they are read: with `echo` and `logprobs`.
    pub(crate) prompt_logprobs: Vec<TextLogprobs>,
}

impl CompletionOptions {
    /// Check a request's values.
    ///
    /// # Errors
    /// 400 naming the field that is wrong, its value and what is allowed.
    pub(crate) fn check(request: CompletionRequest, steering: Steering, state: &AppState) -> Result<Self, ApiError> {
        if request.suffix.is_some_and(|suffix| !suffix.is_empty()) {
            let message = "`suffix` is given; this server does not fill in the middle: leave it out";
            return Err(ApiError::invalid("suffix", message));
        }
        let echo = request.echo.unwrap_or(false);
        let prompts = prompts(request.prompt, state.chat.tokenizer(), "prompt")?;
        let echo = echo.then(|| prompts.iter().map(text).collect());
        let (text, place) = text_constraints!(request).form()?;
        let request = GenerationRequest {
            choices: request.n,
            best_of: request.best_of,
            max_tokens: Some(request.max_tokens.unwrap_or(MAX_TOKENS)),
            sampling: sampling_request!(request),
            seed: request.seed,
            stop: request.stop,
            form: Some(FormRequest {
                names: FormNames { text: place, function: "" },
                text,
                functions: Vec::new(),
                tool_choice: None,
                parallel_calls: None,
            }),
            top_logprobs: request.logprobs,
            // Report end tokens too: with `echo`, every token has an entry, read or generated.
            end_logprobs: echo.is_some(),
            stream: request.stream,
            stream_options: request.stream_options,
            preference: steering.preference,
            preference_source: steering.source,
            cache_salt: request.cache_salt,
            pad: request.pad,
            ..GenerationRequest::new(NAMES, prompts)
        };
        let generation = GenerationOptions::check(request, state)?;
        check_queue(&generation, state)?;
        Ok(Self { generation, echo, prompt_logprobs: Vec::new() })
    }

    /// The text that choice `index` of those that are generated begins with.
    pub(crate) fn beginning(&self, index: usize) -> &str {
        let prompt = index / self.generation.best_of.generated;
        self.echo.as_ref().and_then(|texts| texts.get(prompt)).map_or("", String::as_str)
    }

    /// The log-probabilities that choice `index` of those that are generated begins with.
    pub(crate) fn prompt_logprobs(&self, index: usize) -> TextLogprobs {
        self.prompt_logprobs.get(index / self.generation.best_of.generated).cloned().unwrap_or_default()
    }
}

/// Refuse more choices than can ever wait together.
fn check_queue(generation: &GenerationOptions, state: &AppState) -> Result<(), ApiError> {
    let (prompts, choices) = (generation.prompts.len(), generation.best_of.generated);
    let queue = state.engine.limits().queue;
    if prompts.saturating_mul(choices) > queue {
        let message =
            format!("`prompt` has {prompts} prompts of {choices} choices each; allowed: {queue} choices in all");
        return Err(ApiError::invalid("prompt", message));
    }
    Ok(())
}

/// The prompts that a request's field gives, each of one token at least.
///
/// # Errors
/// 400 where there is none, one is empty, or an id is no token's.
pub(crate) fn prompts(given: pad_api::Prompt, tokenizer: &Tokenizer, field: &str) -> Result<Vec<Prompt>, ApiError> {
    let tokens = |ids: Vec<u32>| {
        let size = tokenizer.vocab_size();
        if let Some(id) = ids.iter().find(|id| **id as usize >= size) {
            let message = format!("`{field}` has {id}; allowed: ids of tokens, 0 to {}", size.saturating_sub(1));
            return Err(ApiError::invalid(field, message));
        }
        Ok(Prompt::Tokens { text: spell(tokenizer, &ids), ids })
    };
    let prompts: Vec<Prompt> = match given {
        pad_api::Prompt::Text(one) => vec![Prompt::Text(one)],
        pad_api::Prompt::Texts(several) => several.into_iter().map(Prompt::Text).collect(),
        pad_api::Prompt::Tokens(one) => vec![tokens(one)?],
        pad_api::Prompt::TokenLists(several) => several.into_iter().map(tokens).collect::<Result<_, _>>()?,
    };
    let empty = |prompt: &Prompt| match prompt {
        Prompt::Text(text) => text.is_empty(),
        Prompt::Tokens { ids, .. } => ids.is_empty(),
        Prompt::Messages(_) | Prompt::Framed(_) => false,
    };
    if prompts.is_empty() || prompts.iter().any(empty) {
        let message = format!("`{field}` is empty; allowed: some text, or one token id or more");
        return Err(ApiError::invalid(field, message));
    }
    Ok(prompts)
}

fn text(prompt: &Prompt) -> String {
    match prompt {
        Prompt::Text(text) | Prompt::Tokens { text, .. } => text.clone(),
        Prompt::Messages(_) | Prompt::Framed(_) => String::new(),
    }
}
