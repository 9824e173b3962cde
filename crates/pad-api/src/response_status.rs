//! The status of a response or of an item in it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The status of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    /// It is being generated.
    InProgress,
    /// It is over, by its own end.
    Completed,
    /// It is over, by its length.
    Incomplete,
    /// It failed.
    Failed,
}
