//! A generation as the typed events of a response's stream.

use pad_api::{OutputCall, OutputItem, OutputText, ResponseEvent, ResponseEventKind, ResponseStatus};

use super::draft::ResponseDraft;
use super::output::OutputChange;
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

    fn event_kinds(&mut self, grown: Vec<OutputChange>) -> Vec<ResponseEventKind> {
        grown.into_iter().flat_map(|growth| self.kinds_of(growth)).collect()
    }

    fn kinds_of(&mut self, growth: OutputChange) -> Vec<ResponseEventKind> {
        if let OutputChange::Begins(item) = &growth {
            self.item = (self.begun, id(item).to_owned());
            self.begun += 1;
        }
        let (output_index, item_id) = self.item.clone();
        match growth {
            OutputChange::Begins(item @ OutputItem::FunctionCall(_)) => {
                vec![ResponseEventKind::ItemAdded { output_index, item }]
            }
            OutputChange::Begins(item @ OutputItem::Message(_)) => {
                let part = OutputText::new(String::new());
                vec![
                    ResponseEventKind::ItemAdded { output_index, item },
                    ResponseEventKind::PartAdded { item_id, output_index, content_index: 0, part },
                ]
            }
            OutputChange::Words(delta, logprobs) => {
                vec![ResponseEventKind::Delta { item_id, output_index, content_index: 0, delta, logprobs }]
            }
            OutputChange::Arguments(delta) => vec![ResponseEventKind::Arguments { item_id, output_index, delta }],
            OutputChange::Ends(OutputItem::FunctionCall(call)) => {
                let OutputCall { name, arguments, .. } = call.clone();
                let item = OutputItem::FunctionCall(call);
                vec![
                    ResponseEventKind::ArgumentsDone { item_id, output_index, name, arguments },
                    ResponseEventKind::ItemDone { output_index, item },
                ]
            }
            OutputChange::Ends(OutputItem::Message(message)) => {
                let part = message.content.first().cloned().unwrap_or_else(|| OutputText::new(String::new()));
                let (text, logprobs) = (part.text.clone(), part.logprobs.clone());
                let (done, item) = (item_id.clone(), OutputItem::Message(message));
                vec![
                    ResponseEventKind::TextDone { item_id, output_index, content_index: 0, text, logprobs },
                    ResponseEventKind::PartDone { item_id: done, output_index, content_index: 0, part },
                    ResponseEventKind::ItemDone { output_index, item },
                ]
            }
        }
    }

    fn frames(&mut self, happened: impl IntoIterator<Item = ResponseEventKind>) -> Vec<Frame> {
        let frame = |what: ResponseEventKind| {
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
        let mut happened = vec![
            ResponseEventKind::Created { response: response() },
            ResponseEventKind::InProgress { response: response() },
        ];
        let grown = self.draft.open();
        happened.extend(self.event_kinds(grown));
        self.frames(happened)
    }

    fn part(&mut self, _: usize, part: AnswerPart) -> Vec<Frame> {
        let grown = self.draft.add(part);
        let happened = self.event_kinds(grown);
        self.frames(happened)
    }

    async fn end(&mut self, tally: &Tally) -> Vec<Frame> {
        let response = Box::new(self.draft.finished(tally).await);
        let last = match response.status {
            ResponseStatus::Completed => ResponseEventKind::Completed { response },
            _ => ResponseEventKind::Incomplete { response },
        };
        self.frames([last])
    }

    fn broken(&mut self, error: &ApiError) -> Vec<Frame> {
        let response = Box::new(self.draft.broken(error));
        self.frames([ResponseEventKind::Failed { response }])
    }
}
