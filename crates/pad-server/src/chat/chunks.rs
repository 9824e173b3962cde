//! A generation as the chunks of a chat completion's stream.

use pad_api::{ChoicePad, ChunkChoice, Delta, FinishReason, Logprobs, TokenLogprob, TokenTrace};

use crate::generation::envelope::Envelope;
use crate::generation::frames::{Frame, Shape};
use crate::generation::options::{Details, GenerationOptions};
use crate::generation::reader::Part;
use crate::generation::tally::Tally;

/// The shape of a chat completion's stream.
pub(crate) struct Chunks {
    envelope: Envelope,
    /// Send `usage` before the end.
    include_usage: bool,
    details: Details,
    /// Whether an answer may begin with a call.
    calls: bool,
    /// Which choices have had their opening chunk.
    opened: Vec<bool>,
    ready: Vec<Frame>,
}

impl Shape for Chunks {
    fn part(&mut self, index: usize, part: Part) -> Vec<Frame> {
        self.add(index, part);
        std::mem::take(&mut self.ready)
    }

    fn end(&mut self, tally: &Tally) -> Vec<Frame> {
        let usage = self.include_usage.then(|| Frame::data(&self.envelope.usage_chunk(Some(tally.usage()))));
        usage.into_iter().chain([Frame::Done]).collect()
    }
}

impl Chunks {
    pub(crate) fn new(choices: usize, envelope: Envelope, options: &GenerationOptions) -> Self {
        let GenerationOptions { include_usage, details, .. } = *options;
        let (calls, opened) = (options.form.has_calls(), vec![false; choices]);
        Self { envelope, include_usage, details, calls, opened, ready: Vec::new() }
    }

    /// Opening before the first words, words with their explanations, the end in a chunk of its own.
    fn add(&mut self, index: usize, part: Part) {
        if !self.opened[index] {
            let Some(opening) = self.opening(&part) else { return };
            self.opened[index] = true;
            self.push(index, opening, None, Told::default());
        }
        let Details { trace, logprobs, .. } = self.details;
        let mut told =
            Told { trace: trace.then_some(part.trace), logprobs: logprobs.is_some().then_some(part.logprobs) };
        if !part.text.is_empty() {
            let with_text = told.take();
            self.push(index, Delta::text(part.text), None, with_text);
        }
        for call in part.calls {
            let with_call = told.take().unless_empty();
            self.push(index, Delta::calls(vec![call]), None, with_call);
        }
        if let Some(end) = part.end {
            self.push(index, Delta::default(), Some(end.reason), told.unless_empty());
        }
    }

    /// How a choice that begins with this part is opened; none as long as it may begin with a call or with words.
    fn opening(&self, part: &Part) -> Option<Delta> {
        if !part.text.is_empty() || !self.calls {
            return Some(Delta::opening());
        }
        if !part.calls.is_empty() {
            return Some(Delta::calling());
        }
        part.end.map(|_| Delta::opening())
    }

    fn push(&mut self, index: usize, delta: Delta, finish_reason: Option<FinishReason>, told: Told) {
        let pad = told.trace.map(|trace| ChoicePad { trace });
        let logprobs = told.logprobs.map(|content| Logprobs { content, refusal: None });
        let choice = ChunkChoice { index, delta, logprobs, finish_reason, pad };
        self.ready.push(Frame::data(&self.envelope.chunk(choice)));
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
