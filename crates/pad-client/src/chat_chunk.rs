//! The events of a streamed chat answer.

use pad_api::{ChoicePad, TokenTrace};
use serde::Deserialize;
use serde_json::Value;

use crate::{ClientError, TokenUsage};

/// One event of the stream.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatEvent {
    /// A piece of the answer.
    Chunk(ChatChunk),
    /// `[DONE]`: the stream is over.
    Done,
}

/// A piece of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatChunk {
    /// The text that it adds, over all choices; reasoning counts.
    pub text: String,
    /// Whether it ends a choice.
    pub ends: bool,
    /// Why each of its tokens was chosen, if that was asked for.
    pub trace: Vec<TokenTrace>,
    /// Token counts, in the last chunk.
    pub usage: Option<TokenUsage>,
}

#[derive(Deserialize)]
struct WireChunk {
    #[serde(default)]
    choices: Vec<WireChoice>,
    usage: Option<TokenUsage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct WireChoice {
    #[serde(default)]
    delta: WireDelta,
    pad: Option<ChoicePad>,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct WireDelta {
    content: Option<String>,
    /// Text that a model writes before its answer; servers use one name or the other.
    reasoning_content: Option<String>,
    reasoning: Option<String>,
}

impl ChatEvent {
    /// Reads the data of a server-sent event.
    ///
    /// # Errors
    ///
    /// [`ClientError::Stream`] when it is an error of the server, or neither a chunk nor `[DONE]`.
    pub fn parse(data: &str) -> Result<Self, ClientError> {
        if data.trim() == "[DONE]" {
            return Ok(Self::Done);
        }
        let chunk: WireChunk =
            serde_json::from_str(data).map_err(|_| ClientError::Stream(format!("not a chunk: {data}")))?;
        if let Some(error) = chunk.error {
            let message = error["message"].as_str().map_or_else(|| error.to_string(), str::to_owned);
            return Err(ClientError::Stream(format!("the stream has an error: {message}")));
        }
        let mut read = ChatChunk { usage: chunk.usage, ..ChatChunk::default() };
        for WireChoice { delta, pad, finish_reason } in chunk.choices {
            read.trace.extend(pad.unwrap_or_default().trace);
            read.ends |= finish_reason.is_some();
            for text in [delta.content, delta.reasoning_content, delta.reasoning].into_iter().flatten() {
                read.text += &text;
            }
        }
        Ok(Self::Chunk(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_ends_and_errors_are_told_apart() {
        let chunk = |data: &str| match ChatEvent::parse(data) {
            Ok(ChatEvent::Chunk(chunk)) => chunk,
            other => panic!("{other:?}"),
        };
        let first =
            chunk(r#"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#);
        assert_eq!(first, ChatChunk::default());
        let thought = chunk(r#"{"choices":[{"delta":{"reasoning_content":"hm"},"finish_reason":null}]}"#);
        assert_eq!(thought.text, "hm");
        assert!(chunk(r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#).ends);
        let counted = chunk(r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":6}}"#);
        assert_eq!(counted.usage.map(|usage| usage.completion_tokens), Some(6));
        assert_eq!(ChatEvent::parse(" [DONE]"), Ok(ChatEvent::Done));
        let error = |data| ChatEvent::parse(data).unwrap_err().to_string();
        assert_eq!(error(r#"{"error":{"message":"no room"}}"#), "the stream has an error: no room");
        assert_eq!(error("<html>"), "not a chunk: <html>");
    }
}
