//! The models that the server has.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ObjectKind, Preference};

/// A served model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Model {
    /// The name to send as `model`.
    #[schema(example = "smollm2-135m-instruct")]
    pub id: String,
    /// Always `model`.
    pub object: ObjectKind,
    /// When it was loaded, in seconds since 1970.
    pub created: u64,
    /// Who serves it.
    #[schema(example = "pad")]
    pub owned_by: String,
    /// Maximum number of tokens of a prompt and its answer together.
    #[schema(example = 8192)]
    pub max_model_len: u64,
    /// The family, as the model's files name it.
    #[schema(example = "llama")]
    pub family: String,
    /// The number format of most of its weights.
    #[schema(example = "Q4_1")]
    pub format: String,
    /// The model that a preset stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The preference of requests that name this preset and have none of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preference: Option<Preference>,
}

/// All served models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelList {
    /// Always `list`.
    pub object: ObjectKind,
    /// The models.
    pub data: Vec<Model>,
}
