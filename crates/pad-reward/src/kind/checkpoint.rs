//! Kind `checkpoint`: a separate language model with a value head. It has all principles in one prompt, as the released
//! checkpoint does.

use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::lane::{LaneHead, LaneKind, LaneSource};
use crate::layout::{Layout, PrincipleLanes, PrincipleTerm, Request};
use crate::manifest::Manifest;
use crate::preference::Preference;
use crate::reference_policy::ReferencePolicy;

/// Stands between principles that share a prompt.
pub const AND: &str = " and ";

pub fn check(manifest: &Manifest) -> Result<(), RewardError> {
    manifest.check_principles()?;
    manifest.check_reference(&[ReferencePolicy::Base])
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
    let words;
    let term = match preference {
        Preference::Weights(weights) => {
            let weighed = weighed(request.manifest, &request.counting(weights));
            words = joined(&weighed, |dimension| &dimension.principle, AND);
            together(&weighed, &words)?
        }
        Preference::Principle(words) => PrincipleTerm::of_words(request, words),
    };
    let kind = LaneKind { source: LaneSource::Own(0), adapter: None, heads: vec![LaneHead::Value(0)] };
    Layout::of_principles(request, term.into_iter().collect(), &kind)
}

fn weighed<'a>(manifest: &'a Manifest, weights: &[(usize, f32)]) -> Vec<(&'a Dimension, f32)> {
    weights.iter().map(|(index, weight)| (&manifest.dimensions[*index], *weight)).collect()
}

/// All dimensions in one lane, which reads these words. It knows principles and no weights, so what remains of the weights is their
/// mean.
fn together<'a>(weighed: &[(&Dimension, f32)], words: &'a str) -> Result<Option<PrincipleTerm<'a>>, RewardError> {
    if weighed.is_empty() {
        return Ok(None);
    }
    one_sign(weighed)?;
    let sum: f32 = weighed.iter().map(|(_, weight)| weight).sum();
    let name = joined(weighed, |dimension| &dimension.name, "+");
    Ok(Some(PrincipleTerm { name, weight: sum / weighed.len() as f32, lanes: PrincipleLanes::Told(words) }))
}

/// A part of every dimension, with this between them.
fn joined(weighed: &[(&Dimension, f32)], part: fn(&Dimension) -> &str, between: &str) -> String {
    let parts: Vec<&str> = weighed.iter().map(|(dimension, _)| part(dimension)).collect();
    parts.join(between)
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
