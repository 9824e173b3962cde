//! `POST /v1/preferences/profiles/{name}/elicit`: two answers between which a user's choice teaches most.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::object::objects;
use crate::{ChatMessage, FinishReason, ObjectKind};

/// What is to be answered in two ways.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({"messages": [{"role": "user", "content": "How do I boil an egg?"}], "max_tokens": 32, "candidates": 2}))]
pub struct ElicitRequest {
    /// The conversation to answer. Default: one of a few everyday questions.
    #[schema(min_items = 1)]
    pub messages: Option<Vec<ChatMessage>>,
    /// Maximum number of tokens of an answer: a style shows early. Default: 128.
    #[schema(minimum = 1, maximum = 256)]
    pub max_tokens: Option<u64>,
    /// Sampling temperature. Default: 0.8.
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    /// Answers that are generated, of which two are shown: an even number from 2 to 8. Default: 4.
    #[schema(minimum = 2, maximum = 8)]
    pub candidates: Option<u64>,
    /// Makes the question repeatable.
    pub seed: Option<i64>,
}

objects! {
    ElicitRequest: "an object",
}

/// Two answers to choose from. The choice is feedback: `{"id": ID, "index": 0 or 1, "thumb": "up"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreferenceQuestion {
    /// Always `preference_profile.question`.
    pub object: ObjectKind,
    /// Names it in feedback.
    pub id: String,
    /// The profile's name.
    pub profile: String,
    /// What was asked, if the request had no messages.
    #[schema(required)]
    pub prompt: Option<String>,
    /// The two answers.
    #[schema(min_items = 2, max_items = 2)]
    pub answers: Vec<QuestionAnswer>,
    /// The probability that the first one is chosen, as far as the choices before tell.
    pub expected: f64,
    /// What the choice is expected to teach, in nats; ln 2 at most.
    pub information: f64,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuestionAnswer {
    /// The text.
    pub content: String,
    /// How it ended.
    pub finish_reason: FinishReason,
    /// The weights that it was generated with.
    pub weights: BTreeMap<String, f64>,
}
