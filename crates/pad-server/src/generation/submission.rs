//! From planned lanes to an engine request.

use pad_api::MaxTokens;
use pad_decode::Normalisation;
use pad_engine::{GenerateRequest, SubmitError, Tenant};
use pad_reward::LanePlan;

use super::options::GenerationOptions;
use crate::state::AppState;
use crate::{ApiError, lanes, refusal};

/// Builds the engine request.
///
/// # Errors
/// 400 where prompt and answer do not fit the context; 500 where the plan needs a value head that the reward model is not loaded with.
pub(crate) fn request(
    state: &AppState,
    options: &GenerationOptions,
    plan: LanePlan,
) -> Result<GenerateRequest, ApiError> {
    let lanes = lanes::specs(state.reward.as_ref(), plan.base, plan.lanes)?;
    let limits = state.engine.limits();
    // At least 1, so that a prompt that is too long is refused by name.
    let room = state.engine.room(&lanes).max(1);
    // Clamp the requested `max_tokens` to the room: clients send limits meant for longer contexts.
    let max_tokens = match options.max_tokens {
        None => room.min(state.defaults.max_tokens.unwrap_or(usize::MAX)),
        Some(MaxTokens::NoLimit) => room,
        Some(MaxTokens::Most(tokens)) => {
            let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
            if state.limits.strict_max_tokens { tokens } else { tokens.min(room) }
        }
    };
    let prompt = lanes.iter().map(|lane| lane.prompt.len()).max().unwrap_or(0);
    if prompt.saturating_add(max_tokens) > limits.context {
        let error = SubmitError::ContextExceeded { prompt, max_tokens, context: limits.context };
        return Err(refusal::submit(&error, options.names.prompt));
    }
    Ok(GenerateRequest {
        terms: plan.terms,
        rule: options.sampling.rule(options.guidance, normalisation(state)),
        top_k: options.guidance.candidates,
        source: options.guidance.candidate_source,
        seed: options.seed,
        choices: options.best_of.generated,
        max_tokens,
        end_tokens: state.chat.end_tokens().into(),
        tenant: Tenant::default(),
        grammar: None,
        lanes,
    })
}

fn normalisation(state: &AppState) -> Normalisation {
    state.reward.as_ref().map_or(Normalisation::Candidates, |reward| reward.model.manifest().normalisation())
}
