//! One turn of a conversation.

use serde::{Deserialize, Serialize};

/// One turn of a conversation, as a chat template sees it.
///
/// The content is plain text: callers with richer content (parts, null) flatten it first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`, or another role that the template knows.
    pub role: String,
    /// The content.
    pub content: String,
    /// Further fields that a template may read (`name`, `tool_calls`, ...), beside the two above.
    #[serde(flatten)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

impl Message {
    /// A message of two fields.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), extra: serde_json::Map::new() }
    }
}
