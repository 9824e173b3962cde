//! What each lane reads, before it becomes tokens.

use pad_decode::Reference;

use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::lane::{LaneHead, LaneKind, LaneSource, PlanTerm};
use crate::manifest::{BasePrompt, Kind, Manifest, ReferencePolicy};
use crate::preference::Preference;
use crate::principle::PrincipleTemplate;
use crate::prompt::Prompt;

/// Stands between principles that share a prompt.
const AND: &str = " and ";

/// The name of the term that a principle in plain words makes.
const PRINCIPLE: &str = "principle";

/// The prompts of all lanes, and the terms that weigh the reward lanes.
pub struct Layout {
    /// What the base lane reads.
    pub base: Prompt,
    /// What each reward lane reads, and how it runs.
    pub lanes: Vec<(Prompt, LaneKind)>,
    /// The name of each term.
    pub dimensions: Vec<String>,
    /// The terms.
    pub terms: Vec<PlanTerm>,
}

/// A text-conditioned reward lane to be: what it is called, how much it counts, and its principle.
struct Voice {
    name: String,
    weight: f32,
    principle: String,
}

impl Layout {
    /// Lays out the lanes of a request. Without any weight only the base lane is left, and it reads
    /// the prompt as it came.
    pub fn new(
        manifest: &Manifest,
        template: &PrincipleTemplate,
        prompt: &Prompt,
        preference: &Preference,
    ) -> Result<Self, RewardError> {
        match (manifest.kind, preference) {
            (Kind::Heads, Preference::Weights(weights)) => Self::heads(manifest, template, prompt, weights),
            _ => Self::voices(manifest, template, prompt, preference),
        }
    }

    /// Lanes that read principles.
    fn voices(
        manifest: &Manifest,
        template: &PrincipleTemplate,
        prompt: &Prompt,
        preference: &Preference,
    ) -> Result<Self, RewardError> {
        let voices = voices(manifest, preference)?;
        let kind = match manifest.kind {
            // Words have no head: the base model itself reads them.
            Kind::Prompted | Kind::Heads => {
                LaneKind { source: LaneSource::Base, adapted: false, heads: vec![LaneHead::None] }
            }
            Kind::Checkpoint => LaneKind { source: LaneSource::Reward, adapted: true, heads: vec![LaneHead::Value(0)] },
        };
        let lane = |v: &Voice| Ok((prompt.under(template, &v.principle)?, kind.clone()));
        let lanes: Result<Vec<_>, RewardError> = voices.iter().map(lane).collect();
        let principles: Vec<&str> = voices.iter().map(|v| v.principle.as_str()).collect();
        let base = base(manifest, template, prompt, &principles)?;
        let term =
            |(readout, voice): (usize, &Voice)| PlanTerm { weight: voice.weight, readout, reference: Reference::Base };
        let terms = voices.iter().enumerate().map(term).collect();
        Ok(Self { base, lanes: lanes?, dimensions: voices.into_iter().map(|v| v.name).collect(), terms })
    }

    /// One lane that is read through the head of every dimension with a weight.
    fn heads(
        manifest: &Manifest,
        template: &PrincipleTemplate,
        prompt: &Prompt,
        weights: &[f32],
    ) -> Result<Self, RewardError> {
        let wanted: Vec<(usize, f32)> =
            weights.iter().copied().enumerate().filter(|(_, weight)| *weight != 0.0).collect();
        let principles: Vec<&str> = wanted.iter().map(|(i, _)| manifest.dimensions[*i].principle.as_str()).collect();
        let base = base(manifest, template, prompt, &principles)?;
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
        let term = |(readout, (_, weight)): (usize, &(usize, f32))| PlanTerm { weight: *weight, readout, reference };
        Ok(Self {
            base,
            lanes,
            dimensions: wanted.iter().map(|(i, _)| manifest.dimensions[*i].name.clone()).collect(),
            terms: wanted.iter().enumerate().map(term).collect(),
        })
    }
}

/// What the base lane reads: the prompt as it came, or under these principles.
fn base(
    manifest: &Manifest,
    template: &PrincipleTemplate,
    prompt: &Prompt,
    principles: &[&str],
) -> Result<Prompt, RewardError> {
    match manifest.base_prompt {
        BasePrompt::Principled if !principles.is_empty() => prompt.under(template, &principles.join(AND)),
        BasePrompt::Principled | BasePrompt::Plain => Ok(prompt.clone()),
    }
}

/// Refuses a preference that this kind of reward model cannot follow.
pub fn check(manifest: &Manifest, preference: &Preference) -> Result<(), RewardError> {
    voices(manifest, preference).map(drop)
}

fn voices(manifest: &Manifest, preference: &Preference) -> Result<Vec<Voice>, RewardError> {
    let weights = match preference {
        Preference::Weights(weights) => weights,
        Preference::Principle(words) => {
            return Ok(vec![Voice { name: PRINCIPLE.to_owned(), weight: 1.0, principle: words.clone() }]);
        }
    };
    let wanted: Vec<(&Dimension, f32)> =
        manifest.dimensions.iter().zip(weights.iter().copied()).filter(|(_, weight)| *weight != 0.0).collect();
    match manifest.kind {
        Kind::Prompted | Kind::Heads => {
            Ok(wanted.into_iter().map(|(dimension, weight)| alone(dimension, weight)).collect())
        }
        Kind::Checkpoint => Ok(together(&wanted)?.into_iter().collect()),
    }
}

/// One dimension, one lane.
fn alone(dimension: &Dimension, weight: f32) -> Voice {
    Voice { name: dimension.name.clone(), weight, principle: dimension.principle.clone() }
}

/// All dimensions in one lane, as the released checkpoint reads them. It knows principles and no
/// weights, so what remains of the weights is their mean.
fn together(wanted: &[(&Dimension, f32)]) -> Result<Option<Voice>, RewardError> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let (positive, negative): (Vec<_>, Vec<_>) = wanted.iter().partition(|(_, weight)| *weight > 0.0);
    if !positive.is_empty() && !negative.is_empty() {
        let names = |side: Vec<(&Dimension, f32)>| {
            let quoted: Vec<String> = side.iter().map(|(d, _)| format!("`{}`", d.name)).collect();
            quoted.join(", ")
        };
        return Err(RewardError::OppositeSigns { positive: names(positive), negative: names(negative) });
    }
    let join = |part: fn(&Dimension) -> &str, between: &str| {
        let parts: Vec<&str> = wanted.iter().map(|(d, _)| part(d)).collect();
        parts.join(between)
    };
    let sum: f32 = wanted.iter().map(|(_, weight)| weight).sum();
    Ok(Some(Voice {
        name: join(|d| &d.name, "+"),
        weight: sum / wanted.len() as f32,
        principle: join(|d| &d.principle, AND),
    }))
}

#[cfg(test)]
mod tests;
