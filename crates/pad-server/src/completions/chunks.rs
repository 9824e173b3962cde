//! A generation as the chunks of a completion's stream.

use pad_api::{ChoicePad, CompletionChoice, FinishReason, TextLogprobs};

use super::options::CompletionOptions;
use crate::generation::envelope::Envelope;
use crate::generation::frames::{Frame, Shape};
use crate::generation::options::Details;
use crate::generation::reader::Part;
use crate::generation::tally::Tally;

/// The shape of a completion's stream.
pub(crate) struct Chunks {
    envelope: Envelope,
    include_usage: bool,
    details: Details,
    /// The text that each choice begins with.
    beginnings: Vec<(String, Option<TextLogprobs>)>,
    /// Where the next token of each choice begins, in characters.
    offsets: Vec<usize>,
}

impl Chunks {
    pub(crate) fn new(envelope: Envelope, options: &CompletionOptions, choices: usize) -> Self {
        let (include_usage, details) = (options.generation.include_usage, options.generation.details);
        let beginning = |index| (options.beginning(index).to_owned(), details.logprobs.map(|_| options.told(index)));
        let beginnings: Vec<_> = (0..choices).map(beginning).collect();
        let offsets = beginnings.iter().map(|(text, _)| text.chars().count()).collect();
        Self { envelope, include_usage, details, beginnings, offsets }
    }

    /// The prompts, where they are echoed.
    pub(crate) fn opening(&mut self) -> Vec<Frame> {
        let beginnings = std::mem::take(&mut self.beginnings);
        let told = beginnings.into_iter().enumerate().filter(|(_, (text, _))| !text.is_empty());
        told.map(|(index, (text, logprobs))| self.chunk(index, text, logprobs, None, None)).collect()
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
        Frame::data(&self.envelope.text(vec![choice], None))
    }
}

impl Shape for Chunks {
    /// Words with their explanations, then the end in a chunk of its own.
    fn part(&mut self, index: usize, part: Part) -> Vec<Frame> {
        let Part { text, trace, logprobs, end, .. } = part;
        let mut told = self.details.logprobs.map(|_| TextLogprobs::default());
        if let Some(told) = &mut told {
            for entry in logprobs {
                self.offsets[index] = told.push(entry, self.offsets[index]);
            }
        }
        let pad = self.details.trace.then_some(ChoicePad { trace });
        let mut frames = Vec::new();
        let (mut told, mut pad) = (told, pad);
        if !text.is_empty() {
            frames.push(self.chunk(index, text, told.take(), pad.take(), None));
        }
        if let Some(end) = end {
            let told = told.filter(|told| !told.tokens.is_empty());
            let pad = pad.filter(|pad| !pad.trace.is_empty());
            frames.push(self.chunk(index, String::new(), told, pad, Some(end.reason)));
        }
        frames
    }

    fn end(&mut self, tally: &Tally) -> Vec<Frame> {
        let usage = self.include_usage.then(|| Frame::data(&self.envelope.text(Vec::new(), Some(tally.usage()))));
        usage.into_iter().chain([Frame::Done]).collect()
    }
}
