//! Planned lanes to an engine request.

use std::sync::Arc;

use pad_decode::{Normalisation, Rule};
use pad_engine::{GenerateRequest, LaneReadout, LaneSpec, Limits};
use pad_reward::{LanePlan, LaneSource, RewardLane};

use super::options::ChatOptions;
use crate::ApiError;
use crate::state::{AppState, Reward};

/// What the engine is to do.
///
/// # Errors
/// 500 where the plan needs a value head that the reward model was not loaded with.
pub(crate) fn request(state: &AppState, options: &ChatOptions, plan: LanePlan) -> Result<GenerateRequest, ApiError> {
    let mut lanes = vec![LaneSpec::base(plan.base.into())];
    for lane in plan.lanes {
        lanes.push(reward_lane(state.reward.as_ref(), lane)?);
    }
    let max_tokens = options.max_tokens.unwrap_or_else(|| room(&state.engine.limits(), &lanes, options.choices));
    Ok(GenerateRequest {
        terms: plan.terms.into_iter().map(Into::into).collect(),
        rule: Rule {
            beta: options.beta,
            temperature: options.temperature,
            top_p: options.top_p,
            normalisation: normalisation(state),
        },
        top_k: options.top_k,
        seed: options.seed,
        choices: options.choices,
        max_tokens,
        end_tokens: state.chat.end_tokens().into(),
        lanes,
    })
}

fn normalisation(state: &AppState) -> Normalisation {
    state.reward.as_ref().map_or(Normalisation::Candidates, |reward| reward.model.manifest().normalisation.into())
}

fn reward_lane(reward: Option<&Reward>, lane: RewardLane) -> Result<LaneSpec, ApiError> {
    let prompt: Arc<[u32]> = lane.prompt.into();
    match (lane.source, reward) {
        (LaneSource::Base, _) => Ok(LaneSpec::base(prompt)),
        (LaneSource::Reward, Some(reward)) => {
            let readout = match (lane.head, reward.head) {
                (false, _) => LaneReadout::Plain,
                (true, Some(head)) => LaneReadout::Head(head),
                (true, None) => return Err(ApiError::internal("the reward model was loaded without its value head")),
            };
            Ok(LaneSpec { weights: reward.weights, adapter: reward.adapter, readouts: vec![readout], prompt })
        }
        (LaneSource::Reward, None) => Err(ApiError::internal("the reward model was not loaded")),
    }
}

/// Tokens that fit where a request names no number: what the context leaves to the longest lane, and the KV cache to all
/// lanes of one choice. At least 1, so that a prompt that is too long is refused by name.
fn room(limits: &Limits, lanes: &[LaneSpec], choices: usize) -> usize {
    let lengths = || lanes.iter().map(|lane| lane.prompt.len());
    let context = limits.context.saturating_sub(lengths().max().unwrap_or(0));
    let prompts: usize = lengths().sum();
    let kv = limits.kv_positions.saturating_sub(prompts) / (lanes.len() * choices).max(1);
    context.min(kv).max(1)
}
