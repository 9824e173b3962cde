//! Kind `heads`: a backbone, mostly the base model, with an adapter and one trained head for each dimension. One lane reads what the
//! base lane reads, through the head of every dimension that counts.

use pad_decode::{Reference, Term};

use super::prompted;
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

fn through_heads(request: Request<'_>, weights: &[f32]) -> Result<Layout, RewardError> {
    let Request { manifest, prompt, .. } = request;
    let wanted = request.counting(weights);
    let principles: Vec<&str> = wanted.iter().map(|(i, _)| manifest.dimensions[*i].principle.as_str()).collect();
    let base = request.base(&principles)?;
    let source = if manifest.source.is_some() { LaneSource::Reward } else { LaneSource::Base };
    let mut lanes = Vec::new();
    let mut reference = Reference::Base;
    if !wanted.is_empty() {
        let heads = wanted.iter().map(|(i, _)| LaneHead::Value(*i)).collect();
        lanes.push((prompt.clone(), LaneKind { source, adapted: true, heads }));
        let same = source == LaneSource::Base && base == *prompt;
        if manifest.reference == ReferencePolicy::Backbone && !same {
            lanes.push((prompt.clone(), LaneKind { source, adapted: false, heads: vec![LaneHead::None] }));
            reference = Reference::Readout(wanted.len());
        }
    }
    let term = |(readout, (_, weight)): (usize, &(usize, f32))| Term { weight: *weight, readout, reference };
    Ok(Layout {
        base,
        lanes,
        dimensions: wanted.iter().map(|(i, _)| manifest.dimensions[*i].name.clone()).collect(),
        terms: wanted.iter().enumerate().map(term).collect(),
    })
}
