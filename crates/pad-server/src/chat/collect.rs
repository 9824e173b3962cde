//! The answer in one piece: the same parts as a stream's, collected.

use pad_api::{
    AssistantMessage, ChatChoice, ChatCompletion, ChoicePad, FinishReason, FunctionCall, Logprobs, ObjectKind, Role,
    ToolCall, ToolCallDelta, ToolKind,
};

use super::kept::AnswersToKeep;
use crate::ApiError;
use crate::generation::best_of::Merit;
use crate::generation::choices::Generation;
use crate::generation::envelope::Envelope;
use crate::generation::options::GenerationOptions;
use crate::generation::token_details::TokenDetails;
use crate::rewards::features::GivenAnswer;

/// Read a generation to its end and keep the best choices. Runs within the handler's future, so that a client that hangs up drops it.
///
/// # Errors
/// Those of [`Generation::next`].
pub(crate) async fn collect(
    mut generation: Generation,
    envelope: Envelope,
    options: &GenerationOptions,
    kept: Option<AnswersToKeep>,
) -> Result<ChatCompletion, ApiError> {
    let draft = |index| (Merit::default(), Draft { choice: empty(index, options.details), complete: false });
    let mut drafts: Vec<(Merit, Draft)> = (0..generation.choices()).map(draft).collect();
    while let Some((index, part)) = generation.next().await? {
        let (merit, Draft { choice, complete }) = &mut drafts[index];
        if let Some(token) = part.token {
            merit.add(token);
        }
        if let Some(content) = &mut choice.message.content {
            content.push_str(&part.text);
        }
        part.calls.into_iter().for_each(|delta| add(&mut choice.message.tool_calls, delta));
        if let Some(pad) = &mut choice.pad {
            pad.trace.extend(part.trace);
        }
        if let Some(logprobs) = &mut choice.logprobs {
            logprobs.content.extend(part.logprobs);
        }
        if let Some(end) = part.end {
            choice.finish_reason = end.reason;
            *complete = end.natural;
        }
    }
    let (drafts, best_of) = options.best_of.select(drafts);
    if let Some(mut kept) = kept {
        let answer = |draft: &Draft| GivenAnswer {
            text: draft.choice.message.content.clone().unwrap_or_default(),
            complete: draft.complete,
        };
        kept.answers = drafts.iter().map(answer).collect();
        kept.keep(&envelope.id).await;
    }
    let mut choices: Vec<ChatChoice> = drafts.into_iter().map(|draft| draft.choice).collect();
    for (index, choice) in choices.iter_mut().enumerate() {
        choice.index = index;
        let AssistantMessage { content, tool_calls, .. } = &mut choice.message;
        // Calls only: `content` is null.
        content.take_if(|content| content.is_empty() && !tool_calls.is_empty());
    }
    let (Envelope { id, created, model, system_fingerprint }, mut usage) = (envelope, generation.tally().usage());
    usage.pad.best_of = best_of;
    Ok(ChatCompletion { id, object: ObjectKind::ChatCompletion, created, model, system_fingerprint, choices, usage })
}

/// A choice so far.
struct Draft {
    choice: ChatChoice,
    /// Whether the model ended it.
    complete: bool,
}

fn empty(index: usize, details: TokenDetails) -> ChatChoice {
    ChatChoice {
        index,
        message: AssistantMessage {
            role: Role::Assistant,
            content: Some(String::new()),
            refusal: None,
            tool_calls: Vec::new(),
        },
        logprobs: details.logprobs.map(|_| Logprobs::default()),
        finish_reason: FinishReason::Length,
        pad: details.trace.then(ChoicePad::default),
    }
}

/// A call's first delta has its id and its name, the others have more of its arguments.
fn add(calls: &mut Vec<ToolCall>, delta: ToolCallDelta) {
    if let (Some(id), Some(name)) = (delta.id, delta.function.name) {
        calls.push(ToolCall {
            id,
            kind: ToolKind::Function,
            function: FunctionCall { name, arguments: String::new() },
        });
    }
    if let Some(call) = calls.get_mut(delta.index) {
        call.function.arguments.push_str(&delta.function.arguments);
    }
}
