//! Planned lanes to the engine's.

use std::sync::Arc;

use pad_engine::{Adaptation, LaneReadout, LaneSpec, Trunk, WeightsId};
use pad_reward::{LaneHead, LaneSource, RewardLane};

use crate::ApiError;
use crate::state::Reward;

/// The base lane of this prompt, and the reward lanes. A reward lane that would compute what the base lane computes is only another
/// readout of that, and one that does so up to its adapter branches off there.
///
/// # Errors
/// 500 where a lane needs a value head or weights that the reward model was not loaded with.
pub(crate) fn specs(
    reward: Option<&Reward>,
    base: Vec<u32>,
    lanes: Vec<RewardLane>,
) -> Result<Vec<LaneSpec>, ApiError> {
    let base: Arc<[u32]> = base.into();
    let mut specs = vec![LaneSpec::base(Arc::clone(&base))];
    for RewardLane { prompt, kind } in lanes {
        let weights = match (kind.source, reward) {
            (LaneSource::Base, _) => WeightsId::BASE,
            (LaneSource::Reward, Some(reward)) => reward.weights,
            (LaneSource::Reward, None) => return Err(ApiError::internal("the reward model was not loaded")),
        };
        let readouts: Vec<LaneReadout> =
            kind.heads.iter().map(|head| readout(reward, *head)).collect::<Result<_, _>>()?;
        let adapter = reward.and_then(|reward| reward.adapter).filter(|_| kind.adapted);
        let beside = weights == WeightsId::BASE && *prompt == *base;
        if beside && adapter.is_none() && specs.len() == 1 {
            specs[0].readouts.extend(readouts);
            continue;
        }
        let trunk = if beside { Trunk::Base } else { Trunk::Own };
        let adapter = adapter.map(|adapter| Adaptation { adapter, trunk });
        let prompt = if beside { Arc::clone(&base) } else { prompt.into() };
        specs.push(LaneSpec { weights, adapter, readouts, prompt });
    }
    Ok(specs)
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
