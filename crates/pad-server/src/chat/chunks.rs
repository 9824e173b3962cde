//! A generation as the chunks of a stream.

use std::collections::VecDeque;

use pad_api::{ChatChunk, ChoicePad, ChunkChoice, Delta, ErrorBody, FinishReason, Logprobs, TokenLogprob, TokenTrace};

use super::envelope::Envelope;
use super::generation::Generation;
use super::options::Details;
use super::reader::Part;

/// One message of the stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    /// More of the answer.
    Chunk(Box<ChatChunk>),
    /// The answer broke off.
    Error(ErrorBody),
    /// The stream is complete.
    Done,
}

/// A generation, and the frames that are ready to be sent.
pub(crate) struct Chunks {
    /// None once it has ended or failed.
    generation: Option<Generation>,
    envelope: Envelope,
    /// Send `usage` before the end.
    include_usage: bool,
    details: Details,
    /// Which choices have had their opening chunk.
    opened: Vec<bool>,
    ready: VecDeque<Frame>,
}

impl Chunks {
    pub(crate) fn new(generation: Generation, envelope: Envelope, include_usage: bool, details: Details) -> Self {
        let opened = vec![false; generation.choices()];
        Self { generation: Some(generation), envelope, include_usage, details, opened, ready: VecDeque::new() }
    }

    /// The next frame; `Done` is the last.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            let generation = self.generation.as_mut()?;
            match generation.next().await {
                Ok(Some((index, part))) => self.add(index, part),
                Ok(None) => self.close(),
                Err(error) => {
                    self.generation = None;
                    self.ready.extend([Frame::Error(error.body()), Frame::Done]);
                }
            }
        }
    }

    /// Opening before the first words, words with their explanations, the end in a chunk of its own.
    fn add(&mut self, index: usize, part: Part) {
        if !std::mem::replace(&mut self.opened[index], true) {
            self.push(index, Delta::opening(), None, Told::default());
        }
        let Details { trace, logprobs } = self.details;
        let mut told =
            Told { trace: trace.then_some(part.trace), logprobs: logprobs.is_some().then_some(part.logprobs) };
        if !part.text.is_empty() {
            let with_text = told.take();
            self.push(index, Delta::text(part.text), None, with_text);
        }
        if let Some(end) = part.end {
            self.push(index, Delta::default(), Some(end.reason), told.unless_empty());
        }
    }

    fn close(&mut self) {
        let Some(generation) = self.generation.take() else { return };
        if self.include_usage {
            let chunk = self.envelope.usage_chunk(Some(generation.tally().usage()));
            self.ready.push_back(Frame::Chunk(Box::new(chunk)));
        }
        self.ready.push_back(Frame::Done);
    }

    fn push(&mut self, index: usize, delta: Delta, finish_reason: Option<FinishReason>, told: Told) {
        let pad = told.trace.map(|trace| ChoicePad { trace });
        let logprobs = told.logprobs.map(|content| Logprobs { content, refusal: None });
        let choice = ChunkChoice { index, delta, logprobs, finish_reason, pad };
        self.ready.push_back(Frame::Chunk(Box::new(self.envelope.chunk(choice))));
    }
}

/// What is told of tokens, where it was asked for.
#[derive(Default)]
struct Told {
    trace: Option<Vec<TokenTrace>>,
    logprobs: Option<Vec<TokenLogprob>>,
}

impl Told {
    /// All that is there; nothing of it remains.
    fn take(&mut self) -> Self {
        let (trace, logprobs) = (self.trace.as_mut(), self.logprobs.as_mut());
        Self { trace: trace.map(std::mem::take), logprobs: logprobs.map(std::mem::take) }
    }

    /// Lists that have something.
    fn unless_empty(self) -> Self {
        let trace = self.trace.filter(|entries| !entries.is_empty());
        Self { trace, logprobs: self.logprobs.filter(|entries| !entries.is_empty()) }
    }
}
