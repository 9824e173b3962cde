//! A generation as the chunks of a completion's stream.

use pad_api::{ChoicePad, CompletionChoice, FinishReason, TextLogprobs};

use super::answer::completion;
use super::options::CompletionOptions;
use crate::generation::envelope::Envelope;
use crate::generation::frames::{Frame, StreamShape};
use crate::generation::reader::AnswerPart;
use crate::generation::tally::Tally;
use crate::generation::token_details::TokenDetails;

/// The shape of a completion's stream.
pub(crate) struct CompletionChunks {
    envelope: Envelope,
    include_usage: bool,
    details: TokenDetails,
    /// The text that each choice begins with.
    beginnings: Vec<(String, Option<TextLogprobs>)>,
    /// Where the next token of each choice begins, in characters.
    offsets: Vec<usize>,
}

impl CompletionChunks {
    pub(crate) fn new(envelope: Envelope, options: &CompletionOptions, choices: usize) -> Self {
        let (include_usage, details) = (options.generation.include_usage, options.generation.details);
        let beginning =
            |index| (options.beginning(index).to_owned(), details.logprobs.map(|_| options.prompt_logprobs(index)));
        let beginnings: Vec<_> = (0..choices).map(beginning).collect();
        let offsets = beginnings.iter().map(|(text, _)| text.chars().count()).collect();
        Self { envelope, include_usage, details, beginnings, offsets }
    }

    fn chunk(
        &self,
        index: usize,
        text: String,
        logprobs: Option<TextLogprobs>,
        pad: Option<ChoicePad>,
        finish_reason: Option<FinishReason>,
    ) -> Frame {
        let choice = CompletionChoice { index, text, logprobs, finish_reason, pad };
        Frame::data(&completion(self.envelope.clone(), vec![choice], None))
    }
}

impl StreamShape for CompletionChunks {
    /// The prompts, where they are echoed.
    fn opening(&mut self) -> Vec<Frame> {
        let beginnings = std::mem::take(&mut self.beginnings);
        let echoed = beginnings.into_iter().enumerate().filter(|(_, (text, _))| !text.is_empty());
        echoed.map(|(index, (text, logprobs))| self.chunk(index, text, logprobs, None, None)).collect()
    }

    /// Text with its trace, then the end in a separate chunk.
    fn part(&mut self, index: usize, part: AnswerPart) -> Vec<Frame> {
        let AnswerPart { text, trace, logprobs: entries, end, .. } = part;
        let mut logprobs = self.details.logprobs.map(|_| TextLogprobs::default());
        for entry in entries {
            if let Some(logprobs) = &mut logprobs {
                self.offsets[index] = logprobs.push(entry, self.offsets[index]);
            }
        }
        let mut pad = self.details.trace.then_some(ChoicePad { trace });
        let mut frames = Vec::new();
        if !text.is_empty() {
            frames.push(self.chunk(index, text, logprobs.take(), pad.take(), None));
        }
        if let Some(end) = end {
            let logprobs = logprobs.filter(|logprobs| !logprobs.tokens.is_empty());
            let pad = pad.filter(|pad| !pad.trace.is_empty());
            frames.push(self.chunk(index, String::new(), logprobs, pad, Some(end.reason)));
        }
        frames
    }

    async fn end(&mut self, tally: &Tally) -> Vec<Frame> {
        let usage = || Frame::data(&completion(self.envelope.clone(), Vec::new(), Some(tally.usage())));
        let usage = self.include_usage.then(usage);
        usage.into_iter().chain([Frame::Done]).collect()
    }
}
