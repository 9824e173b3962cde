//! `POST /v1/rewards`: the rewards of a given answer under one or more preferences.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::object::objects;
use crate::{ChatMessage, ObjectKind, Preference, PreferenceChoice, Usage};

/// A conversation whose last answer is scored; nothing is generated.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({
    "messages": [{"role": "user", "content": "Why is the sky blue?"}, {"role": "assistant", "content": "Air scatters blue light."}],
    "preferences": [{"concise": 1.0}, {"concise": -0.5, "harmless": 1.0}]
}))]
pub struct RewardsRequest {
    /// The conversation; the last message is the assistant's.
    #[schema(min_items = 2)]
    pub messages: Vec<ChatMessage>,
    /// The served model's id or an alias of it; default: the served model.
    pub model: Option<String>,
    /// The preference to score; not together with `preferences`.
    pub preference: Option<PreferenceChoice>,
    /// Several preferences, scored in one pass over the answer.
    #[schema(max_items = 32)]
    pub preferences: Option<Vec<PreferenceChoice>>,
    /// Whether the answer is complete: then its end token is scored as well. Default: true.
    pub complete: Option<bool>,
    /// Report every token.
    pub per_token: Option<bool>,
    /// Keeps what is cached of the prompt apart: only requests with the same salt (and key) find it. Not empty.
    #[schema(min_length = 1)]
    pub cache_salt: Option<String>,
}

/// The rewards of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "object": "rewards", "model": "smollm2-135m-instruct", "tokens": 7, "base_logprob": -14.2, "dimensions": {"concise": 3.1},
    "rewards": [{"preference": {"concise": 1.0}, "reward": 3.1}],
    "usage": {
        "prompt_tokens": 44, "completion_tokens": 0, "total_tokens": 44, "prompt_tokens_details": {"cached_tokens": 0},
        "pad": {"reward_lanes": 1, "steered_tokens": 0, "mean_kl": 0.0}
    }
}))]
pub struct Rewards {
    /// Always `rewards`.
    pub object: ObjectKind,
    /// The served model's id.
    pub model: String,
    /// Tokens of the answer, including its end if it is complete.
    pub tokens: u64,
    /// The sum of their log-probabilities under the base model, over the whole vocabulary, in nats.
    pub base_logprob: f64,
    /// The reward in every dimension that some preference weights, or in all of them without a preference: the sum over the tokens
    /// of their log-probability under the reward model minus that under its reference, over the whole vocabulary. A principle in
    /// plain words is a dimension of that name.
    pub dimensions: BTreeMap<String, f64>,
    /// The result for each preference, in the order given.
    pub rewards: Vec<PreferenceReward>,
    /// Every token, if requested by `per_token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_token: Option<Vec<TokenReward>>,
    /// The usage of the request: the answer counts as part of the prompt, since it was only read.
    pub usage: Usage,
}

/// The reward of an answer under one preference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreferenceReward {
    /// The preference as given; for a stored profile, what that prefers.
    pub preference: Preference,
    /// The weighted sum of the dimensions' rewards.
    pub reward: f64,
}

/// The contribution of one token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokenReward {
    /// The token's id.
    pub token: u32,
    /// The text it completes; empty for an end, and for a token that leaves a character incomplete.
    pub text: String,
    /// Its log-probability under the base model.
    pub base_logprob: f32,
    /// Its reward in every dimension.
    pub rewards: BTreeMap<String, f32>,
}

objects! {
    RewardsRequest: "an object with `messages`",
}
