//! The fields common to every part of an answer: id, time, model.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::state::ModelCard;

/// The constant fields of one answer.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) id: String,
    /// In seconds since 1970.
    pub(crate) created: u64,
    pub(crate) model: String,
    pub(crate) system_fingerprint: String,
}

impl Envelope {
    /// A new answer of this model, whose id begins so.
    pub(crate) fn new(model: &ModelCard, prefix: &str) -> Self {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            id: format!("{prefix}{:032x}", rand::random::<u128>()),
            created,
            model: model.id.clone(),
            system_fingerprint: model.fingerprint.clone(),
        }
    }
}
