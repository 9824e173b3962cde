//! The log-probabilities of the prompts' own tokens, under the base model alone.

use std::sync::Arc;

use pad_api::{TextLogprobs, TokenLogprob, TopLogprob};
use pad_engine::{LaneSpec, ScoreRequest, Scores};
use pad_text::{Speller, Tokenizer};

use super::options::CompletionOptions;
use crate::generation::trace::finite;
use crate::state::Shared;
use crate::{ApiError, refusal, scores};

/// Read all prompts, each in one prefill, whose keys and values are then in the cache for what is generated.
///
/// # Errors
/// 400 where a prompt cannot be read or does not fit, 429 where the queue has no place left.
pub(super) async fn read(shared: &Arc<Shared>, options: &CompletionOptions) -> Result<Vec<TextLogprobs>, ApiError> {
    let (asked, prompts) = (Arc::clone(shared), options.generation.prompts.clone());
    let encode = move || prompts.iter().map(|prompt| prompt.encode(&asked.state.chat)).collect::<Result<Vec<_>, _>>();
    let tokens = tokio::task::spawn_blocking(encode).await;
    let tokens = tokens.map_err(|_| ApiError::internal("the request could not be prepared"))?;
    let field = options.generation.names.prompt;
    let tokens = tokens.map_err(|error| refusal::reward(&error, field))?;
    let top = options.generation.details.logprobs.unwrap_or(0);
    // All of them are in the queue before the first is waited for.
    let taken = tokens.iter().map(|tokens| request(tokens, top).map(|request| shared.state.engine.score(&request)));
    let taken = taken.map(Option::transpose).collect::<Result<Vec<_>, _>>();
    let taken = taken.map_err(|error| refusal::submit(&error, field))?;
    let mut logprobs = Vec::with_capacity(tokens.len());
    for ((tokens, choice), text) in tokens.iter().zip(taken).zip(options.echo.iter().flatten()) {
        let scores = match choice {
            Some(choice) => Some(scores::collect(choice).await?.0),
            None => None,
        };
        logprobs.push(text_logprobs(shared.state.chat.tokenizer(), text, tokens, scores.as_ref()));
    }
    Ok(logprobs)
}

/// The first token follows nothing: it is what the others are read behind. One token alone has nothing to be read.
fn request(tokens: &[u32], top: usize) -> Option<ScoreRequest> {
    let (first, rest) = tokens.split_first().filter(|(_, rest)| !rest.is_empty())?;
    Some(ScoreRequest { lanes: vec![LaneSpec::base([*first].into())], answer: rest.into(), top })
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
            bytes: None,
        };
        let top_logprobs = candidates.map(top).collect();
        let entry = TokenLogprob { token: spelled, logprob: finite(*logprob), bytes: None, top_logprobs };
        offset = logprobs.push(entry, offset);
    }
    logprobs
}
