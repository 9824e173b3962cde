//! From a chat completion request to a generation request.

use pad_api::{ChatMessage, ChatRequest, Content, Role};

use crate::ApiError;
use crate::conversation::{conversation, template_messages};
use crate::generation::form::{FormNames, FormRequest};
use crate::generation::request::{FieldNames, GenerationRequest};
use crate::generation::sampling::sampling_request;
use crate::text_constraints::text_constraints;

/// What the request asks for.
///
/// # Errors
/// 400 naming the field that is wrong.
pub(super) fn generation_request(mut request: ChatRequest) -> Result<GenerationRequest, ApiError> {
    refuse_speech(&request)?;
    let begun = begun(&mut request)?;
    let newer = request.max_completion_tokens;
    let names = FieldNames {
        max_tokens: newer.map_or(FieldNames::OF_CHAT.max_tokens, |_| "max_completion_tokens"),
        ..FieldNames::OF_CHAT
    };
    let tools = request.tools.unwrap_or_default();
    if request.functions.is_some_and(|functions| !functions.is_empty()) && tools.is_empty() {
        let message = "`functions` is given; allowed: `tools`, each {\"type\": \"function\", \"function\": {...}}";
        return Err(ApiError::invalid("functions", message));
    }
    let prompt = if begun.is_some() { template_messages(request.messages) } else { conversation(request.messages)? };
    let (text, place) = text_constraints!(request).form()?;
    Ok(GenerationRequest {
        choices: request.n,
        best_of: request.best_of,
        max_tokens: newer.or(request.max_tokens),
        sampling: sampling_request!(request),
        seed: request.seed,
        stop: request.stop,
        form: Some(FormRequest {
            names: FormNames { text: place, function: ".function" },
            text,
            functions: tools.into_iter().map(|tool| tool.function).collect(),
            tool_choice: request.tool_choice,
            parallel_calls: request.parallel_tool_calls,
        }),
        top_logprobs: top_logprobs(request.logprobs, request.top_logprobs)?,
        stream: request.stream,
        stream_options: request.stream_options,
        cache_salt: request.cache_salt,
        pad: request.pad,
        begun,
        ..GenerationRequest::new(names, vec![prompt.into()])
    })
}

/// Takes the beginning of the answer out of the messages, where the request wants the last of them to be continued.
fn begun(request: &mut ChatRequest) -> Result<Option<String>, ApiError> {
    let asked = request.continue_final_message.unwrap_or(false);
    if asked && request.add_generation_prompt == Some(true) {
        let message = "`continue_final_message` and `add_generation_prompt` are both true; allowed: one of them";
        return Err(ApiError::invalid("add_generation_prompt", message));
    }
    if !asked && request.add_generation_prompt == Some(false) {
        let message = "`add_generation_prompt` is false; allowed: true, or false with `continue_final_message` true";
        return Err(ApiError::invalid("add_generation_prompt", message));
    }
    if !asked {
        return Ok(None);
    }
    let assistants = |last: &mut ChatMessage| last.role == Role::Assistant && last.take_calls().is_empty();
    if let Some(last) = request.messages.pop_if(assistants) {
        return Ok(Some(last.content.map(Content::into_text).unwrap_or_default()));
    }
    let message =
        "`continue_final_message` is true; allowed only if the last message is the assistant's and has no calls";
    Err(ApiError::invalid("continue_final_message", message))
}

/// Answers are text only; `audio` is tolerated with `modalities: ["text"]`.
fn refuse_speech(request: &ChatRequest) -> Result<(), ApiError> {
    let modalities = request.modalities.as_deref().unwrap_or_default();
    if let Some(other) = modalities.iter().find(|modality| *modality != "text") {
        let message = format!("`modalities` has `{other}`; allowed: `text` alone");
        return Err(ApiError::invalid("modalities", message));
    }
    if request.audio.is_some() && modalities.is_empty() {
        return Err(ApiError::invalid("audio", "`audio` is given; this server answers in text: leave it out"));
    }
    Ok(())
}

fn top_logprobs(logprobs: Option<bool>, top: Option<u64>) -> Result<Option<u64>, ApiError> {
    match (logprobs.unwrap_or(false), top) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => {
            let message = "`top_logprobs` is given without `logprobs`; allowed: with `logprobs` true";
            Err(ApiError::invalid("top_logprobs", message))
        }
    }
}
