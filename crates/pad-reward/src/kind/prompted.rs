//! Kind `prompted`: the base model itself, once for each dimension, with the dimension's principle in its prompt.

use crate::error::RewardError;
use crate::lane::{LaneHead, LaneKind, LaneSource};
use crate::layout::{Layout, PrincipleLane, Request};
use crate::manifest::Manifest;
use crate::preference::Preference;

pub fn check(manifest: &Manifest) -> Result<(), RewardError> {
    if manifest.source.is_some() {
        let allowed = "no source with kind `prompted`, whose lanes run through the base model's weights";
        return Err(RewardError::manifest("source", "set", allowed));
    }
    manifest.check_principles()?;
    manifest.check_base_reference()
}

pub fn lay_out(request: Request<'_>, preference: &Preference) -> Result<Layout, RewardError> {
    let lanes = match preference {
        Preference::Weights(weights) => {
            let lane = |(index, weight): (usize, f32)| {
                let dimension = &request.manifest.dimensions[index];
                PrincipleLane { name: dimension.name.clone(), weight, principle: dimension.principle.clone() }
            };
            request.counting(weights).into_iter().map(lane).collect()
        }
        Preference::Principle(words) => PrincipleLane::of_words(request, words).into_iter().collect(),
    };
    Layout::of_principles(request, lanes, &through_the_base())
}

/// A lane through the base model's weights, read as the language model has it.
pub fn through_the_base() -> LaneKind {
    LaneKind { source: LaneSource::Base, adapted: false, heads: vec![LaneHead::None] }
}
