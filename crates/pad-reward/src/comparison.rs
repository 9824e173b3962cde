//! One answer under several preferences: the union of their lanes.

use pad_text::Chat;

use crate::error::RewardError;
use crate::lane::{LanePlan, TermWeight};
use crate::model::RewardModel;
use crate::preference::Preference;
use crate::prompt::Prompt;

/// The guidance strength of a comparison: nothing is guided, and whatever has a weight is read.
const READ: f32 = 1.0;

/// The lanes of several preferences, and how each of them weighs the terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The lanes of all preferences. A principle in plain words becomes a term named by its own words; a term's weight is that of the preference
    /// which brought it, and stands in `weights` too. A dimension with weights of both signs, and with
    /// different lanes for them, has a second term: "NAME (opposite)".
    pub plan: LanePlan,
    /// By preference: the terms that count for it.
    pub weights: Vec<Vec<TermWeight>>,
}

impl RewardModel {
    /// The lanes that read an answer to `prompt` under all of these preferences; under none, those of every dimension. The base lane
    /// reads the prompt as it came, whatever is preferred.
    ///
    /// # Errors
    ///
    /// Those of [`RewardModel::plan`].
    pub fn compare(&self, chat: &Chat, prompt: &Prompt, preferences: &[Preference]) -> Result<Comparison, RewardError> {
        let mut plan = LanePlan::base_alone(prompt.encode(chat)?);
        let add = |plan: &mut LanePlan, preference: &Preference| -> Result<Vec<TermWeight>, RewardError> {
            let mut added = self.plan(chat, prompt, preference, READ)?;
            added.base.clone_from(&plan.base);
            if let Preference::Principle(words) = preference {
                added.dimensions = vec![self.term_of_words(words); added.terms.len()];
            }
            Ok(plan.merge(added))
        };
        // Dimensions with terms of their own are laid out once, in the manifest's order, whichever preferences weigh them: first those
        // that are weighed for.
        let apart = self.manifest().kind.reads_dimensions_apart();
        if preferences.is_empty() || apart {
            add(&mut plan, &self.all_weighed(preferences, Side::More))?;
            let mut less = self.plan(chat, prompt, &self.all_weighed(preferences, Side::Less), READ)?;
            less.base.clone_from(&plan.base);
            for name in less.dimensions.iter_mut().filter(|name| plan.term_named(name).is_some()) {
                *name = opposite_of(name);
            }
            plan.merge(less);
        }
        let mut weights = Vec::with_capacity(preferences.len());
        for preference in preferences {
            weights.push(match preference {
                Preference::Weights(of) if apart => self.terms_of(&plan, preference, of),
                Preference::Weights(_) | Preference::Principle(_) => add(&mut plan, preference)?,
            });
        }
        Ok(Comparison { plan, weights })
    }

    /// The name of the term of a principle in plain words: the words; in quotes if a dimension's term has that name.
    fn term_of_words(&self, words: &str) -> String {
        let taken = |name: &str| words == name || words == opposite_of(name);
        let quoted = words.starts_with('"') || self.dimensions().iter().any(|dimension| taken(&dimension.name));
        if quoted { format!("\"{words}\"") } else { words.to_owned() }
    }

    /// The terms of dimensions that are laid out already, with the weights of a preference.
    fn terms_of(&self, plan: &LanePlan, preference: &Preference, weights: &[f32]) -> Vec<TermWeight> {
        let counting = weights.iter().enumerate().filter(|(dimension, _)| preference.weighs(*dimension));
        let term = |(dimension, weight): (usize, &f32)| {
            let name = &self.dimensions()[dimension].name;
            let opposite = match self.side(dimension, *weight) {
                Side::Less => plan.term_named(&opposite_of(name)),
                Side::More => None,
            };
            Some(TermWeight { term: opposite.or_else(|| plan.term_named(name))?, weight: *weight })
        };
        counting.filter_map(term).collect()
    }

    /// A weight of 1, or of -1, for every dimension that some preference weighs on this side; 1 for all where there is no preference.
    fn all_weighed(&self, preferences: &[Preference], side: Side) -> Preference {
        let weighs = |dimension: usize| {
            preferences.iter().any(|preference| {
                preference.weight(dimension).is_some_and(|weight| self.side(dimension, weight) == side)
            })
        };
        let weight = |dimension: usize| match side {
            Side::More => f32::from(u8::from(preferences.is_empty() || weighs(dimension))),
            Side::Less => -f32::from(u8::from(weighs(dimension))),
        };
        Preference::Weights((0..self.dimensions().len()).map(weight).collect())
    }

    /// The lanes by which a dimension's reward is measured at this weight.
    fn side(&self, dimension: usize, weight: f32) -> Side {
        let two = self.manifest().kind.has_two_sides(&self.dimensions()[dimension], self.manifest());
        if two && weight < 0.0 { Side::Less } else { Side::More }
    }
}

/// The two sides of a dimension whose weights below 0 use another lane.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Those of weights above 0, and of all weights where there are no others.
    More,
    /// Those of weights below 0.
    Less,
}

/// The name of a dimension's second term, where both sides are weighed.
fn opposite_of(name: &str) -> String {
    format!("{name} (opposite)")
}
