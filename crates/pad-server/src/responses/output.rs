//! The output items of an unfinished response.

use pad_api::{
    ChoicePad, FinishReason, OutputCall, OutputItem, OutputMessage, OutputText, ResponseStatus, ResponseTool, Role,
    TokenLogprob, TokenTrace, ToolCallDelta,
};
use serde_json::Value;

use crate::generation::held_logprobs::HeldLogprobs;
use crate::generation::reader::AnswerPart;
use crate::generation::token_details::TokenDetails;

/// The items so far; the last one may be open.
pub(super) struct ResponseOutput {
    items: Vec<OutputItem>,
    open: bool,
    details: TokenDetails,
    /// Functions of namespaces.
    tools: Vec<ResponseTool>,
    /// Log-probabilities of text that may turn out to be a call.
    held: HeldLogprobs,
}

/// How the output grows. Items are as they are at that moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum OutputChange {
    /// A new item, of which there is nothing yet.
    Begins(OutputItem),
    /// More of the message's text.
    Words(String, Vec<TokenLogprob>),
    /// More of the call's arguments.
    Arguments(String),
    /// The last item is complete.
    Ends(OutputItem),
}

impl ResponseOutput {
    /// Nothing yet.
    pub(super) fn new(details: TokenDetails, tools: &[ResponseTool]) -> Self {
        let tools = tools.iter().filter(|tool| tool.namespace.is_some()).cloned().collect();
        Self { items: Vec::new(), open: false, details, tools, held: HeldLogprobs::default() }
    }

    /// A function's own name, and its namespace, by the name under which the model knows it.
    fn own_name(&self, name: String) -> (String, Option<String>) {
        match self.tools.iter().find(|tool| tool.qualified_name() == name) {
            Some(tool) => (tool.name.clone(), tool.namespace.clone()),
            None => (name, None),
        }
    }

    /// All items.
    pub(super) fn items(&self) -> &[OutputItem] {
        &self.items
    }

    /// Begin the message.
    pub(super) fn open_message(&mut self) -> Vec<OutputChange> {
        let message = OutputMessage {
            id: format!("msg_{:032x}", rand::random::<u128>()),
            status: ResponseStatus::InProgress,
            role: Role::Assistant,
            content: Vec::new(),
            pad: None,
        };
        self.begin(OutputItem::Message(message))
    }

    /// Take what comes next.
    pub(super) fn add(&mut self, part: AnswerPart) -> Vec<OutputChange> {
        let mut grown = Vec::new();
        let AnswerPart { text, calls, trace, logprobs, end, .. } = part;
        logprobs.into_iter().for_each(|entry| self.held.push(entry));
        let talks = !text.is_empty() || (end.is_some() && calls.is_empty() && self.items.is_empty());
        if talks && self.items.is_empty() {
            grown.extend(self.open_message());
        }
        let mut trace = Some(trace);
        if !text.is_empty() {
            grown.push(self.words(text));
            self.explain(trace.take());
        }
        for delta in calls {
            grown.extend(self.called(delta));
            self.explain(trace.take());
        }
        self.explain(trace);
        if let Some(end) = end {
            grown.extend(self.end(end.reason));
        }
        grown
    }

    fn begin(&mut self, item: OutputItem) -> Vec<OutputChange> {
        let mut grown = self.end(FinishReason::Stop);
        self.items.push(item.clone());
        self.open = true;
        grown.push(OutputChange::Begins(item));
        grown
    }

    fn words(&mut self, text: String) -> OutputChange {
        let logprobs = self.held.release(text.len(), false);
        if let Some(OutputItem::Message(message)) = self.items.last_mut() {
            if message.content.is_empty() {
                message.content.push(OutputText::new(String::new()));
            }
            message.content[0].text.push_str(&text);
            message.content[0].logprobs.extend_from_slice(&logprobs);
        }
        OutputChange::Words(text, logprobs)
    }

    /// A call's first delta has its id and its name, the others have more of its arguments.
    fn called(&mut self, delta: ToolCallDelta) -> Vec<OutputChange> {
        if let (Some(call_id), Some(name)) = (delta.id, delta.function.name) {
            let id = format!("fc_{:032x}", rand::random::<u128>());
            let (arguments, status) = (String::new(), ResponseStatus::InProgress);
            let (name, namespace) = self.own_name(name);
            return self.begin(OutputItem::FunctionCall(OutputCall {
                id,
                call_id,
                name,
                namespace,
                arguments,
                status,
                pad: None,
            }));
        }
        if let Some(OutputItem::FunctionCall(call)) = self.items.last_mut() {
            call.arguments.push_str(&delta.function.arguments);
        }
        vec![OutputChange::Arguments(delta.function.arguments)]
    }

    /// Why the tokens of the last item were chosen.
    fn explain(&mut self, trace: Option<Vec<TokenTrace>>) {
        let Some(trace) = trace.filter(|trace| !trace.is_empty()) else { return };
        let pad = match self.items.last_mut() {
            Some(OutputItem::Message(message)) => &mut message.pad,
            Some(OutputItem::FunctionCall(call)) => &mut call.pad,
            None => return,
        };
        pad.get_or_insert_with(ChoicePad::default).trace.extend(trace);
    }

    /// Complete the last item, if it is open.
    fn end(&mut self, reason: FinishReason) -> Vec<OutputChange> {
        if !std::mem::take(&mut self.open) {
            return Vec::new();
        }
        let Some(item) = self.items.last_mut() else { return Vec::new() };
        match item {
            OutputItem::Message(message) => {
                if message.content.is_empty() {
                    message.content.push(OutputText::new(String::new()));
                }
                // What is left of an entry that begins in the text; the others are a call's.
                message.content[0].logprobs.extend(self.held.cut(0));
                message.status = status(reason);
            }
            OutputItem::FunctionCall(call) => {
                let whole = serde_json::from_str::<Value>(&call.arguments).is_ok();
                call.status = if whole { ResponseStatus::Completed } else { ResponseStatus::Incomplete };
            }
        }
        let pad = match item {
            OutputItem::Message(message) => &mut message.pad,
            OutputItem::FunctionCall(call) => &mut call.pad,
        };
        if self.details.trace {
            pad.get_or_insert_with(ChoicePad::default);
        }
        vec![OutputChange::Ends(item.clone())]
    }
}

/// How far something has come that ended so.
pub(super) fn status(reason: FinishReason) -> ResponseStatus {
    if reason == FinishReason::Length { ResponseStatus::Incomplete } else { ResponseStatus::Completed }
}
