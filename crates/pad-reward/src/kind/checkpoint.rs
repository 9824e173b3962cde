//! Kind `checkpoint`: a separate language model with a value head. It has all principles in one prompt, as the released
//! checkpoint does.

use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::lane::{LaneHead, LaneKind, LaneSource};
use crate::layout::{AND, Layout, PrincipleLane, Request};
use crate::manifest::Manifest;
use crate::preference::Preference;

pub fn check(manifest: &Manifest) -> Result<(), RewardError> {
    manifest.check_principles()?;
    manifest.check_base_reference()
}

pub fn check_preference(manifest: &Manifest, preference: &Preference) -> Result<(), RewardError> {
    match preference {
        Preference::Weights(weights) => {
            let weights: Vec<(usize, f32)> = weights.iter().copied().enumerate().collect();
            one_sign(&weighed(manifest, &weights))
        }
        Preference::Principle(_) => Ok(()),
    }
}

pub fn lay_out(request: Request<'_>, preference: &Preference) -> Result<Layout, RewardError> {
    let lane = match preference {
        Preference::Weights(weights) => together(&weighed(request.manifest, &request.counting(weights)))?,
        Preference::Principle(words) => PrincipleLane::of_words(request, words),
    };
    let kind = LaneKind { source: LaneSource::Reward, adapted: true, heads: vec![LaneHead::Value(0)] };
    Layout::of_principles(request, lane.into_iter().collect(), &kind)
}

fn weighed<'a>(manifest: &'a Manifest, weights: &[(usize, f32)]) -> Vec<(&'a Dimension, f32)> {
    weights.iter().map(|(index, weight)| (&manifest.dimensions[*index], *weight)).collect()
}

/// All dimensions in one lane. It knows principles and no weights, so what remains of the weights is their mean.
fn together(weighed: &[(&Dimension, f32)]) -> Result<Option<PrincipleLane>, RewardError> {
    if weighed.is_empty() {
        return Ok(None);
    }
    one_sign(weighed)?;
    let join = |part: fn(&Dimension) -> &str, between: &str| {
        let parts: Vec<&str> = weighed.iter().map(|(dimension, _)| part(dimension)).collect();
        parts.join(between)
    };
    let sum: f32 = weighed.iter().map(|(_, weight)| weight).sum();
    Ok(Some(PrincipleLane {
        name: join(|dimension| &dimension.name, "+"),
        weight: sum / weighed.len() as f32,
        principle: join(|dimension| &dimension.principle, AND),
    }))
}

/// Refuses weights for one dimension and against another.
fn one_sign(weighed: &[(&Dimension, f32)]) -> Result<(), RewardError> {
    let names = |side: fn(f32) -> bool| {
        let side = weighed.iter().filter(|(_, weight)| side(*weight));
        let quoted: Vec<String> = side.map(|(dimension, _)| format!("`{}`", dimension.name)).collect();
        quoted.join(", ")
    };
    let (positive, negative) = (names(|weight| weight > 0.0), names(|weight| weight < 0.0));
    if positive.is_empty() || negative.is_empty() {
        return Ok(());
    }
    Err(RewardError::OppositeSigns { positive, negative })
}
