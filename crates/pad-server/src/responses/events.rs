//! A generation as the typed events of a response's stream.

use pad_api::{Happening, OutputText, ResponseEvent, ResponseStatus};

use super::draft::Draft;
use crate::ApiError;
use crate::chat::frames::{Frame, Shape};
use crate::chat::reader::Part;
use crate::chat::tally::Tally;

/// The shape of a response's stream.
pub(super) struct Events {
    draft: Draft,
    /// The next event's number.
    next: u64,
}

impl Events {
    pub(super) fn new(draft: Draft) -> Self {
        Self { draft, next: 0 }
    }

    /// Everything before the first words.
    pub(super) fn opening(&mut self) -> Vec<Frame> {
        let response = || Box::new(self.draft.response().clone());
        let happened = [
            Happening::Created { response: response() },
            Happening::InProgress { response: response() },
            Happening::ItemAdded { output_index: 0, item: self.draft.message(ResponseStatus::InProgress, Vec::new()) },
            Happening::PartAdded {
                item_id: self.draft.message_id().to_owned(),
                output_index: 0,
                content_index: 0,
                part: OutputText::new(String::new()),
            },
        ];
        self.frames(happened)
    }

    fn frames(&mut self, happened: impl IntoIterator<Item = Happening>) -> Vec<Frame> {
        let frame = |what: Happening| {
            let name = what.name();
            let event = ResponseEvent { sequence_number: self.next, what };
            self.next += 1;
            Frame::named(name, &event)
        };
        happened.into_iter().map(frame).collect()
    }
}

impl Shape for Events {
    fn part(&mut self, _: usize, part: Part) -> Vec<Frame> {
        let delta = part.text.clone();
        self.draft.add(part);
        if delta.is_empty() {
            return Vec::new();
        }
        let item_id = self.draft.message_id().to_owned();
        self.frames([Happening::Delta { item_id, output_index: 0, content_index: 0, delta, logprobs: Vec::new() }])
    }

    fn end(&mut self, tally: &Tally) -> Vec<Frame> {
        let (item_id, text) = (self.draft.message_id().to_owned(), self.draft.text().to_owned());
        let part = OutputText::new(text.clone());
        let status = self.draft.status();
        let item = self.draft.message(status, vec![part.clone()]);
        let response = Box::new(self.draft.finished(tally));
        let last = match status {
            ResponseStatus::Completed => Happening::Completed { response },
            _ => Happening::Incomplete { response },
        };
        let done = item_id.clone();
        self.frames([
            Happening::TextDone { item_id, output_index: 0, content_index: 0, text, logprobs: Vec::new() },
            Happening::PartDone { item_id: done, output_index: 0, content_index: 0, part },
            Happening::ItemDone { output_index: 0, item },
            last,
        ])
    }

    fn broken(&mut self, error: &ApiError) -> Vec<Frame> {
        let response = Box::new(self.draft.broken(error));
        self.frames([Happening::Failed { response }])
    }
}
