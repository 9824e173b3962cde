//! A generation as the typed events of a response's stream.

use pad_api::{Happening, OutputCall, OutputItem, OutputText, ResponseEvent, ResponseStatus};

use super::draft::ResponseDraft;
use super::output::Growth;
use crate::ApiError;
use crate::generation::frames::{Frame, StreamShape};
use crate::generation::reader::AnswerPart;
use crate::generation::tally::Tally;

/// The shape of a response's stream.
pub(super) struct ResponseEvents {
    draft: ResponseDraft,
    /// The next event's number.
    next: u64,
    /// The last item's place and id.
    item: (u64, String),
    /// Items that have begun.
    begun: u64,
}

impl ResponseEvents {
    pub(super) fn new(draft: ResponseDraft) -> Self {
        Self { draft, next: 0, item: (0, String::new()), begun: 0 }
    }

    fn told(&mut self, grown: Vec<Growth>) -> Vec<Happening> {
        grown.into_iter().flat_map(|growth| self.happened(growth)).collect()
    }

    fn happened(&mut self, growth: Growth) -> Vec<Happening> {
        if let Growth::Begins(item) = &growth {
            self.item = (self.begun, id(item).to_owned());
            self.begun += 1;
        }
        let (output_index, item_id) = self.item.clone();
        match growth {
            Growth::Begins(item @ OutputItem::FunctionCall(_)) => vec![Happening::ItemAdded { output_index, item }],
            Growth::Begins(item @ OutputItem::Message(_)) => {
                let part = OutputText::new(String::new());
                vec![
                    Happening::ItemAdded { output_index, item },
                    Happening::PartAdded { item_id, output_index, content_index: 0, part },
                ]
            }
            Growth::Words(delta, logprobs) => {
                vec![Happening::Delta { item_id, output_index, content_index: 0, delta, logprobs }]
            }
            Growth::Arguments(delta) => vec![Happening::Arguments { item_id, output_index, delta }],
            Growth::Ends(OutputItem::FunctionCall(call)) => {
                let OutputCall { name, arguments, .. } = call.clone();
                let item = OutputItem::FunctionCall(call);
                vec![
                    Happening::ArgumentsDone { item_id, output_index, name, arguments },
                    Happening::ItemDone { output_index, item },
                ]
            }
            Growth::Ends(OutputItem::Message(message)) => {
                let part = message.content.first().cloned().unwrap_or_else(|| OutputText::new(String::new()));
                let (text, logprobs) = (part.text.clone(), part.logprobs.clone());
                let (done, item) = (item_id.clone(), OutputItem::Message(message));
                vec![
                    Happening::TextDone { item_id, output_index, content_index: 0, text, logprobs },
                    Happening::PartDone { item_id: done, output_index, content_index: 0, part },
                    Happening::ItemDone { output_index, item },
                ]
            }
        }
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

fn id(item: &OutputItem) -> &str {
    match item {
        OutputItem::Message(message) => &message.id,
        OutputItem::FunctionCall(call) => &call.id,
    }
}

impl StreamShape for ResponseEvents {
    /// Everything before the first words.
    fn opening(&mut self) -> Vec<Frame> {
        let response = || Box::new(self.draft.response().clone());
        let mut happened =
            vec![Happening::Created { response: response() }, Happening::InProgress { response: response() }];
        let grown = self.draft.open();
        happened.extend(self.told(grown));
        self.frames(happened)
    }

    fn part(&mut self, _: usize, part: AnswerPart) -> Vec<Frame> {
        let grown = self.draft.add(part);
        let happened = self.told(grown);
        self.frames(happened)
    }

    fn end(&mut self, tally: &Tally) -> Vec<Frame> {
        let response = Box::new(self.draft.finished(tally));
        let last = match response.status {
            ResponseStatus::Completed => Happening::Completed { response },
            _ => Happening::Incomplete { response },
        };
        self.frames([last])
    }

    fn broken(&mut self, error: &ApiError) -> Vec<Frame> {
        let response = Box::new(self.draft.broken(error));
        self.frames([Happening::Failed { response }])
    }
}
