//! What a request cost, and how far it was steered.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{BestOfBy, PreferenceSource};

/// Tokens of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Tokens of the base lane's prompt, counted once whatever `n` is.
    pub prompt_tokens: u64,
    /// Tokens generated over all choices, end tokens included.
    pub completion_tokens: u64,
    /// Both together.
    pub total_tokens: u64,
    /// The prompt's tokens in detail.
    pub prompt_tokens_details: PromptTokensDetails,
    /// The generated tokens in detail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<CompletionTokensDetails>,
    /// The effect of steering.
    pub pad: PadUsage,
}

/// The prompt's tokens in detail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PromptTokensDetails {
    /// Tokens found in the cache.
    pub cached_tokens: u64,
}

/// The generated tokens in detail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompletionTokensDetails {
    /// Tokens spent on reasoning that is not shown.
    pub reasoning_tokens: u64,
}

/// The effect of steering on a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PadUsage {
    /// Reward lanes run beside the base lane; 0 without steering.
    pub reward_lanes: u64,
    /// Tokens that were not the base model's first choice.
    pub steered_tokens: u64,
    /// Mean over the tokens of the KL divergence of the steered distribution from the base's, over the candidates, in nats.
    pub mean_kl: f64,
    /// Where the preference came from.
    pub preference_source: PreferenceSource,
    /// Chosen answers of the profile that were put into the prompt as examples, if there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples: Option<u64>,
    /// How the choices were selected, where `best_of` left some out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_of: Option<BestOfUsage>,
}

/// How the best of several choices were selected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BestOfUsage {
    /// What they were compared by.
    pub by: BestOfBy,
    /// The value of each choice of the answer, in their order.
    pub values: Vec<f64>,
    /// The values of those that were left out, best first, prompt by prompt.
    pub left_out: Vec<f64>,
}
