//! From planned lanes to the engine's: the loaded weights, adapter and heads that they name.

use pad_engine::{LaneReadout, LaneSpec, RewardLane, Strength, WeightsId};
use pad_reward::{LaneAdapter, LaneHead, LaneSource, LaneStrength};

use crate::ApiError;
use crate::state::Reward;

/// The base lane of this prompt, and the reward lanes.
///
/// # Errors
/// 500 where a lane needs a value head or weights that the reward model is not loaded with.
pub(crate) fn specs(
    reward: Option<&Reward>,
    base: Vec<u32>,
    lanes: Vec<pad_reward::RewardLane>,
) -> Result<Vec<LaneSpec>, ApiError> {
    let lanes: Vec<RewardLane> = lanes.into_iter().map(|lane| loaded(reward, lane)).collect::<Result<_, _>>()?;
    Ok(pad_engine::arrange(base, lanes))
}

fn loaded(reward: Option<&Reward>, lane: pad_reward::RewardLane) -> Result<RewardLane, ApiError> {
    let pad_reward::RewardLane { prompt, kind } = lane;
    let weights = match kind.source {
        LaneSource::Base => WeightsId::BASE,
        LaneSource::Own(index) => *reward
            .and_then(|reward| reward.weights.get(index))
            .ok_or_else(|| ApiError::internal("the reward model was loaded without the weights of a lane"))?,
    };
    let readouts = kind.heads.iter().map(|head| readout(reward, *head)).collect::<Result<_, _>>()?;
    let loaded = |(reward, adapter): (&Reward, LaneAdapter)| {
        let strength = match adapter.strength {
            LaneStrength::Times(value) => Strength::new(value),
            LaneStrength::Mix(weights) => Strength::mix(&weights),
        };
        Some((*reward.adapters.get(adapter.index)?, strength))
    };
    let adapter = reward.zip(kind.adapter).and_then(loaded);
    Ok(RewardLane { weights, adapter, readouts, prompt })
}

fn readout(reward: Option<&Reward>, head: LaneHead) -> Result<LaneReadout, ApiError> {
    match head {
        LaneHead::None => Ok(LaneReadout::Plain),
        LaneHead::Value(index) => reward
            .and_then(|reward| reward.heads.get(index))
            .map(|head| LaneReadout::Head(*head))
            .ok_or_else(|| ApiError::internal("the reward model was loaded without its value head")),
    }
}
