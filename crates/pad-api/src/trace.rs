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
    "strength": 1.0,
    "candidates": [
        {"token": 504, "text": "The", "base_logprob": -0.51, "rewards": {"helpful": 0.25}, "reward": 0.25, "score": -0.26},
        {"token": 57, "text": "A", "base_logprob": -0.92, "rewards": {"helpful": -0.11}, "reward": -0.11, "score": -1.03}
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
    /// `base_logprob + strength * reward`, unless a guard holds it.
    pub score: f32,
    /// The guidance strength at this token: `pad.beta`, or less where `pad.max_kl` or `pad.guide_tokens` shrinks it; 0 where nothing is
    /// steered.
    pub strength: f32,
    /// All candidates, in the base model's order after `logit_bias` and penalties.
    pub candidates: Vec<CandidateTrace>,
}

/// One candidate of a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CandidateTrace {
    /// The token's id.
    pub token: u32,
    /// The text that it would have completed; the name of a special token, such as `<|im_end|>`.
    pub text: String,
    /// Its log-probability under the base model, in nats.
    pub base_logprob: f32,
    /// Its reward in every dimension, unweighted.
    pub rewards: BTreeMap<String, f32>,
    /// The weighted sum of the rewards.
    pub reward: f32,
    /// `base_logprob + strength * reward`, unless a guard holds it.
    pub score: f32,
    /// The guard that holds it; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<CandidateHold>,
}

/// Why a candidate's score is another than its reward would make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CandidateHold {
    /// `pad.plausibility`: it cannot be chosen, and its score is -9999.
    Implausible,
    /// `pad.loop_guard`: it would repeat a run of the answer, and its probability is the base model's.
    Repetition,
}
