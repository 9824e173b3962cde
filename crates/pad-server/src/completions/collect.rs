//! The completion in one piece, and the best of several.

use pad_api::{ChoicePad, Completion, CompletionChoice, FinishReason};

use super::answer::completion;
use super::options::CompletionOptions;
use crate::ApiError;
use crate::generation::best_of::Merit;
use crate::generation::choices::Generation;
use crate::generation::envelope::Envelope;
use crate::generation::reader::AnswerPart;

/// A choice as far as it has come.
struct ChoiceDraft {
    choice: CompletionChoice,
    /// Where its next token begins, in characters.
    offset: usize,
    merit: Merit,
}

impl ChoiceDraft {
    fn new(options: &CompletionOptions, index: usize) -> Self {
        let text = options.beginning(index).to_owned();
        let details = options.generation.details;
        Self {
            offset: text.chars().count(),
            choice: CompletionChoice {
                index,
                text,
                logprobs: details.logprobs.map(|_| options.prompt_logprobs(index)),
                finish_reason: None,
                pad: details.trace.then(ChoicePad::default),
            },
            merit: Merit::default(),
        }
    }

    fn add(&mut self, part: AnswerPart) {
        self.choice.text.push_str(&part.text);
        if let Some(pad) = &mut self.choice.pad {
            pad.trace.extend(part.trace);
        }
        if let Some(logprobs) = &mut self.choice.logprobs {
            for entry in part.logprobs {
                self.offset = logprobs.push(entry, self.offset);
            }
        }
        if let Some(token) = part.token {
            self.merit.add(token);
        }
        if let Some(end) = part.end {
            self.choice.finish_reason = Some(end.reason);
        }
    }
}

/// Read a generation to its end and keep the best choices of each prompt. Runs within the handler's future, so that a client
/// that hangs up drops it.
///
/// # Errors
/// 400 where a choice's form went beyond its bounds, 500 where the engine failed, 503 if the server shuts down first.
pub(crate) async fn collect(
    mut generation: Generation,
    envelope: Envelope,
    options: &CompletionOptions,
) -> Result<Completion, ApiError> {
    let mut drafts: Vec<ChoiceDraft> =
        (0..generation.choices()).map(|index| ChoiceDraft::new(options, index)).collect();
    while let Some((index, part)) = generation.next().await? {
        drafts[index].add(part);
    }
    let drafts = drafts.into_iter().map(|draft| (draft.merit, draft.choice)).collect();
    let (mut choices, best_of) = options.generation.best_of.select(drafts);
    for (index, choice) in choices.iter_mut().enumerate() {
        choice.index = index;
        choice.finish_reason.get_or_insert(FinishReason::Length);
    }
    let mut usage = generation.tally().usage();
    usage.pad.best_of = best_of;
    Ok(completion(envelope, choices, Some(usage)))
}
