//! Why each token was chosen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What PAD adds to a choice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChoicePad {
    /// One entry per generated token; in a stream, the tokens since the choice's last chunk.
    pub trace: Vec<TokenTrace>,
}

/// One decision: the chosen token and everything it was chosen from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "token": 504, "text": "The", "base_rank": 0, "base_logprob": -0.51, "rewards": {"helpful": 0.25}, "reward": 0.25, "score": -0.26,
    "candidates": [
        {"token": 504, "base_logprob": -0.51, "rewards": {"helpful": 0.25}, "reward": 0.25, "score": -0.26},
        {"token": 57, "base_logprob": -0.92, "rewards": {"helpful": -0.11}, "reward": -0.11, "score": -1.03}
    ]
}))]
pub struct TokenTrace {
    /// The token's id.
    pub token: u32,
    /// The text it completed: empty for an end token, and for a token that leaves a character incomplete.
    pub text: String,
    /// Its rank among the base model's candidates; 0 is the base model's first choice.
    pub base_rank: usize,
    /// Its log-probability under the base model, in nats, after `logit_bias` and penalties.
    pub base_logprob: f32,
    /// Its reward in every dimension, unweighted; measured without bias and penalties.
    pub rewards: BTreeMap<String, f32>,
    /// The weighted sum of the rewards.
    pub reward: f32,
    /// `base_logprob + beta * reward`.
    pub score: f32,
    /// All candidates, in the base model's order after `logit_bias` and penalties.
    pub candidates: Vec<CandidateTrace>,
}

/// One candidate of a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CandidateTrace {
    /// The token's id.
    pub token: u32,
    /// Its log-probability under the base model, in nats.
    pub base_logprob: f32,
    /// Its reward in every dimension, unweighted.
    pub rewards: BTreeMap<String, f32>,
    /// The weighted sum of the rewards.
    pub reward: f32,
    /// `base_logprob + beta * reward`.
    pub score: f32,
}
