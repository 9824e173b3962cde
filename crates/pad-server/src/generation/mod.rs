//! The pipeline shared by all routes that generate text, whatever the form of their requests and answers.
//!
//! A dialect converts its request into a `GenerationRequest`; from there on:
//!
//! ```text
//! options      the request's values, checked                     options, with sampling, guidance, best_of, form
//! plans        template, tokenizer, preference: all lanes        prompt
//! requests     what the engine is given                          submission
//! grammar      the answer's form, compiled                       form
//! reservation  the key's places and tokens                       crate::grant
//! generation   the engine's events as text and calls             choices, one reader each; calls, logprobs, held_logprobs, trace
//! answer       the dialect's: collected, or chunk by chunk       frames (a StreamShape), sse
//! usage        what it cost                                      tally, timing
//! ```

pub(crate) mod best_of;
mod calls;
pub(crate) mod choices;
pub(crate) mod envelope;
mod fenced_calls;
pub(crate) mod form;
pub(crate) mod frames;
pub(crate) mod guidance;
pub(crate) mod held_logprobs;
mod logprobs;
pub(crate) mod options;
mod prompt;
pub(crate) mod range;
pub(crate) mod reader;
pub(crate) mod request;
pub(crate) mod sampling;
pub(crate) mod sse;
mod submission;
pub(crate) mod tally;
mod timing;
pub(crate) mod token_details;
pub(crate) mod trace;

use std::sync::Arc;
use std::time::Instant;

use crate::ApiError;
use crate::grant::Grant;
use crate::spans::{PhaseKind, SpanRecorder};
use crate::state::Shared;
use choices::Generation;
use options::GenerationOptions;

/// Starts the choices for checked options; `grant` is the caller's reservation, `recorder` the request's.
///
/// # Errors
/// 429 where the queue or the caller has no place left, 400 where the prompts cannot be prepared or do not fit.
pub(crate) async fn start(
    shared: &Arc<Shared>,
    options: &GenerationOptions,
    mut grant: Grant,
    recorder: SpanRecorder,
) -> Result<Generation, ApiError> {
    let mut plans = prompt::plan(shared, options).await?;
    // All prompts share one preference, hence its dimensions.
    let names = plans.first_mut().map(|plan| std::mem::take(&mut plan.dimensions)).unwrap_or_default();
    let requests = plans.into_iter().map(|plan| submission::request(&shared.state, options, plan));
    let mut requests = requests.collect::<Result<Vec<_>, _>>()?;
    options.best_of.check_rewards(&requests)?;
    let tenant = grant.tenant(options.cache_salt.as_deref());
    let compiling = Instant::now();
    let grammar = options.form.grammar(shared, tenant).await;
    if options.form.is_constrained() {
        recorder.phase(PhaseKind::Grammar, compiling, Instant::now());
    }
    let grammar = grammar?;
    for request in &mut requests {
        request.grammar.clone_from(&grammar);
        request.tenant = tenant;
    }
    grant.admit(&mut requests)?;
    Generation::start(shared, options, names, requests, grant, recorder)
}
