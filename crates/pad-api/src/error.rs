//! The one shape of every error.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error, as every route of the server and every failed stream sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"error": {
    "message": "`preference`: there is no dimension `concize`; there are concise, harmless", "type": "invalid_request_error",
    "param": "preference", "code": null
}}))]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// For people: the field, the value, and what is allowed.
    pub message: String,
    /// Class of the error, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The request's field that is at fault, if one is.
    #[schema(required)]
    pub param: Option<String>,
    /// For programs: the exact kind of error, such as `context_length_exceeded`.
    #[schema(required)]
    pub code: Option<String>,
}
