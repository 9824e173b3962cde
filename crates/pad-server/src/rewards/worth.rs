//! Log-probabilities as rewards: by dimension, by preference, by token.

use std::collections::BTreeMap;
use std::sync::Arc;

use pad_api::{ObjectKind, PadUsage, Preference, PreferenceReward, PromptTokensDetails, Rewards, TokenReward, Usage};
use pad_decode::Reference;
use pad_engine::Scores;
use pad_reward::PlanTerm;
use pad_text::Detokenizer;

use crate::generation::trace::finite;
use crate::state::AppState;

/// An answer that was scored.
pub(super) struct Worth {
    pub(super) scores: Scores,
    pub(super) answer: Arc<[u32]>,
    /// One for each dimension.
    pub(super) terms: Vec<PlanTerm>,
    /// The dimensions' names.
    pub(super) names: Vec<String>,
}

impl Worth {
    /// The answer to a request for rewards.
    pub(super) fn told(
        &self,
        state: &AppState,
        preferences: Vec<(Preference, Vec<(usize, f32)>)>,
        per_token: bool,
        usage: Usage,
    ) -> Rewards {
        let features: Vec<Vec<f32>> = self.terms.iter().map(|term| self.feature(term)).collect();
        let sums: Vec<f64> = features.iter().map(|feature| sum(feature)).collect();
        let reward = |(preference, weights): (Preference, Vec<(usize, f32)>)| PreferenceReward {
            preference,
            reward: weights.into_iter().map(|(term, weight)| f64::from(weight) * sums[term]).sum(),
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

    /// phi of a term, one per token.
    fn feature(&self, term: &PlanTerm) -> Vec<f32> {
        let reference = match term.reference {
            Reference::Base => Some(&self.scores.base),
            Reference::Readout(other) => self.scores.rewards.get(other),
            Reference::None => None,
        };
        let own = self.scores.rewards.get(term.readout).map_or(&[][..], Vec::as_slice);
        match reference {
            Some(reference) => own.iter().zip(reference).map(|(own, reference)| own - reference).collect(),
            None => own.to_vec(),
        }
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
        let reward = |feature: &Vec<f32>| feature.get(at).copied().map_or(0.0, finite);
        self.names.iter().cloned().zip(features.iter().map(reward)).collect()
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
