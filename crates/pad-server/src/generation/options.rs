//! A generation request with all its values checked.

use std::ops::RangeInclusive;
use std::time::Instant;

use pad_api::{MaxTokens, PreferenceSource, Stop};
use pad_reward::{PreferenceInput, Prompt};

use super::best_of::BestOf;
use super::form::Form;
use super::guidance::{Guidance, preference_input};
use super::range::within;
use super::request::{FieldNames, GenerationRequest};
use super::sampling::Sampling;
use super::token_details::TokenDetails;
use crate::ApiError;
use crate::state::AppState;

/// How many candidates may be reported for each token.
const TOP_LOGPROBS: RangeInclusive<u64> = 0..=20;
/// Stop strings that a request may give.
const STOP_STRINGS: RangeInclusive<usize> = 0..=4;

/// The checked values of a request, with defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct GenerationOptions {
    pub(crate) arrived: Instant,
    /// Names of the fields in the request's dialect.
    pub(crate) names: FieldNames,
    /// The prompts; each is answered separately.
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) preference: PreferenceInput,
    /// Where that came from.
    pub(crate) preference_source: PreferenceSource,
    pub(crate) guidance: Guidance,
    pub(crate) sampling: Sampling,
    pub(crate) form: Form,
    pub(crate) seed: u64,
    /// Choices of each prompt, and which of them are kept.
    pub(crate) best_of: BestOf,
    /// The request's limit; none means the server's default.
    pub(crate) max_tokens: Option<MaxTokens>,
    /// Examples that were put before the conversation.
    pub(crate) examples: usize,
    /// The beginning of the answer, given by the client.
    pub(crate) begun: Option<String>,
    pub(crate) stop: Vec<String>,
    /// No stop string ends the answer before this many tokens.
    pub(crate) min_tokens: usize,
    pub(crate) stream: bool,
    /// Send `usage` at the end of the stream.
    pub(crate) include_usage: bool,
    pub(crate) details: TokenDetails,
    /// Separates the cached prompts from those of other salts.
    pub(crate) cache_salt: Option<String>,
}

impl GenerationOptions {
    /// Check a request's values; names of dimensions are left to the reward model.
    ///
    /// # Errors
    /// 400 naming the field that is wrong, its value and what is allowed.
    pub(crate) fn check(request: GenerationRequest, state: &AppState) -> Result<Self, ApiError> {
        let GenerationRequest { names, prompts, max_tokens, .. } = request;
        let pad = request.pad.unwrap_or_default();
        let min_tokens = request.sampling.min_tokens.unwrap_or(0);
        check_min_tokens(min_tokens, max_tokens, names.max_tokens)?;
        let top = request.top_logprobs.map(|top| within(names.top_logprobs, top, &TOP_LOGPROBS)).transpose()?;
        let stream = request.stream.unwrap_or(false);
        let best_of = BestOf::check(request.choices, request.best_of, pad.best_of_by, state.limits.choices, stream)?;
        Ok(Self {
            arrived: Instant::now(),
            names,
            prompts,
            preference: preference_input(request.preference),
            guidance: Guidance::check(pad, state.guidance())?,
            sampling: Sampling::check(&request.sampling, state)?,
            form: request
                .form
                .map(|form| Form::check(form, state.defaults.parallel_calls))
                .transpose()?
                .unwrap_or_default(),
            seed: request.seed.map_or_else(rand::random, i64::cast_unsigned),
            best_of,
            max_tokens,
            examples: request.examples,
            begun: request.begun,
            preference_source: request.preference_source,
            stop: stop_strings(request.stop)?,
            min_tokens: usize::try_from(min_tokens).unwrap_or(usize::MAX),
            include_usage: request.stream_options.and_then(|options| options.include_usage).unwrap_or(false),
            stream,
            details: TokenDetails {
                trace: pad.trace.unwrap_or(false),
                logprobs: top.map(|top| top as usize),
                end_logprobs: request.end_logprobs,
            },
            cache_salt: cache_salt(request.cache_salt)?,
        })
    }
}

/// The salt of a request's cached prompts.
///
/// # Errors
/// 400 if it is empty.
pub(crate) fn cache_salt(given: Option<String>) -> Result<Option<String>, ApiError> {
    if given.as_ref().is_some_and(String::is_empty) {
        let message = "`cache_salt` is empty; allowed: one character or more, or no `cache_salt`";
        return Err(ApiError::invalid("cache_salt", message));
    }
    Ok(given)
}

fn check_min_tokens(min_tokens: u64, max_tokens: Option<MaxTokens>, name: &str) -> Result<(), ApiError> {
    match max_tokens {
        Some(MaxTokens::Most(most)) if min_tokens > most => {
            let message = format!("`min_tokens` is {min_tokens}; allowed: at most `{name}`, which is {most}");
            Err(ApiError::invalid("min_tokens", message))
        }
        _ => Ok(()),
    }
}

fn stop_strings(stop: Option<Stop>) -> Result<Vec<String>, ApiError> {
    let Some(stop) = stop else { return Ok(Vec::new()) };
    let strings = stop.into_strings();
    if !STOP_STRINGS.contains(&strings.len()) {
        let message = format!("`stop` has {} strings; allowed: up to {}", strings.len(), STOP_STRINGS.end());
        return Err(ApiError::invalid("stop", message));
    }
    if strings.iter().any(String::is_empty) {
        return Err(ApiError::invalid("stop", "`stop` has an empty string; allowed: strings of one character or more"));
    }
    Ok(strings)
}
