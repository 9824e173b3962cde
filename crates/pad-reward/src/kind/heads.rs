//! Kind `heads`: a backbone, usually the base model, with an adapter and one trained head for each dimension. One lane reads what the
//! base lane reads, through the head of every dimension that counts. A weight below 0 uses the head of the opposite dimension if there is
//! one: a head says what is wanted, and the contrary of that is only what to avoid. Dimensions without a head may follow: the base model
//! reads their principles in lanes of their own, as in the kind `prompted`.

use pad_decode::{Reference, Term};

use super::prompted;
use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::lane::{LaneAdapter, LaneHead, LaneKind, LaneSource};
use crate::layout::{Layout, PrincipleTerm, Request};
use crate::manifest::Manifest;
use crate::preference::Preference;
use crate::reference_policy::ReferencePolicy;

pub fn check(manifest: &Manifest) -> Result<(), RewardError> {
    manifest.check_reference(&[ReferencePolicy::Base, ReferencePolicy::Backbone])?;
    check_prompted(manifest)?;
    manifest.headed().iter().try_for_each(Dimension::check_scale)?;
    manifest.check_base_prompt()
}

/// Refuses dimensions without a head that have no principle either, or stand where a head is expected.
fn check_prompted(manifest: &Manifest) -> Result<(), RewardError> {
    let headed = manifest.headed().len();
    let prompted = &manifest.dimensions[headed..];
    if let Some(dimension) = prompted.iter().find(|dimension| !dimension.prompted) {
        let value = format!("`{}` behind one that is prompted", dimension.name);
        return Err(RewardError::manifest("dimensions", &value, "those with heads first"));
    }
    if headed == 0 {
        let allowed = "at least one with a head, or kind `prompted`";
        return Err(RewardError::manifest("dimensions", "all prompted", allowed));
    }
    if !prompted.is_empty() && manifest.reference() != ReferencePolicy::Base {
        let allowed = "`base` beside prompted dimensions";
        return Err(RewardError::manifest("reference", "`backbone`", allowed));
    }
    prompted.iter().try_for_each(Dimension::check_principle)
}

pub fn lay_out(request: Request<'_>, preference: &Preference) -> Result<Layout, RewardError> {
    match preference {
        Preference::Weights(weights) => {
            let headed = request.manifest.headed().len();
            let counting = request.counting(weights).into_iter();
            let (heads, words): (Vec<_>, Vec<_>) = counting.partition(|(index, _)| *index < headed);
            by_weights(request, &heads, prompted::terms(request.manifest, &words))
        }
        // Words have no head.
        Preference::Principle(words) => prompted::lay_out_words(request, words),
    }
}

/// Whether weights below 0 use another head, or another lane.
pub fn has_two_sides(dimension: &Dimension, manifest: &Manifest) -> bool {
    if dimension.prompted {
        return prompted::has_two_sides(dimension, manifest.reference());
    }
    opposite_of(dimension, manifest).is_some()
}

/// The dimension whose principle is this one's opposite, by index. Rewards that are measured against a backbone have one side.
fn opposite_of(dimension: &Dimension, manifest: &Manifest) -> Option<usize> {
    let opposite = dimension.opposite.as_ref().filter(|_| manifest.reference() == ReferencePolicy::Base)?;
    manifest.headed().iter().position(|other| other.principle == *opposite)
}

/// The dimension that is followed at this weight, by index, and whether it is the opposite of the one that is weighed.
fn followed(index: usize, weight: f32, manifest: &Manifest) -> (usize, bool) {
    let opposite = opposite_of(&manifest.dimensions[index], manifest).filter(|_| weight < 0.0);
    (opposite.unwrap_or(index), opposite.is_some())
}

/// The terms of these dimensions through their heads, by index with their weights, and those in words behind them.
fn by_weights(
    request: Request<'_>,
    wanted: &[(usize, f32)],
    words: Vec<PrincipleTerm<'_>>,
) -> Result<Layout, RewardError> {
    let Request { manifest, prompt, .. } = request;
    // By each of them the dimension that is followed, and whether that is the opposite.
    let followed: Vec<(usize, bool)> =
        wanted.iter().map(|(index, weight)| followed(*index, *weight, manifest)).collect();
    let principles = followed.iter().map(|(head, _)| manifest.dimensions[*head].principle.as_str());
    let base = request.base(&principles.chain(words.iter().map(PrincipleTerm::followed)).collect::<Vec<_>>())?;
    let source = if manifest.source.is_some() { LaneSource::Own(0) } else { LaneSource::Base };
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
        lanes.push((prompt.clone(), LaneKind { source, adapter: Some(LaneAdapter::whole(0)), heads }));
        let same = source == LaneSource::Base && base == *prompt;
        if manifest.reference() == ReferencePolicy::Backbone && !same {
            lanes.push((prompt.clone(), LaneKind { source, adapter: None, heads: vec![LaneHead::None] }));
            terms.iter_mut().for_each(|term| term.reference = Reference::Readout(read.len()));
        }
    }
    let dimensions = wanted.iter().map(|(i, _)| manifest.dimensions[*i].name.clone()).collect();
    let mut layout = Layout { base, lanes, dimensions, terms };
    layout.add_principles(request, words, &prompted::through_the_base())?;
    Ok(layout)
}
