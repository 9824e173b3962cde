//! Penalties and biases: how a request changes the base model's logits, and at which tokens.

use std::collections::{BTreeMap, BTreeSet};

/// How a request changes the base model's logits before the candidates are taken.
///
/// A token that occurs `count` times among the generated ones gets, in this order (that of vLLM):
///
/// ```text
/// z <- z + bias
/// z <- z / repetition where z > 0, z * repetition elsewhere    if it is in the prompt or was generated
/// z <- z - frequency * count - presence                        if it was generated
/// ```
///
/// Rewards are not touched: they are measured between the models' own logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Penalties {
    /// Added to the logits of these tokens.
    pub bias: BTreeMap<u32, f32>,
    /// Divides the positive logits, and multiplies the negative ones, of tokens that have occurred; above 0, and 1 changes nothing.
    pub repetition: f32,
    /// Subtracted once for every time a token was generated.
    pub frequency: f32,
    /// Subtracted once if a token was generated.
    pub presence: f32,
}

impl Penalties {
    /// Whether a logit depends on what was generated.
    fn look_back(&self) -> bool {
        self.repetition != 1.0 || self.frequency != 0.0 || self.presence != 0.0
    }
}

impl Default for Penalties {
    /// No change.
    fn default() -> Self {
        Self { bias: BTreeMap::new(), repetition: 1.0, frequency: 0.0, presence: 0.0 }
    }
}

/// The tokens of a sequence, as far as its penalties depend on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    prompt: BTreeSet<u32>,
    /// How often each token was generated.
    generated: BTreeMap<u32, u32>,
    kept: bool,
}

impl History {
    /// The beginning of a sequence with this prompt. Where no penalty looks back, nothing is kept.
    pub fn new(penalties: &Penalties, prompt: &[u32]) -> Self {
        let prompt = if penalties.repetition == 1.0 { BTreeSet::new() } else { prompt.iter().copied().collect() };
        Self { prompt, generated: BTreeMap::new(), kept: penalties.look_back() }
    }

    /// A token was generated.
    pub fn push(&mut self, token: u32) {
        if self.kept {
            *self.generated.entry(token).or_default() += 1;
        }
    }
}

/// What happens to the logit of one token at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adjustment {
    /// The token.
    pub token: u32,
    bias: f32,
    repetition: f32,
    deduction: f32,
    excluded: bool,
}

impl Adjustment {
    fn new(token: u32, penalties: &Penalties, history: &History, excluded: bool) -> Self {
        let count = history.generated.get(&token).copied().unwrap_or(0);
        let occurred = count > 0 || history.prompt.contains(&token);
        Self {
            token,
            bias: penalties.bias.get(&token).copied().unwrap_or(0.0),
            repetition: if occurred { penalties.repetition } else { 1.0 },
            deduction: if count > 0 { penalties.frequency * count as f32 + penalties.presence } else { 0.0 },
            excluded,
        }
    }

    /// Every token whose logit changes, in rising order.
    pub(crate) fn all(penalties: &Penalties, history: &History, excluded: &[u32]) -> Vec<Self> {
        let mut tokens: BTreeSet<u32> = penalties.bias.keys().chain(excluded).copied().collect();
        tokens.extend(history.generated.keys().chain(&history.prompt));
        tokens.into_iter().map(|token| Self::new(token, penalties, history, excluded.contains(&token))).collect()
    }

    /// The changed logit; minus infinity for an excluded token.
    pub fn apply(&self, logit: f32) -> f32 {
        if self.excluded {
            return f32::NEG_INFINITY;
        }
        let biased = logit + self.bias;
        let repeated = if biased > 0.0 { biased / self.repetition } else { biased * self.repetition };
        repeated - self.deduction
    }

    /// Whether the token is to be no candidate at all.
    pub fn excludes(&self) -> bool {
        self.excluded
    }

    /// Whether some logit might become larger.
    pub fn may_raise(&self) -> bool {
        !self.excluded && (self.bias > 0.0 || self.repetition < 1.0 || self.deduction < 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(penalties: &Penalties, generated: &[u32], logits: &[f32]) -> Vec<f32> {
        let mut history = History::new(penalties, &[0, 1]);
        generated.iter().for_each(|token| history.push(*token));
        let all = Adjustment::all(penalties, &history, &[]);
        let change = |(token, logit): (usize, &f32)| {
            all.iter().find(|a| a.token == token as u32).map_or(*logit, |a| a.apply(*logit))
        };
        logits.iter().enumerate().map(change).collect()
    }

    /// The prompt holds 0 and 1; 1 was generated once and 2 twice.
    #[test]
    fn each_penalty_by_hand() {
        let (none, said, logits) = (Penalties::default(), [1, 2, 2], [4.0, -4.0, 4.0, 4.0]);
        assert_eq!(changed(&none, &said, &logits), logits);
        let presence = Penalties { presence: 0.5, ..none.clone() };
        assert_eq!(changed(&presence, &said, &logits), [4.0, -4.5, 3.5, 4.0]);
        let frequency = Penalties { frequency: 0.5, ..none.clone() };
        assert_eq!(changed(&frequency, &said, &logits), [4.0, -4.5, 3.0, 4.0]);
        let repetition = Penalties { repetition: 2.0, ..none.clone() };
        assert_eq!(changed(&repetition, &said, &logits), [2.0, -8.0, 2.0, 4.0]);
        let bias = Penalties { bias: BTreeMap::from([(3, -100.0), (1, 1.5)]), ..none };
        assert_eq!(changed(&bias, &said, &logits), [4.0, -2.5, 4.0, -96.0]);
    }

    #[test]
    fn all_together_in_order() {
        let bias = BTreeMap::from([(2, 2.0)]);
        let all = Penalties { bias, repetition: 2.0, frequency: 0.25, presence: 0.5 };
        // (4 + 2) / 2 - 2 * 0.25 - 0.5.
        assert_eq!(changed(&all, &[2, 2], &[0.0, 0.0, 4.0]), [0.0, 0.0, 2.0]);
    }

    #[test]
    fn nothing_asked_for_is_nothing_kept() {
        let mut history = History::new(&Penalties::default(), &[1, 2]);
        history.push(3);
        assert_eq!(history, History::default());
        assert!(Adjustment::all(&Penalties::default(), &history, &[]).is_empty());
    }

    #[test]
    fn what_may_raise() {
        let raises = |penalties: Penalties| {
            let mut history = History::new(&penalties, &[]);
            history.push(7);
            Adjustment::all(&penalties, &history, &[]).iter().any(Adjustment::may_raise)
        };
        let none = Penalties::default;
        assert!(!raises(Penalties { repetition: 1.1, presence: 1.0, frequency: 1.0, ..none() }));
        assert!(!raises(Penalties { bias: BTreeMap::from([(7, -1.0)]), ..none() }));
        assert!(raises(Penalties { repetition: 0.9, ..none() }));
        assert!(raises(Penalties { presence: -1.0, frequency: 0.5, ..none() }));
        assert!(raises(Penalties { bias: BTreeMap::from([(9, 0.1)]), ..none() }));
    }
}
