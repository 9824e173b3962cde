//! A request for text whose every value was checked.

use std::ops::RangeInclusive;
use std::time::Instant;

use pad_api::{ChatMessage, ChatRequest, Content, PadOptions, Preference, Stop, StreamOptions, ToolCall};
use pad_reward::{PreferenceInput, Prompt};
use pad_text::Message;
use serde_json::{Map, Value, json};

use super::form::Form;
use super::range::{number, within};
use super::sampling::Sampling;
use crate::ApiError;
use crate::state::AppState;

/// Guidance strengths that a request may ask for.
pub(crate) const BETA: RangeInclusive<f64> = 0.0..=4.0;
/// Numbers of candidates that a request may ask for.
pub(crate) const TOP_K: RangeInclusive<u64> = 1..=100;
/// Candidates that may be shown in each token's place.
const TOP_LOGPROBS: RangeInclusive<u64> = 0..=20;
/// Stop strings that a request may give.
const STOP_STRINGS: RangeInclusive<usize> = 1..=4;

/// What a request asks for, defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct GenerationOptions {
    pub(crate) arrived: Instant,
    /// What is continued; each prompt on its own.
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) preference: PreferenceInput,
    pub(crate) beta: f32,
    pub(crate) top_k: usize,
    pub(crate) sampling: Sampling,
    pub(crate) form: Form,
    pub(crate) seed: u64,
    /// Choices of each prompt.
    pub(crate) choices: usize,
    /// What the request asks for; none means the server's default, or as many as fit.
    pub(crate) max_tokens: Option<usize>,
    pub(crate) stop: Vec<String>,
    /// Tokens before which no stop string ends the answer.
    pub(crate) min_tokens: usize,
    pub(crate) stream: bool,
    /// Send `usage` at the end of the stream.
    pub(crate) include_usage: bool,
    pub(crate) details: Details,
}

/// What is told beside the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    /// Why every token was chosen.
    pub(crate) trace: bool,
    /// The tokens' log-probabilities, with those of so many candidates each.
    pub(crate) logprobs: Option<usize>,
    /// Tell those of end tokens as well.
    pub(crate) ends: bool,
}

impl GenerationOptions {
    /// Check a request's values; names of dimensions are left to the reward model.
    ///
    /// # Errors
    /// 404 for another model's name, 400 naming the field that is wrong, its value and what is allowed.
    pub(crate) fn read(mut request: ChatRequest, state: &AppState) -> Result<Self, ApiError> {
        state.model.check_name(request.model.as_deref())?;
        let messages = conversation(std::mem::take(&mut request.messages))?;
        Self::of(request, vec![messages.into()], state)
    }

    /// Check the values of a request whose messages, if it has any, were turned into these prompts already.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub(crate) fn of(request: ChatRequest, prompts: Vec<Prompt>, state: &AppState) -> Result<Self, ApiError> {
        state.model.check_name(request.model.as_deref())?;
        let pad = request.pad.unwrap_or_default();
        let sampling = Sampling::read(&request, state)?;
        let form = Form::read(&request)?;
        let logprobs = logprobs(request.logprobs, request.top_logprobs)?;
        let (beta, top_k) = guidance(pad, state)?;
        let max_tokens = request.max_completion_tokens.or(request.max_tokens);
        let choices = within("n", request.n.unwrap_or(1), &(1..=state.limits.choices as u64))?;
        Ok(Self {
            arrived: Instant::now(),
            include_usage: include_usage(request.stream, request.stream_options)?,
            stream: request.stream.unwrap_or(false),
            prompts,
            preference: preference_input(request.preference),
            beta,
            top_k,
            sampling,
            form,
            seed: request.seed.map_or_else(rand::random, i64::cast_unsigned),
            choices: choices as usize,
            // More than can be counted is more than fits, and refused as such.
            max_tokens: max_tokens.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX)),
            stop: stop_strings(request.stop)?,
            min_tokens: request.min_tokens.map_or(0, |tokens| usize::try_from(tokens).unwrap_or(usize::MAX)),
            details: Details { trace: pad.trace.unwrap_or(false), logprobs, ends: false },
        })
    }
}

fn guidance(pad: PadOptions, state: &AppState) -> Result<(f32, usize), ApiError> {
    let (beta, top_k) = state.guidance();
    let top_k = match pad.top_k {
        Some(given) => within("pad.top_k", given, &TOP_K)? as usize,
        None => top_k,
    };
    Ok((number("pad.beta", pad.beta, &BETA, beta)?, top_k))
}

fn logprobs(asked: Option<bool>, top: Option<u64>) -> Result<Option<usize>, ApiError> {
    let asked = asked.unwrap_or(false);
    let Some(top) = top else { return Ok(asked.then_some(0)) };
    let top = within("top_logprobs", top, &TOP_LOGPROBS)?;
    if asked {
        return Ok(Some(top as usize));
    }
    let message = "`top_logprobs` is given without `logprobs`; allowed: with `logprobs` true";
    Err(ApiError::invalid("top_logprobs", message))
}

/// An explicit `stream: false` beside `stream_options` is let pass: OpenAI's SDKs send both when given both.
fn include_usage(stream: Option<bool>, options: Option<StreamOptions>) -> Result<bool, ApiError> {
    if options.is_some() && stream.is_none() {
        let message = "`stream_options` is given without `stream`; allowed: with `stream` true";
        return Err(ApiError::invalid("stream_options", message));
    }
    Ok(options.and_then(|options| options.include_usage).unwrap_or(false))
}

fn stop_strings(stop: Option<Stop>) -> Result<Vec<String>, ApiError> {
    let Some(stop) = stop else { return Ok(Vec::new()) };
    let strings = stop.into_strings();
    if !STOP_STRINGS.contains(&strings.len()) {
        let message = format!("`stop` has {} strings; allowed: 1 to 4", strings.len());
        return Err(ApiError::invalid("stop", message));
    }
    if strings.iter().any(String::is_empty) {
        return Err(ApiError::invalid("stop", "`stop` has an empty string; allowed: strings of one character or more"));
    }
    Ok(strings)
}

/// A preference as the reward model takes it.
pub(crate) fn preference_input(given: Option<Preference>) -> PreferenceInput {
    match given {
        None => PreferenceInput::Absent,
        Some(Preference::Named(weights)) => PreferenceInput::Named(weights),
        Some(Preference::Ordered(weights)) => PreferenceInput::Ordered(weights),
        Some(Preference::Principle(principle)) => PreferenceInput::Principle(principle),
    }
}

/// Messages as the chat template takes them.
///
/// # Errors
/// 400 where there are none.
pub(crate) fn conversation(messages: Vec<ChatMessage>) -> Result<Vec<Message>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid("messages", "`messages` is empty; allowed: one message or more"));
    }
    Ok(messages.into_iter().map(message).collect())
}

/// The message as templates see it.
fn message(message: ChatMessage) -> Message {
    let optional = [
        ("name", message.name.map(Value::from)),
        ("tool_calls", message.tool_calls.map(|calls| calls.into_iter().map(call).collect())),
        ("tool_call_id", message.tool_call_id.map(Value::from)),
    ];
    Message {
        role: message.role.template_name().to_owned(),
        content: message.content.map(Content::into_text).unwrap_or_default(),
        extra: optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<Map<_, _>>(),
    }
}

/// A call as templates read it: with arguments that are an object. What is no JSON stays the text that it is.
pub(crate) fn call(call: ToolCall) -> Value {
    let arguments = call.function.arguments;
    let arguments = serde_json::from_str(&arguments).unwrap_or(Value::String(arguments));
    json!({"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": arguments}})
}
