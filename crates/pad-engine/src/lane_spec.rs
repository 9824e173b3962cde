//! The specification of a lane: its weights, its prompt, and what is read from it. The only place that decides which lanes share work.

use std::sync::Arc;

use pad_model::Strength;

use crate::SubmitError;

/// A set of weights that the runner holds. `WeightsId(0)` is the base model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WeightsId(pub usize);

impl WeightsId {
    /// The base model's weights.
    pub const BASE: Self = Self(0);
}

/// A low-rank adapter or a control vector of a set of weights, by its order of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AdapterId(pub usize);

/// How an adapter's lane is computed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Adaptation {
    /// The low-rank adapter or control vector.
    pub adapter: AdapterId,
    /// What a control vector is multiplied by, or the weights of a bilinear adapter.
    pub strength: Strength,
    /// Who computes the layers below it.
    pub trunk: Trunk,
}

/// Who computes the layers below an adapter's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trunk {
    /// The lane itself.
    Own,
    /// The base lane, whose weights and prompt are the same: the lane's rows branch off from it.
    Base,
}

/// A value head of a set of weights, by its order of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeadId(pub usize);

/// What is read from a lane's hidden state at a decode step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneReadout {
    /// The unembedding, as the language model has it.
    Plain,
    /// A value head before the unembedding.
    Head(HeadId),
}

/// One token stream through one model.
#[derive(Clone, Debug)]
pub struct LaneSpec {
    /// The weights that the lane runs through.
    pub weights: WeightsId,
    /// The adapter added to them, if any.
    pub adapter: Option<Adaptation>,
    /// What is read from it at each step. The base lane begins with `Plain`, the base model's own logits; whatever follows, and all
    /// of a reward lane, are reward readouts.
    pub readouts: Vec<LaneReadout>,
    /// The lane's own prompt.
    pub prompt: Arc<[u32]>,
}

impl LaneSpec {
    /// Whether its rows branch off from the base lane's.
    pub fn branches(&self) -> bool {
        self.adapter.as_ref().is_some_and(|adaptation| adaptation.trunk == Trunk::Base)
    }

    /// A lane through the base weights that is read plainly: the base lane, or a prompted reward lane.
    pub fn base(prompt: Arc<[u32]>) -> Self {
        Self { weights: WeightsId::BASE, adapter: None, readouts: vec![LaneReadout::Plain], prompt }
    }
}

/// A reward lane before [`arrange`] decides what it shares with the base lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewardLane {
    /// The weights that it runs through.
    pub weights: WeightsId,
    /// The adapter added to them, if any, and its strength.
    pub adapter: Option<(AdapterId, Strength)>,
    /// What is read from it, once or more.
    pub readouts: Vec<LaneReadout>,
    /// Its prompt.
    pub prompt: Vec<u32>,
}

/// The lanes of a request: the base lane of this prompt, and the reward lanes. A reward lane that would compute what the base lane
/// or the reward lane before it computes is only a further readout of that one, and one that does as the base lane up to its adapter
/// branches off there.
///
/// The order of reward readouts, which terms count, stays: only a lane with none before it is read from the base lane.
pub fn arrange(base: Vec<u32>, rewards: impl IntoIterator<Item = RewardLane>) -> Vec<LaneSpec> {
    let base: Arc<[u32]> = base.into();
    let mut lanes = vec![LaneSpec::base(Arc::clone(&base))];
    for RewardLane { weights, adapter, readouts, prompt } in rewards {
        let beside = weights == WeightsId::BASE && *prompt == *base;
        if beside && adapter.is_none() && lanes.len() == 1 {
            lanes[0].readouts.extend(readouts);
            continue;
        }
        let trunk = if beside { Trunk::Base } else { Trunk::Own };
        let adapter = adapter.map(|(adapter, strength)| Adaptation { adapter, strength, trunk });
        if let [_, .., last] = lanes.as_mut_slice()
            && (last.weights, &last.adapter) == (weights, &adapter)
            && *last.prompt == *prompt
        {
            last.readouts.extend(readouts);
            continue;
        }
        let prompt = if beside { Arc::clone(&base) } else { prompt.into() };
        lanes.push(LaneSpec { weights, adapter, readouts, prompt });
    }
    lanes
}

/// The reward readouts of a request's lanes, in the order that [`Term::readout`] counts: those of the base lane behind its own
/// logits, then those of each reward lane. With each, the index of its lane.
pub(crate) fn reward_readouts<'a>(
    lanes: impl Iterator<Item = &'a LaneSpec> + 'a,
) -> impl Iterator<Item = (usize, LaneReadout)> + 'a {
    lanes.enumerate().flat_map(|(i, lane)| lane.readouts.iter().skip(usize::from(i == 0)).map(move |what| (i, *what)))
}

/// Refuse lanes that make no sense. Wire formats check their own fields first; this guards the worker.
pub(crate) fn check_lanes(lanes: &[LaneSpec], weights: usize) -> Result<(), SubmitError> {
    let invalid = |message: String| Err(SubmitError::Invalid(message));
    let Some(base) = lanes.first() else { return invalid("a request needs a base lane".to_owned()) };
    if base.weights != WeightsId::BASE || base.adapter.is_some() || base.readouts.first() != Some(&LaneReadout::Plain) {
        return invalid("the base lane must use the base weights and a plain readout".to_owned());
    }
    if lanes.iter().any(|lane| lane.prompt.is_empty()) {
        return invalid("every lane needs a prompt of at least one token".to_owned());
    }
    if lanes.iter().any(|lane| lane.branches() && (lane.weights != WeightsId::BASE || lane.prompt != base.prompt)) {
        return invalid("a lane that branches off must have the base lane's weights and prompt".to_owned());
    }
    if let Some(lane) = lanes.iter().find(|lane| lane.weights.0 >= weights) {
        return invalid(format!("weights {} do not exist; there are {weights} sets of weights", lane.weights.0));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(weights: usize, adapter: Option<usize>, prompt: &[u32]) -> RewardLane {
        let readouts = vec![LaneReadout::Head(HeadId(0))];
        let adapter = adapter.map(|adapter| (AdapterId(adapter), Strength::ONE));
        RewardLane { weights: WeightsId(weights), adapter, readouts, prompt: prompt.to_vec() }
    }

    /// How many readouts each lane has, and who computes the layers below its adapter.
    fn arranged(rewards: Vec<RewardLane>) -> Vec<(usize, Option<Trunk>)> {
        let lanes = arrange(vec![1, 2], rewards);
        assert!(check_lanes(&lanes, 2).is_ok());
        let trunk = |lane: &LaneSpec| lane.adapter.as_ref().map(|adaptation| adaptation.trunk);
        lanes.iter().map(|lane| (lane.readouts.len(), trunk(lane))).collect()
    }

    #[test]
    fn lanes_share_what_is_the_same() {
        assert_eq!(arranged(vec![lane(0, None, &[1, 2])]), [(2, None)], "a further readout of the base lane");
        assert_eq!(arranged(vec![lane(0, Some(0), &[1, 2])]), [(1, None), (1, Some(Trunk::Base))]);
        assert_eq!(arranged(vec![lane(0, Some(0), &[1, 3])]), [(1, None), (1, Some(Trunk::Own))]);
        assert_eq!(
            arranged(vec![lane(1, None, &[1, 2])]),
            [(1, None), (1, None)],
            "other weights compute something else"
        );
        assert_eq!(arranged(vec![lane(0, None, &[1])]), [(1, None), (1, None)]);
        assert_eq!(arranged(vec![lane(1, Some(0), &[4]), lane(1, Some(0), &[4])]), [(1, None), (2, Some(Trunk::Own))]);
        assert_eq!(arranged(vec![lane(1, None, &[4]), lane(1, None, &[5])]).len(), 3);
        assert_eq!(arranged(vec![lane(1, None, &[4]), lane(1, Some(0), &[4])]).len(), 3);
    }

    #[test]
    fn readouts_keep_their_order() {
        // The second lane computes what the base lane does, but its readout comes after the first one's.
        assert_eq!(arranged(vec![lane(0, None, &[3]), lane(0, None, &[1, 2])]), [(1, None), (1, None), (1, None)]);
        assert_eq!(arranged(vec![lane(0, None, &[1, 2]), lane(0, None, &[1, 2])]), [(3, None)]);
    }
}
