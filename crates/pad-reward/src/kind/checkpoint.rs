//! Kind `checkpoint`: a separate language model with a value head. It has all principles in one prompt, as the released
//! checkpoint does.

use super::one_sign;
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

pub fn lay_out(request: Request<'_>, preference: &Preference) -> Result<Layout, RewardError> {
    let words;
    let term = match preference {
        Preference::Weights(weights) => {
            let weighed = request.weighed(weights);
            one_sign::check(&weighed)?;
            words = joined(&weighed, |dimension| &dimension.principle, AND);
            together(&weighed, &words)
        }
        Preference::Principle(words) => PrincipleTerm::of_words(request, words),
    };
    let kind = LaneKind { source: LaneSource::Own(0), adapter: None, heads: vec![LaneHead::Value(0)] };
    Layout::of_principles(request, term.into_iter().collect(), &kind)
}

/// All dimensions in one lane, which reads these words. It knows principles and no weights, so what remains of the weights is their
/// mean.
fn together<'a>(weighed: &[(&Dimension, f32)], words: &'a str) -> Option<PrincipleTerm<'a>> {
    if weighed.is_empty() {
        return None;
    }
    let sum: f32 = weighed.iter().map(|(_, weight)| weight).sum();
    let name = joined(weighed, |dimension| &dimension.name, "+");
    Some(PrincipleTerm { name, weight: sum / weighed.len() as f32, lanes: PrincipleLanes::Told(words) })
}

/// A part of every dimension, with this between them.
fn joined(weighed: &[(&Dimension, f32)], part: fn(&Dimension) -> &str, between: &str) -> String {
    let parts: Vec<&str> = weighed.iter().map(|(dimension, _)| part(dimension)).collect();
    parts.join(between)
}
