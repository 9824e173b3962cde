//! The completion in one piece, and the best of several.

use pad_api::{ChoicePad, Completion, CompletionChoice, FinishReason};

use super::completion;
use super::options::CompletionOptions;
use crate::ApiError;
use crate::generation::choices::Generation;
use crate::generation::envelope::Envelope;
use crate::generation::reader::AnswerPart;

/// A choice as far as it has come.
struct ChoiceDraft {
    choice: CompletionChoice,
    /// Where its next token begins, in characters.
    offset: usize,
    /// Sum of its tokens' log-probabilities.
    logprob: f64,
    tokens: u32,
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
            logprob: 0.0,
            tokens: 0,
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
            self.logprob += f64::from(token.logprob);
            self.tokens += 1;
        }
        if let Some(end) = part.end {
            self.choice.finish_reason = Some(end.reason);
        }
    }

    /// Mean log-probability of its tokens.
    fn merit(&self) -> f64 {
        self.logprob / f64::from(self.tokens.max(1))
    }
}

/// Read a generation to its end and keep the best choices of each prompt. Runs within the handler's future, so that a client
/// that hangs up drops it.
///
/// # Errors
/// 500 where a choice failed.
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
    let mut choices: Vec<CompletionChoice> = Vec::new();
    let mut of_prompt = drafts.into_iter();
    while of_prompt.len() > 0 {
        let drafts: Vec<ChoiceDraft> = of_prompt.by_ref().take(options.generation.choices).collect();
        choices.extend(best(drafts, options.keep));
    }
    for (index, choice) in choices.iter_mut().enumerate() {
        choice.index = index;
        choice.finish_reason.get_or_insert(FinishReason::Length);
    }
    Ok(completion(envelope, choices, Some(generation.tally().usage())))
}

/// The best `keep` of them, best first; all of them as they came where none is left out.
fn best(mut drafts: Vec<ChoiceDraft>, keep: usize) -> impl Iterator<Item = CompletionChoice> {
    if drafts.len() > keep {
        drafts.sort_by(|one, other| other.merit().total_cmp(&one.merit()));
        drafts.truncate(keep);
    }
    drafts.into_iter().map(|draft| draft.choice)
}
