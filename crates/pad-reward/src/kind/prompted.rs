//! Kind `prompted`: the base model itself, once for each dimension, with the dimension's principle or its opposite in its prompt.

use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::lane::{LaneHead, LaneKind, LaneSource};
use crate::layout::{Layout, PrincipleLanes, PrincipleTerm, Request};
use crate::manifest::Manifest;
use crate::preference::Preference;
use crate::reference_policy::ReferencePolicy;

pub fn check(manifest: &Manifest) -> Result<(), RewardError> {
    if manifest.source.is_some() {
        let allowed = "no source with kind `prompted`, whose lanes run through the base model's weights";
        return Err(RewardError::manifest("source", "set", allowed));
    }
    manifest.check_principles()?;
    manifest.check_reference(&[ReferencePolicy::Base, ReferencePolicy::Opposite])
}

pub fn lay_out(request: Request<'_>, preference: &Preference) -> Result<Layout, RewardError> {
    let terms = match preference {
        Preference::Weights(weights) => terms(request.manifest, &request.counting(weights)),
        Preference::Principle(words) => return lay_out_words(request, words),
    };
    Layout::of_principles(request, terms, &through_the_base())
}

/// One lane for a preference in plain words, which the base model itself reads.
pub fn lay_out_words(request: Request<'_>, words: &str) -> Result<Layout, RewardError> {
    let term = PrincipleTerm::of_words(request, words).into_iter().collect();
    Layout::of_principles(request, term, &through_the_base())
}

/// The terms of these dimensions, given by index with their weights.
pub fn terms<'a>(manifest: &'a Manifest, weights: &[(usize, f32)]) -> Vec<PrincipleTerm<'a>> {
    let term = |&(index, weight): &(usize, f32)| {
        let dimension = &manifest.dimensions[index];
        PrincipleTerm { name: dimension.name.clone(), weight, lanes: lanes(dimension, manifest.reference(), weight) }
    };
    weights.iter().map(term).collect()
}

/// The lanes of a dimension. With the base as reference, a weight below 0 uses the opposite if there is one: a lane prompted with what
/// is wanted says what to write, a lane prompted with the contrary only what to avoid.
fn lanes(dimension: &Dimension, reference: ReferencePolicy, weight: f32) -> PrincipleLanes<'_> {
    let told = dimension.principle.as_str();
    match (dimension.opposite.as_deref(), reference) {
        (Some(opposite), ReferencePolicy::Opposite) => PrincipleLanes::Contrast { told, opposite },
        (Some(opposite), _) if weight < 0.0 => PrincipleLanes::Opposing(opposite),
        _ => PrincipleLanes::Told(told),
    }
}

/// Whether weights below 0 use another lane.
pub fn has_two_sides(dimension: &Dimension, reference: ReferencePolicy) -> bool {
    matches!(lanes(dimension, reference, -1.0), PrincipleLanes::Opposing(_))
}

/// A lane through the base model's weights, read as the language model has it.
pub fn through_the_base() -> LaneKind {
    LaneKind { source: LaneSource::Base, adapter: None, heads: vec![LaneHead::None] }
}
