//! Which messages each lane reads, before they become tokens.

use pad_decode::Reference;
use pad_text::Message;

use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::lane::PlanTerm;
use crate::manifest::{BasePrompt, Kind, Manifest};
use crate::preference::Preference;
use crate::principle::PrincipleTemplate;

/// Stands between principles that share a prompt.
const AND: &str = " and ";

/// The name of the term that a principle in plain words makes.
const PRINCIPLE: &str = "principle";

/// The messages of every lane, and the terms that weigh the reward lanes.
pub struct Layout {
    /// What the base lane reads.
    pub base: Vec<Message>,
    /// What each reward lane reads.
    pub lanes: Vec<Vec<Message>>,
    /// The name of each term.
    pub dimensions: Vec<String>,
    /// One term per lane.
    pub terms: Vec<PlanTerm>,
}

/// A reward lane to be: what it is called, how much it counts, and its principle.
struct Voice {
    name: String,
    weight: f32,
    principle: String,
}

impl Layout {
    /// Lays out the lanes of a request. Without any weight only the base lane is left, and it reads
    /// the messages as they came.
    pub fn new(
        manifest: &Manifest,
        template: &PrincipleTemplate,
        messages: &[Message],
        preference: &Preference,
    ) -> Result<Self, RewardError> {
        let voices = voices(manifest, preference)?;
        let lanes: Result<Vec<_>, _> = voices.iter().map(|v| template.apply(messages, &v.principle)).collect();
        let base = match manifest.base_prompt {
            BasePrompt::Principled if !voices.is_empty() => {
                let principles: Vec<&str> = voices.iter().map(|v| v.principle.as_str()).collect();
                template.apply(messages, &principles.join(AND))?
            }
            BasePrompt::Principled | BasePrompt::Plain => messages.to_vec(),
        };
        let term = |(lane, voice): (usize, &Voice)| PlanTerm { weight: voice.weight, lane, reference: Reference::Base };
        let terms = voices.iter().enumerate().map(term).collect();
        Ok(Self { base, lanes: lanes?, dimensions: voices.into_iter().map(|v| v.name).collect(), terms })
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
        Kind::Prompted => Ok(wanted.into_iter().map(|(dimension, weight)| alone(dimension, weight)).collect()),
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
