//! The answer in one piece: the same parts as a stream's, collected.

use pad_api::{AssistantMessage, ChatChoice, ChatCompletion, ChoicePad, FinishReason, Logprobs, Role};

use super::envelope::Envelope;
use super::generation::Generation;
use super::options::Details;
use crate::ApiError;

/// Read a generation to its end. Runs within the handler's future, so that a client that hangs up drops it.
///
/// # Errors
/// 500 where a choice failed.
pub(crate) async fn collect(
    mut generation: Generation,
    envelope: Envelope,
    details: Details,
) -> Result<ChatCompletion, ApiError> {
    let mut choices: Vec<ChatChoice> = (0..generation.choices()).map(|index| empty(index, details)).collect();
    while let Some((index, part)) = generation.next().await? {
        let choice = &mut choices[index];
        if let Some(content) = &mut choice.message.content {
            content.push_str(&part.text);
        }
        if let Some(pad) = &mut choice.pad {
            pad.trace.extend(part.trace);
        }
        if let Some(logprobs) = &mut choice.logprobs {
            logprobs.content.extend(part.logprobs);
        }
        if let Some(end) = part.end {
            choice.finish_reason = end.reason;
        }
    }
    Ok(envelope.completion(choices, generation.tally().usage()))
}

fn empty(index: usize, details: Details) -> ChatChoice {
    ChatChoice {
        index,
        message: AssistantMessage { role: Role::Assistant, content: Some(String::new()), refusal: None },
        logprobs: details.logprobs.map(|_| Logprobs::default()),
        finish_reason: FinishReason::Length,
        pad: details.trace.then(ChoicePad::default),
    }
}
