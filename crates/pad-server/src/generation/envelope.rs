//! What is the same in every part of an answer: id, time, model.

use std::time::{SystemTime, UNIX_EPOCH};

use pad_api::{ChatChoice, ChatChunk, ChatCompletion, ChunkChoice, Completion, CompletionChoice, ObjectKind, Usage};

use crate::state::ModelCard;

/// The constant fields of one completion.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    id: String,
    created: u64,
    model: String,
    system_fingerprint: String,
}

impl Envelope {
    /// A new chat completion of this model.
    pub(crate) fn new(model: &ModelCard) -> Self {
        Self::named(model, "chatcmpl")
    }

    /// A new answer of this model, whose id begins so.
    pub(crate) fn named(model: &ModelCard, kind: &str) -> Self {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            id: format!("{kind}-{:032x}", rand::random::<u128>()),
            created,
            model: model.id.clone(),
            system_fingerprint: model.fingerprint.clone(),
        }
    }

    /// The whole answer.
    pub(crate) fn completion(self, choices: Vec<ChatChoice>, usage: Usage) -> ChatCompletion {
        let Self { id, created, model, system_fingerprint } = self;
        ChatCompletion { id, object: ObjectKind::ChatCompletion, created, model, system_fingerprint, choices, usage }
    }

    /// A chunk about one choice.
    pub(crate) fn chunk(&self, choice: ChunkChoice) -> ChatChunk {
        ChatChunk { choices: vec![choice], ..self.usage_chunk(None) }
    }

    /// The chunk that has no choice.
    pub(crate) fn usage_chunk(&self, usage: Option<Usage>) -> ChatChunk {
        ChatChunk {
            id: self.id.clone(),
            object: ObjectKind::ChatCompletionChunk,
            created: self.created,
            model: self.model.clone(),
            system_fingerprint: self.system_fingerprint.clone(),
            choices: Vec::new(),
            usage,
        }
    }

    /// A completion of plain prompts, or a part of one.
    pub(crate) fn text(&self, choices: Vec<CompletionChoice>, usage: Option<Usage>) -> Completion {
        Completion {
            id: self.id.clone(),
            object: ObjectKind::TextCompletion,
            created: self.created,
            model: self.model.clone(),
            system_fingerprint: self.system_fingerprint.clone(),
            choices,
            usage,
        }
    }
}
