//! `GET /v1/responses/{id}/input_items`: the input of a response.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{InputPart, ObjectKind, ResponseStatus, Role};

/// Items of a conversation, a page of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InputItemList {
    /// Always `list`.
    pub object: ObjectKind,
    /// The items.
    pub data: Vec<StoredItem>,
    /// The id of the first of them.
    #[schema(required)]
    pub first_id: Option<String>,
    /// The id of the last of them, after which the next page begins.
    #[schema(required)]
    pub last_id: Option<String>,
    /// Whether there are more.
    pub has_more: bool,
}

/// An item; `type` names its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StoredItem {
    /// A message.
    Message {
        /// The item's id.
        id: String,
        /// Always `completed`.
        status: ResponseStatus,
        /// The role of the speaker.
        role: Role,
        /// The content.
        content: Vec<InputPart>,
    },
    /// A function call.
    FunctionCall {
        /// The item's id.
        id: String,
        /// Always `completed`.
        status: ResponseStatus,
        /// The call's id.
        call_id: String,
        /// The function.
        name: String,
        /// Its arguments as JSON.
        arguments: String,
    },
    /// The result of a call.
    FunctionCallOutput {
        /// The item's id.
        id: String,
        /// Always `completed`.
        status: ResponseStatus,
        /// The call.
        call_id: String,
        /// The result.
        output: String,
    },
}

impl StoredItem {
    /// The item's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Message { id, .. } | Self::FunctionCall { id, .. } | Self::FunctionCallOutput { id, .. } => id,
        }
    }
}

/// Which page of the items.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct InputItemPage {
    /// The id after which it begins.
    pub after: Option<String>,
    /// Items of a page.
    pub limit: Option<u64>,
    /// Which come first.
    pub order: Option<ItemOrder>,
}

/// Which items come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemOrder {
    /// The oldest.
    Asc,
    /// The latest.
    #[default]
    Desc,
}
