//! The sampling parameters of a request: temperature, truncation, biases, penalties and the minimum number of tokens.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use pad_decode::{Normalisation, Penalties, Rule};

use super::guidance::Guidance;
use super::range::{number, within};
use crate::ApiError;
use crate::state::AppState;

/// Temperatures that a request may ask for.
const TEMPERATURE: RangeInclusive<f64> = 0.0..=2.0;
/// Shares of the best candidate's probability.
const MIN_P: RangeInclusive<f64> = 0.0..=1.0;
/// What may be added to a logit.
const BIAS: RangeInclusive<f64> = -100.0..=100.0;
/// Tokens that may have a bias: each adds a logit to read per step.
const MOST_BIASES: usize = 1024;
/// Presence and frequency penalties.
const PENALTY: RangeInclusive<f64> = -2.0..=2.0;
/// Repetition penalties: above 0, and such that no logit overflows.
const REPETITION: RangeInclusive<f64> = 0.01..=100.0;

/// How a request wants its tokens sampled, before the values are checked. The fields have these names in every dialect.
#[derive(Clone, Debug, Default)]
pub(crate) struct SamplingRequest {
    pub(crate) temperature: Option<f64>,
    pub(crate) min_p: Option<f64>,
    pub(crate) top_k: Option<i64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) logit_bias: Option<BTreeMap<String, f64>>,
    pub(crate) presence_penalty: Option<f64>,
    pub(crate) frequency_penalty: Option<f64>,
    pub(crate) repetition_penalty: Option<f64>,
    pub(crate) ignore_eos: Option<bool>,
    pub(crate) min_tokens: Option<u64>,
}

/// The [`SamplingRequest`] of a dialect's request, whose fields have the same names.
macro_rules! sampling_request {
    ($request:ident) => {
        $crate::generation::sampling::SamplingRequest {
            temperature: $request.temperature,
            min_p: $request.min_p,
            top_k: $request.top_k,
            top_p: $request.top_p,
            logit_bias: $request.logit_bias,
            presence_penalty: $request.presence_penalty,
            frequency_penalty: $request.frequency_penalty,
            repetition_penalty: $request.repetition_penalty,
            ignore_eos: $request.ignore_eos,
            min_tokens: $request.min_tokens,
        }
    };
}
pub(crate) use sampling_request;

/// The checked values of a request, with defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sampling {
    temperature: f32,
    min_p: f32,
    /// 0 keeps all.
    top_k: usize,
    top_p: f32,
    penalties: Penalties,
    /// No end token is a candidate before this many tokens; `usize::MAX`: never.
    min_tokens: usize,
}

impl Sampling {
    /// Check the values.
    ///
    /// # Errors
    /// 400 naming the field that is wrong, its value and what is allowed.
    pub(crate) fn check(request: &SamplingRequest, state: &AppState) -> Result<Self, ApiError> {
        Ok(Self {
            temperature: number("temperature", request.temperature, &TEMPERATURE, state.defaults.temperature)?,
            min_p: number("min_p", request.min_p, &MIN_P, 0.0)?,
            top_k: top_k(request.top_k.unwrap_or(0))?,
            top_p: top_p(request.top_p, state.defaults.top_p)?,
            penalties: Penalties {
                bias: bias(request.logit_bias.as_ref(), state.chat.tokenizer().vocab_size())?,
                repetition: number("repetition_penalty", request.repetition_penalty, &REPETITION, 1.0)?,
                frequency: number("frequency_penalty", request.frequency_penalty, &PENALTY, 0.0)?,
                presence: number("presence_penalty", request.presence_penalty, &PENALTY, 0.0)?,
            },
            min_tokens: min_tokens(request),
        })
    }

    /// The rule of the request under this guidance.
    pub(crate) fn rule(&self, guidance: Guidance, normalisation: Normalisation) -> Rule {
        let Self { temperature, min_p, top_k, top_p, min_tokens, .. } = *self;
        let Guidance { beta, guards, .. } = guidance;
        let penalties = self.penalties.clone();
        Rule { penalties, min_tokens, beta, guards, temperature, min_p, top_k, top_p, normalisation }
    }
}

/// -1 means all, as 0 does.
fn top_k(value: i64) -> Result<usize, ApiError> {
    match usize::try_from(value) {
        Ok(top_k) => Ok(top_k),
        Err(_) if value == -1 => Ok(0),
        Err(_) => Err(ApiError::invalid("top_k", format!("`top_k` is {value}; allowed: -1 or 0 for all, or more"))),
    }
}

/// A nucleus without probability still has the best token: 0 is OpenAI's greedy.
fn top_p(value: Option<f64>, default: f32) -> Result<f32, ApiError> {
    let Some(value) = value else { return Ok(default) };
    if (0.0..=1.0).contains(&value) {
        return Ok((value as f32).max(f32::MIN_POSITIVE));
    }
    Err(ApiError::invalid("top_p", format!("`top_p` is {value}; allowed: 0 to 1")))
}

/// Zero biases and ids outside the vocabulary are skipped: clients send tables made for other models.
fn bias(given: Option<&BTreeMap<String, f64>>, vocabulary: usize) -> Result<BTreeMap<u32, f32>, ApiError> {
    let invalid = |message: String| ApiError::invalid("logit_bias", message);
    let given: Vec<(&String, f64)> =
        given.into_iter().flatten().map(|(token, bias)| (token, *bias)).filter(|(_, bias)| *bias != 0.0).collect();
    if given.len() > MOST_BIASES {
        return Err(invalid(format!("`logit_bias` has {} tokens; allowed: {MOST_BIASES} at most", given.len())));
    }
    let entry = |(token, bias): (&String, f64)| {
        let digits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err(invalid(format!("`logit_bias` is given for `{token}`; allowed: ids of tokens")));
        }
        let bias = within("logit_bias", bias, &BIAS)?;
        let id = token.parse::<u32>().ok().filter(|id| (*id as usize) < vocabulary);
        Ok(id.map(|id| (id, bias as f32)))
    };
    given.into_iter().filter_map(|given| entry(given).transpose()).collect()
}

/// Tokens before which no end token is a candidate.
fn min_tokens(request: &SamplingRequest) -> usize {
    if request.ignore_eos.unwrap_or(false) {
        return usize::MAX;
    }
    usize::try_from(request.min_tokens.unwrap_or(0)).unwrap_or(usize::MAX)
}
