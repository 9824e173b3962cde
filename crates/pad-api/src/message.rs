//! A message of a conversation.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::object::objects;
use crate::{Content, FunctionCall, ToolCall, ToolKind};

/// The role of the speaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// OpenAI's newer name for `system`.
    Developer,
    /// Sets the assistant's behaviour.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool that the assistant called.
    Tool,
    /// The older name of `tool`.
    Function,
}

impl Role {
    /// The role's name in chat templates, where a developer is the system.
    pub fn template_name(self) -> &'static str {
        match self {
            Self::Developer | Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool | Self::Function => "tool",
        }
    }
}

/// One message of the conversation.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(remote = "Self")]
pub struct ChatMessage {
    /// The role of the speaker.
    pub role: Role,
    /// The content; null if an assistant only calls tools.
    pub content: Option<Content>,
    /// The speaker's name, for templates that show it.
    pub name: Option<String>,
    /// Tools that the assistant called.
    pub tool_calls: Option<Vec<ToolCall>>,
    /// The one function that the assistant called, under the older name; it is read as the last of `tool_calls`.
    #[schema(deprecated)]
    pub function_call: Option<FunctionCall>,
    /// The call that a tool message answers.
    pub tool_call_id: Option<String>,
}

impl ChatMessage {
    /// Takes the assistant's calls from whichever of the two fields has them.
    pub fn take_calls(&mut self) -> Vec<ToolCall> {
        let mut calls = self.tool_calls.take().unwrap_or_default();
        let older = self.function_call.take();
        calls.extend(older.map(|function| ToolCall { id: function.name.clone(), kind: ToolKind::Function, function }));
        calls
    }
}

objects! {
    ChatMessage: "an object with `role` and `content`",
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_slice;

    #[test]
    fn developer_is_the_templates_system() {
        let body = br#"{"role": "developer", "content": "Be brief.", "name": "ops"}"#;
        let message: ChatMessage = from_slice(body).expect("a message").value;
        assert_eq!((message.role, message.role.template_name()), (Role::Developer, "system"));
        assert_eq!(message.name.as_deref(), Some("ops"));
    }

    #[test]
    fn a_reply_of_the_sdk_can_be_sent_back() {
        let body = br#"{"content": null, "refusal": null, "role": "assistant", "annotations": null, "audio": null,
            "function_call": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}"#;
        let message: ChatMessage = from_slice(body).expect("a message").value;
        assert!(message.content.is_none());
        assert_eq!(message.tool_calls.map(|calls| calls.len()), Some(1));
    }

    #[test]
    fn the_older_names_of_tools_are_read() {
        let body = br#"{"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}}"#;
        let mut message: ChatMessage = from_slice(body).expect("a message").value;
        let calls = message.take_calls();
        assert_eq!((calls.len(), calls[0].function.name.as_str()), (1, "f"));
        let body = br#"{"role": "function", "name": "f", "content": "42"}"#;
        let message: ChatMessage = from_slice(body).expect("a message").value;
        assert_eq!(message.role.template_name(), "tool");
    }

    #[test]
    fn an_array_is_no_message_and_a_role_is_one_of_six() {
        let error = from_slice::<ChatMessage>(br#"["user", "hi"]"#).expect_err("not an object");
        assert!(error.message.contains("an object with `role` and `content`"), "{}", error.message);
        let error = from_slice::<ChatMessage>(br#"{"role": "robot", "content": "hi"}"#).expect_err("no such role");
        assert_eq!(error.param.as_deref(), Some("role"));
        assert!(
            error.message.contains("`developer`, `system`, `user`, `assistant`, `tool`, `function`"),
            "{}",
            error.message
        );
    }
}
