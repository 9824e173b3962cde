//! Planned lanes to an engine request.

use pad_decode::Normalisation;
use pad_engine::{BLOCK, GenerateRequest, LaneSpec, Limits};
use pad_reward::LanePlan;

use super::options::GenerationOptions;
use crate::state::AppState;
use crate::{ApiError, lanes};

/// Longer answers than any context are asked for alike; the sum with a prompt must stay a number.
const LONGEST: usize = u32::MAX as usize;

/// What the engine is to do.
///
/// # Errors
/// 500 where the plan needs a value head that the reward model was not loaded with.
pub(crate) fn request(
    state: &AppState,
    options: &GenerationOptions,
    plan: LanePlan,
) -> Result<GenerateRequest, ApiError> {
    let lanes = lanes::specs(state.reward.as_ref(), plan.base, plan.lanes)?;
    // A default gives way to what fits; a number that was asked for is kept or refused.
    let default = || room(&state.engine.limits(), &lanes).min(state.defaults.max_tokens.unwrap_or(LONGEST));
    let max_tokens = options.max_tokens.unwrap_or_else(default);
    Ok(GenerateRequest {
        terms: plan.terms.into_iter().map(Into::into).collect(),
        rule: options.sampling.rule(options.guidance.beta, normalisation(state)),
        top_k: options.guidance.top_k,
        seed: options.seed,
        choices: options.choices,
        max_tokens: max_tokens.min(LONGEST),
        end_tokens: state.chat.end_tokens().into(),
        grammar: None,
        lanes,
    })
}

fn normalisation(state: &AppState) -> Normalisation {
    state.reward.as_ref().map_or(Normalisation::Candidates, |reward| reward.model.manifest().normalisation.into())
}

/// Tokens that fit where a request names no number: what the context leaves to the longest lane, and the KV cache to all
/// lanes of one choice (choices can run one after the other), each of which may leave up to a block unused. At least 1, so that a prompt that is too long is refused by name.
fn room(limits: &Limits, lanes: &[LaneSpec]) -> usize {
    let longest = lanes.iter().map(|lane| lane.prompt.len()).max().unwrap_or(0);
    let prompts: usize = lanes.iter().map(|lane| lane.prompt.len() + BLOCK).sum();
    let kv = limits.kv_positions.saturating_sub(prompts) / lanes.len().max(1);
    limits.context.saturating_sub(longest).min(kv).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(lengths: &[usize]) -> Vec<LaneSpec> {
        lengths.iter().map(|length| LaneSpec::base(vec![0; *length].into())).collect()
    }

    #[test]
    fn an_answer_is_as_long_as_context_and_cache_allow() {
        let limits = |context, kv_positions| Limits { context, kv_positions, queue: 1 };
        assert_eq!(room(&limits(100, 1000), &lanes(&[60])), 40, "the context is short");
        assert_eq!(room(&limits(100, 1000), &lanes(&[60, 70])), 30, "the longest lane counts");
        assert_eq!(room(&limits(1000, 160), &lanes(&[16, 32])), (160 - 48 - 2 * BLOCK) / 2, "the cache is small");
        assert_eq!(room(&limits(100, 1000), &lanes(&[100])), 1, "too long a prompt is the engine's to refuse");
    }
}
