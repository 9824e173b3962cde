//! The models that the server has.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ObjectKind;

/// A served model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
}

/// All served models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelList {
    /// Always `list`.
    pub object: ObjectKind,
    /// The models.
    pub data: Vec<Model>,
}
