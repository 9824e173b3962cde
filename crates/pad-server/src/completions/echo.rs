//! The log-probabilities of the prompts' own tokens, under the base model alone.

use std::sync::Arc;

use pad_api::{TextLogprobs, TokenLogprob, TopLogprob};
use pad_engine::{LaneSpec, ScoreRequest, Scores, Tenant};
use pad_text::{Speller, Tokenizer};

use super::options::CompletionOptions;
use crate::ApiError;
use crate::generation::trace::finite;
use crate::grant::Grant;
use crate::preparation::prepare;
use crate::refusal;
use crate::state::Shared;

/// Read all prompts, each in one prefill, whose keys and values are then in the cache for what is generated.
///
/// # Errors
/// 400 where a prompt cannot be read or does not fit, 429 where the queue or the caller has no place left.
pub(super) async fn read(
    shared: &Arc<Shared>,
    options: &CompletionOptions,
    grant: &mut Grant,
) -> Result<Vec<TextLogprobs>, ApiError> {
    let (asked, prompts) = (Arc::clone(shared), options.generation.prompts.clone());
    let encode = move || prompts.iter().map(|prompt| prompt.encode(&asked.state.chat)).collect::<Result<Vec<_>, _>>();
    let field = options.generation.names.prompt;
    let tokens = prepare(move || encode().map_err(|error| refusal::reward(&error, field))).await?;
    let top = options.generation.details.logprobs.unwrap_or(0);
    grant.take_places(tokens.len())?;
    grant.charge(tokens.iter().map(|tokens| tokens.len() as u64).sum())?;
    let tenant = grant.tenant(options.generation.cache_salt.as_deref());
    // All of them are in the queue before the first is waited for.
    let taken =
        tokens.iter().map(|tokens| request(tokens, top, tenant).map(|request| shared.state.engine.score(&request)));
    let taken = taken.map(Option::transpose).collect::<Result<Vec<_>, _>>();
    let taken = taken.map_err(|error| refusal::submit(&error, field))?;
    let mut logprobs = Vec::with_capacity(tokens.len());
    for ((tokens, pending), text) in tokens.iter().zip(taken).zip(options.echo.iter().flatten()) {
        let scores = match pending {
            Some(pending) => Some(pending.result().await?.scores),
            None => None,
        };
        logprobs.push(text_logprobs(shared.state.chat.tokenizer(), text, tokens, scores.as_ref()));
    }
    Ok(logprobs)
}

/// The first token follows nothing: it is what the others are read behind. One token alone has nothing to be read.
fn request(tokens: &[u32], top: usize, tenant: Tenant) -> Option<ScoreRequest> {
    let (first, rest) = tokens.split_first().filter(|(_, rest)| !rest.is_empty())?;
    Some(ScoreRequest { lanes: vec![LaneSpec::base([*first].into())], answer: rest.into(), top, tenant })
}

fn text_logprobs(tokenizer: &Tokenizer, text: &str, tokens: &[u32], scores: Option<&Scores>) -> TextLogprobs {
    let mut speller = Speller::new(tokenizer, text);
    let (mut logprobs, mut offset) = (TextLogprobs::default(), 0);
    for (at, token) in tokens.iter().enumerate() {
        let before = speller.clone();
        let mut spelled = speller.push(*token);
        if at + 1 == tokens.len() {
            spelled.push_str(&speller.finish());
        }
        let behind = at.checked_sub(1).zip(scores).and_then(|(at, scores)| Some((at, scores, scores.base.get(at)?)));
        let Some((at, scores, logprob)) = behind else {
            offset = logprobs.add(spelled, None, offset);
            continue;
        };
        let candidates = scores.best.get(at).into_iter().flatten().filter(|(other, _)| other != token);
        let top = |(other, logprob): &(u32, f32)| TopLogprob {
            token: before.clone().push(*other),
            logprob: finite(*logprob),
            bytes: Some(tokenizer.token_bytes(*other).to_vec()),
        };
        let top_logprobs = candidates.map(top).collect();
        let entry = TokenLogprob { token: spelled, logprob: finite(*logprob), bytes: None, top_logprobs };
        offset = logprobs.push(entry, offset);
    }
    logprobs
}
