//! On which side of a bridge a lane is: whether its tokens are the base model's.

use std::sync::Arc;

use pad_decode::{Bridge, Crossing};
use pad_model::BLOCK;

use crate::lane::Lane;
use crate::{CacheScope, LaneSpec};

/// The bridges to the models that have tokens of their own, and the room that lanes have there.
#[derive(Debug)]
pub struct Sides {
    /// By weights.
    bridges: Vec<Option<Arc<dyn Bridge>>>,
    /// KV blocks, by weights.
    kv_blocks: Vec<usize>,
    /// Tokens that a lane may have.
    context: usize,
}

/// An answer that is given, as a lane reads it.
#[derive(Clone, Debug)]
pub enum LaneAnswer {
    /// In the base model's tokens.
    Same(Arc<[u32]>),
    /// Over a bridge.
    Crossed(Crossing),
}

impl Sides {
    /// The sides of sets of weights with so many KV blocks.
    pub fn new(
        bridges: impl IntoIterator<Item = Option<Arc<dyn Bridge>>>,
        kv_blocks: &[usize],
        context: usize,
    ) -> Self {
        Self { bridges: bridges.into_iter().collect(), kv_blocks: kv_blocks.to_vec(), context }
    }

    fn bridge(&self, lane: &LaneSpec) -> Option<&Arc<dyn Bridge>> {
        self.bridges.get(lane.weights.0)?.as_ref()
    }

    /// Whether a lane's tokens are its own.
    pub fn is_across(&self, lane: &LaneSpec) -> bool {
        self.bridge(lane).is_some()
    }

    /// The lanes of a request, which have computed nothing. Those of the same weights over a bridge share its cache evenly: nobody knows
    /// beforehand how many tokens an answer becomes there.
    pub fn generating(&self, lanes: &[LaneSpec], scope: CacheScope) -> Vec<Lane> {
        let lane = |spec: &LaneSpec| {
            let lane = Lane::new(spec.clone(), &[], scope);
            let Some(bridge) = self.bridge(spec) else { return lane };
            let beside = lanes.iter().filter(|other| other.weights == spec.weights).count();
            let blocks = self.kv_blocks.get(spec.weights.0).map_or(0, |blocks| blocks / beside);
            lane.across(Arc::clone(bridge), self.context.min(blocks * BLOCK))
        };
        lanes.iter().map(lane).collect()
    }

    /// An answer as this lane reads it.
    pub fn answer(&self, lane: &LaneSpec, answer: &Arc<[u32]>) -> LaneAnswer {
        match self.bridge(lane) {
            None => LaneAnswer::Same(Arc::clone(answer)),
            Some(bridge) => LaneAnswer::Crossed(bridge.cross(answer)),
        }
    }
}

impl LaneAnswer {
    /// The lane's tokens.
    pub fn tokens(&self) -> &[u32] {
        match self {
            Self::Same(tokens) => tokens,
            Self::Crossed(crossing) => &crossing.tokens,
        }
    }

    /// What of them runs through the model: the last one predicts nothing that is asked for.
    pub fn fed(&self) -> &[u32] {
        self.tokens().split_last().map_or(&[], |(_, fed)| fed)
    }

    /// The log-probabilities of the lane's tokens as those of the `answer` tokens that they end in: a token in which none ends has 0.
    pub fn by_token(&self, logprobs: Vec<f32>, answer: usize) -> Vec<f32> {
        match self {
            Self::Same(_) => logprobs,
            Self::Crossed(crossing) => {
                let mut sums = vec![0.0; answer];
                for (logprob, place) in logprobs.into_iter().zip(&crossing.ends_in) {
                    if let Some(sum) = sums.get_mut(*place) {
                        *sum += logprob;
                    }
                }
                sums
            }
        }
    }
}
