//! From log-probabilities to rewards: by dimension, by preference, by token.

use std::collections::BTreeMap;
use std::sync::Arc;

use pad_api::{ObjectKind, PadUsage, Preference, PreferenceReward, PromptTokensDetails, Rewards, TokenReward, Usage};
use pad_decode::Term;
use pad_engine::Scores;
use pad_reward::TermWeight;
use pad_text::Detokenizer;

use crate::generation::trace::finite;
use crate::state::AppState;

/// An answer that was scored.
pub(super) struct Worth {
    pub(super) scores: Scores,
    pub(super) answer: Arc<[u32]>,
    /// One for each dimension.
    pub(super) terms: Vec<Term>,
    /// The dimensions' names.
    pub(super) names: Vec<String>,
}

impl Worth {
    /// The answer to a request for rewards.
    pub(super) fn told(
        &self,
        state: &AppState,
        preferences: Vec<(Preference, Vec<TermWeight>)>,
        per_token: bool,
        usage: Usage,
    ) -> Rewards {
        let features = self.features();
        let sums: Vec<f64> = features.iter().map(|feature| sum(feature)).collect();
        let reward = |(preference, weights): (Preference, Vec<TermWeight>)| PreferenceReward {
            preference,
            reward: weights.into_iter().map(|w| f64::from(w.weight) * sums[w.term]).sum(),
        };
        Rewards {
            object: ObjectKind::Rewards,
            model: state.model.id.clone(),
            tokens: self.answer.len() as u64,
            base_logprob: sum(&self.scores.base),
            dimensions: self.names.iter().cloned().zip(sums.iter().copied()).collect(),
            rewards: preferences.into_iter().map(reward).collect(),
            per_token: per_token.then(|| self.tokens(state, &features)),
            usage,
        }
    }

    /// The reward of each dimension, summed over the tokens.
    pub(super) fn by_dimension(&self) -> Vec<(String, f64)> {
        self.names.iter().cloned().zip(self.features().iter().map(|feature| sum(feature))).collect()
    }

    /// phi of each term, one per token.
    fn features(&self) -> Vec<Vec<f32>> {
        self.terms.iter().map(|term| term.phi(&self.scores.base, &self.scores.rewards)).collect()
    }

    fn tokens(&self, state: &AppState, features: &[Vec<f32>]) -> Vec<TokenReward> {
        let mut detokenizer = Detokenizer::new(Arc::clone(state.chat.tokenizer()));
        let token = |(at, token): (usize, &u32)| TokenReward {
            token: *token,
            text: detokenizer.push(*token),
            base_logprob: self.scores.base.get(at).copied().map_or(0.0, finite),
            rewards: self.rewards_at(at, features),
        };
        self.answer.iter().enumerate().map(token).collect()
    }

    fn rewards_at(&self, at: usize, features: &[Vec<f32>]) -> BTreeMap<String, f32> {
        self.names.iter().cloned().zip(features.iter().map(|feature| feature[at])).collect()
    }
}

/// The sum of what JSON can hold.
fn sum(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(finite(*value))).sum()
}

/// What reading so many tokens cost.
pub(super) fn usage(prompt: usize, cached: usize, reward_lanes: usize) -> Usage {
    Usage {
        prompt_tokens: prompt as u64,
        total_tokens: prompt as u64,
        prompt_tokens_details: PromptTokensDetails { cached_tokens: cached as u64 },
        pad: PadUsage { reward_lanes: reward_lanes as u64, ..PadUsage::default() },
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use pad_decode::{Candidates, Progress, Readout, Reference, Rule, Sampler, decide};

    use super::*;

    /// Tokens that the lane, the base or both rule out: the value of a feature is the same where an answer is scored and where a
    /// token is chosen.
    #[test]
    fn a_feature_has_one_value_whether_scored_or_chosen_by() {
        let none = f32::NEG_INFINITY;
        let base = [-0.5, -1.5, none, none];
        let lanes = [[-1.0, none, -2.0, none], [-0.25, -0.75, none, -3.0]];
        let term = |readout, reference| Term { weight: 1.0, readout, reference };
        let terms = vec![term(0, Reference::Base), term(1, Reference::Readout(0)), term(0, Reference::None)];
        let worth = Worth {
            scores: Scores { base: base.to_vec(), rewards: lanes.map(Vec::from).to_vec(), best: Vec::new() },
            answer: Arc::new([1, 2, 3, 4]),
            terms: terms.clone(),
            names: Vec::new(),
        };
        let features = worth.features();
        assert_eq!(features, [[-0.5, 0.0, 0.0, 0.0], [0.75, 0.0, 0.0, 0.0], [-1.0, 0.0, -2.0, 0.0]]);
        // With a sum of 0 over the vocabulary the logits are the log-probabilities.
        let readout = |logits: [f32; 4]| Readout { logits: logits.to_vec(), log_sum_exp: Some(0.0) };
        let candidates = Candidates { tokens: vec![1, 2, 3, 4], base: readout(base), adjusted: None };
        let rule = Rule { normalisation: pad_decode::Normalisation::Vocabulary, ..Rule::default() };
        let decision =
            decide(&rule, candidates, &terms, &lanes.map(readout), &Progress::default(), &mut Sampler::new(0, 0));
        assert_eq!(decision.rewards, features);
    }
}
