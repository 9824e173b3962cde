//! Kind `heads`: a backbone, usually the base model, with an adapter and one trained head for each dimension. One lane reads what the
//! base lane reads, through the head of every dimension that counts. A weight below 0 uses the head of the opposite dimension if there is
//! one: a head says what is wanted, and the contrary of that is only what to avoid.

use pad_decode::{Reference, Term};

use super::prompted;
use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::lane::{LaneHead, LaneKind, LaneSource};
use crate::layout::{Layout, PrincipleTerm, Request};
use crate::manifest::{BasePrompt, Manifest, ReferencePolicy};
use crate::preference::Preference;

pub fn check(manifest: &Manifest) -> Result<(), RewardError> {
    manifest.check_reference(&[ReferencePolicy::Base, ReferencePolicy::Backbone])?;
    match manifest.base_prompt {
        BasePrompt::Plain => Ok(()),
        BasePrompt::Principled => manifest.check_principles(),
    }
}

pub fn lay_out(request: Request<'_>, preference: &Preference) -> Result<Layout, RewardError> {
    match preference {
        Preference::Weights(weights) => through_heads(request, weights),
        // Words have no head: the base model itself reads them.
        Preference::Principle(words) => {
            let term = PrincipleTerm::of_words(request, words).into_iter().collect();
            Layout::of_principles(request, term, &prompted::through_the_base())
        }
    }
}

/// Whether weights below 0 use another head.
pub fn has_two_sides(dimension: &Dimension, manifest: &Manifest) -> bool {
    opposite_of(dimension, manifest).is_some()
}

/// The dimension whose principle is this one's opposite, by index. Rewards that are measured against a backbone have one side.
fn opposite_of(dimension: &Dimension, manifest: &Manifest) -> Option<usize> {
    let opposite = dimension.opposite.as_ref().filter(|_| manifest.reference == ReferencePolicy::Base)?;
    manifest.dimensions.iter().position(|other| other.principle == *opposite)
}

/// The dimension that is followed at this weight, by index, and whether it is the opposite of the one that is weighed.
fn followed(index: usize, weight: f32, manifest: &Manifest) -> (usize, bool) {
    let opposite = opposite_of(&manifest.dimensions[index], manifest).filter(|_| weight < 0.0);
    (opposite.unwrap_or(index), opposite.is_some())
}

fn through_heads(request: Request<'_>, weights: &[f32]) -> Result<Layout, RewardError> {
    let Request { manifest, prompt, .. } = request;
    let wanted = request.counting(weights);
    // By each of them the dimension that is followed, and whether that is the opposite.
    let followed: Vec<(usize, bool)> =
        wanted.iter().map(|(index, weight)| followed(*index, *weight, manifest)).collect();
    let principles: Vec<&str> =
        followed.iter().map(|(head, _)| manifest.dimensions[*head].principle.as_str()).collect();
    let base = request.base(&principles)?;
    let source = if manifest.source.is_some() { LaneSource::Reward } else { LaneSource::Base };
    let mut read: Vec<usize> = Vec::new();
    let mut terms = Vec::with_capacity(wanted.len());
    for ((_, weight), (head, opposite)) in wanted.iter().zip(&followed) {
        let reference = if *opposite { Reference::Opposing } else { Reference::Base };
        let readout = read.iter().position(|known| known == head).unwrap_or_else(|| {
            read.push(*head);
            read.len() - 1
        });
        terms.push(Term { weight: *weight, readout, reference });
    }
    let mut lanes = Vec::new();
    if !read.is_empty() {
        let heads = read.iter().map(|head| LaneHead::Value(*head)).collect();
        lanes.push((prompt.clone(), LaneKind { source, adapted: true, heads }));
        let same = source == LaneSource::Base && base == *prompt;
        if manifest.reference == ReferencePolicy::Backbone && !same {
            lanes.push((prompt.clone(), LaneKind { source, adapted: false, heads: vec![LaneHead::None] }));
            terms.iter_mut().for_each(|term| term.reference = Reference::Readout(read.len()));
        }
    }
    let dimensions = wanted.iter().map(|(i, _)| manifest.dimensions[*i].name.clone()).collect();
    Ok(Layout { base, lanes, dimensions, terms })
}
