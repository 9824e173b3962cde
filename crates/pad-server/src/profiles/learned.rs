//! What is stored as learned in a profile, and what follows from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use pad_api::{LearnedDimension, LearnedPreference, Preference};
use pad_learning::{Choice, Posterior, Prior};
use pad_store::Profile;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dimensions::LearnedDimensions;
use crate::ApiError;
use crate::rewards::features::reward_model;
use crate::state::Shared;

/// The latest choices, so many of them, are what a profile is learned from: tastes change, and the cost of an update is bounded.
const MOST: usize = 500;

/// How far the direction of the weights must be known for them to replace a principle in words.
const KNOWN: f64 = 0.7;

/// The dimensions that this server's profiles are learned in. They are the same for every request.
///
/// # Errors
/// 400 if it has no reward model, or one that reads all dimensions together.
pub(super) fn served_dimensions(shared: &Shared) -> Result<Arc<LearnedDimensions>, ApiError> {
    let reward = reward_model(&shared.state)?;
    let made = || Arc::new(LearnedDimensions::new(reward.model.manifest(), &shared.state.model.id));
    Ok(Arc::clone(shared.learned_dimensions.get_or_init(made)))
}

/// JSON for the store.
///
/// # Errors
/// 500 if the value has none.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<Value, ApiError> {
    serde_json::to_value(value).map_err(|error| ApiError::internal(error.to_string()))
}

/// The column `learned` of a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Learned {
    /// [`LearnedDimensions::of`].
    of: String,
    pub(super) posterior: Posterior,
}

/// The column `evidence` of a choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Evidence {
    /// [`LearnedDimensions::of`].
    pub(super) of: String,
    pub(super) choice: Choice,
}

impl Evidence {
    /// The choices of a profile that stand and were read by this reward model, in their order; the one of number `without` left out.
    pub(super) fn standing(
        dimensions: &LearnedDimensions,
        stored: &[pad_store::Choice],
        without: Option<i64>,
    ) -> Vec<Choice> {
        let stands = |choice: &&pad_store::Choice| choice.undone_at.is_none() && Some(choice.number) != without;
        let read = |stored: &pad_store::Choice| {
            let evidence = Evidence::deserialize(&stored.evidence).ok()?;
            let fits = evidence.of == dimensions.of && evidence.choice.check(dimensions.names.len()).is_ok();
            fits.then_some(evidence.choice)
        };
        let mut standing: Vec<Choice> = Vec::new();
        for mut choice in stored.iter().filter(stands).filter_map(read) {
            // What was typical when the choice was made may have been undone since.
            if let Choice::Verdict { answer, typical: of_then, .. } = &mut choice {
                *of_then = typical(&standing, std::slice::from_ref(answer));
            }
            standing.push(choice);
        }
        standing
    }
}

/// The mean of the answers in these choices. Where there are none, that of the new answers: a single one then differs from it in nothing,
/// and teaches nothing yet, since long answers have large rewards whatever they say.
pub(super) fn typical(choices: &[Choice], new: &[Vec<f64>]) -> Vec<f64> {
    let mut known: Vec<&[f64]> = choices.iter().flat_map(Choice::answers).collect();
    if known.is_empty() {
        known.extend(new.iter().map(Vec::as_slice));
    }
    let dimensions = known.first().map_or(0, |answer| answer.len());
    let mean = |at: usize| known.iter().map(|answer| answer[at]).sum::<f64>() / known.len() as f64;
    (0..dimensions).map(mean).collect()
}

impl Learned {
    /// What these choices say.
    ///
    /// # Errors
    /// 500 if they cannot be computed with.
    pub(super) fn of_choices(
        dimensions: &LearnedDimensions,
        choices: &[Choice],
        prior: &Prior,
    ) -> Result<Self, ApiError> {
        let latest = &choices[choices.len().saturating_sub(MOST)..];
        let posterior = Posterior::fit(dimensions.names.len(), latest, prior);
        let posterior = posterior.map_err(|error| {
            tracing::error!(%error, "a profile could not be learned");
            ApiError::internal("the choices of the profile cannot be computed with")
        })?;
        Ok(Self { of: dimensions.of.clone(), posterior })
    }

    /// What is stored in a profile for this reward model, if anything is.
    pub(super) fn read(dimensions: &LearnedDimensions, profile: &Profile) -> Option<Self> {
        let learned = Self::deserialize(profile.learned.as_ref()?).ok()?;
        (learned.of == dimensions.of && learned.posterior.choices > 0).then_some(learned)
    }

    /// The weights of requests, by dimension; those of 0 are left out.
    pub(super) fn weights(&self, dimensions: &LearnedDimensions) -> Vec<(String, f64)> {
        named(dimensions, &self.posterior.weights(&dimensions.bounds))
    }

    /// As the API shows it.
    pub(super) fn shown(&self, dimensions: &LearnedDimensions) -> LearnedPreference {
        let deviations = self.posterior.deviations();
        let each = self.posterior.mean.iter().zip(deviations);
        let each = each.map(|(mean, deviation)| LearnedDimension { mean: *mean, deviation });
        LearnedPreference {
            words: self.posterior.describe(&dimensions.wordings),
            choices: self.posterior.choices as u64,
            weights: self.weights(dimensions).into_iter().collect(),
            alignment: self.posterior.alignment(),
            consistency: self.posterior.consistency(),
            dimensions: dimensions.names.iter().cloned().zip(each).collect::<BTreeMap<_, _>>(),
        }
    }
}

/// Weights by dimension, two decimals each; those of 0 are left out.
pub(super) fn named(dimensions: &LearnedDimensions, weights: &[f64]) -> Vec<(String, f64)> {
    let rounded = weights.iter().map(|weight| (weight * 100.0).round() / 100.0);
    dimensions.names.iter().cloned().zip(rounded).filter(|(_, weight)| *weight != 0.0).collect()
}

/// What a profile with this set preference prefers, together with what was learned: weights that are set stand, the others are learned.
/// A principle in words stands until the weights are known well.
pub(super) fn with_learned(set: Preference, profile: &Profile, shared: &Shared) -> Preference {
    let Ok(dimensions) = served_dimensions(shared) else { return set };
    let Some(learned) = Learned::read(&dimensions, profile) else { return set };
    let weights = learned.weights(&dimensions);
    match set {
        Preference::Named(mut set) => {
            let added = weights.into_iter().filter(|(name, _)| !set.iter().any(|(known, _)| known == name));
            let added: Vec<(String, f64)> = added.collect();
            set.extend(added);
            Preference::Named(set)
        }
        Preference::Principle(_) if learned.posterior.alignment() >= KNOWN => Preference::Named(weights),
        Preference::Principle(words) => Preference::Principle(words),
        Preference::Ordered(set) => Preference::Ordered(set),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typical_is_the_mean_of_the_answers() {
        let best = Choice::Best { chosen: vec![3.0, 0.0], others: vec![vec![1.0, 2.0], vec![2.0, 1.0]] };
        let verdict = Choice::Verdict { answer: vec![6.0, 1.0], typical: vec![9.0, 9.0], approved: true };
        let new = [vec![5.0, 7.0]];
        assert_eq!(typical(&[best, verdict], &new), [3.0, 1.0]);
        assert_eq!(typical(&[], &new), [5.0, 7.0]);
    }
}
