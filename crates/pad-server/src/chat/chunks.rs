//! A generation as the chunks of a chat completion's stream.

use pad_api::{
    ChatChunk, ChoicePad, ChunkChoice, Delta, FinishReason, Logprobs, ObjectKind, TokenLogprob, TokenTrace, Usage,
};

use super::kept::AnswersToKeep;
use crate::generation::envelope::Envelope;
use crate::generation::frames::{Frame, StreamShape};
use crate::generation::options::GenerationOptions;
use crate::generation::reader::AnswerPart;
use crate::generation::tally::Tally;
use crate::generation::token_details::TokenDetails;

/// The shape of a chat completion's stream.
pub(crate) struct ChatChunks {
    envelope: Envelope,
    /// Send `usage` before the end.
    include_usage: bool,
    details: TokenDetails,
    /// Whether an answer may begin with a call.
    calls: bool,
    /// Which choices have had their opening chunk.
    opened: Vec<bool>,
    ready: Vec<Frame>,
    /// The answers, if they are to be stored.
    kept: Option<AnswersToKeep>,
}

impl StreamShape for ChatChunks {
    fn part(&mut self, index: usize, part: AnswerPart) -> Vec<Frame> {
        if let Some(kept) = &mut self.kept {
            kept.add(index, &part);
        }
        self.add(index, part);
        std::mem::take(&mut self.ready)
    }

    async fn end(&mut self, tally: &Tally) -> Vec<Frame> {
        if let Some(mut kept) = self.kept.take() {
            kept.keep(&self.envelope.id).await;
        }
        let usage = self.include_usage.then(|| Frame::data(&self.chunk(Vec::new(), Some(tally.usage()))));
        usage.into_iter().chain([Frame::Done]).collect()
    }
}

impl ChatChunks {
    pub(super) fn new(
        choices: usize,
        envelope: Envelope,
        options: &GenerationOptions,
        kept: Option<AnswersToKeep>,
    ) -> Self {
        let GenerationOptions { include_usage, details, .. } = *options;
        let (calls, opened) = (options.form.has_calls(), vec![false; choices]);
        Self { envelope, include_usage, details, calls, opened, ready: Vec::new(), kept }
    }

    /// An opening chunk before the first text, text with its trace, and the end in a separate chunk.
    fn add(&mut self, index: usize, part: AnswerPart) {
        if !self.opened[index] {
            let Some(opening) = self.opening_delta(&part) else { return };
            self.opened[index] = true;
            self.push(index, opening, None, ChunkDetails::default());
        }
        let TokenDetails { trace, logprobs, .. } = self.details;
        let mut details =
            ChunkDetails { trace: trace.then_some(part.trace), logprobs: logprobs.is_some().then_some(part.logprobs) };
        if !part.text.is_empty() {
            let with_text = details.take();
            self.push(index, Delta::text(part.text), None, with_text);
        }
        for call in part.calls {
            let with_call = details.take().unless_empty();
            self.push(index, Delta::calls(vec![call]), None, with_call);
        }
        if let Some(end) = part.end {
            self.push(index, Delta::default(), Some(end.reason), details.unless_empty());
        }
    }

    /// How a choice that begins with this part is opened; `None` until it is known whether it starts with text or a call.
    fn opening_delta(&self, part: &AnswerPart) -> Option<Delta> {
        if !part.text.is_empty() || !self.calls {
            return Some(Delta::opening());
        }
        if !part.calls.is_empty() {
            return Some(Delta::calling());
        }
        part.end.map(|_| Delta::opening())
    }

    fn push(&mut self, index: usize, delta: Delta, finish_reason: Option<FinishReason>, details: ChunkDetails) {
        let pad = details.trace.map(|trace| ChoicePad { trace });
        let logprobs = details.logprobs.map(|content| Logprobs { content, refusal: None });
        let choice = ChunkChoice { index, delta, logprobs, finish_reason, pad };
        self.ready.push(Frame::data(&self.chunk(vec![choice], None)));
    }

    fn chunk(&self, choices: Vec<ChunkChoice>, usage: Option<Usage>) -> ChatChunk {
        let Envelope { id, created, model, system_fingerprint } = self.envelope.clone();
        ChatChunk { id, object: ObjectKind::ChatCompletionChunk, created, model, system_fingerprint, choices, usage }
    }
}

/// The token details of a chunk, if requested.
#[derive(Default)]
struct ChunkDetails {
    trace: Option<Vec<TokenTrace>>,
    logprobs: Option<Vec<TokenLogprob>>,
}

impl ChunkDetails {
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
