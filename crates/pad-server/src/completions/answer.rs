//! A completion as it goes over the wire.

use pad_api::{Completion, CompletionChoice, ObjectKind, Usage};

use crate::generation::envelope::Envelope;

/// A completion, or a part of one.
pub(super) fn completion(envelope: Envelope, choices: Vec<CompletionChoice>, usage: Option<Usage>) -> Completion {
    let Envelope { id, created, model, system_fingerprint } = envelope;
    Completion { id, object: ObjectKind::TextCompletion, created, model, system_fingerprint, choices, usage }
}
