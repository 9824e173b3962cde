//! Stored responses that later ones may continue: the latest ones, in memory, limited in number and size.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use pad_api::{ChoicePad, OutputItem, Response};
use pad_text::Message;
use serde_json::Value;

/// A response, and the conversation up to its end.
#[derive(Debug)]
pub(crate) struct StoredResponse {
    pub(crate) response: Response,
    pub(crate) conversation: Vec<Message>,
    /// Whose it is: the digest of the key that asked for it.
    owner: Option<[u8; 32]>,
    bytes: usize,
}

/// What is remembered, the one that was used the longest time ago first.
#[derive(Debug)]
pub(crate) struct ResponseMemory {
    /// Responses that are kept.
    most: usize,
    /// Bytes that they may take.
    most_bytes: usize,
    kept: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_id: HashMap<String, Arc<StoredResponse>>,
    order: VecDeque<String>,
    bytes: usize,
}

impl ResponseMemory {
    /// An empty store for at most this many responses and bytes.
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        Self { most, most_bytes, kept: Mutex::default() }
    }

    /// Keep a response, and forget others until there is room.
    pub(crate) fn keep(&self, response: Response, conversation: Vec<Message>, owner: Option<[u8; 32]>) {
        let said: usize = conversation.iter().map(size).sum();
        let notes: usize = response.metadata.iter().map(|(name, note)| name.len() + note.len()).sum();
        // The answer is in both, and a trace is far larger than what it explains.
        let steps: usize = response.output.iter().map(steps).sum();
        let instructions = response.instructions.as_ref().map_or(0, String::len);
        let schemas = serde_json::to_vec(&(&response.tools, &response.text)).map_or(0, |json| 4 * json.len());
        let bytes = 1024 + 2 * said + notes + instructions + schemas + steps * 2048;
        if bytes > self.most_bytes || self.most == 0 {
            return;
        }
        let id = response.id.clone();
        let mut inner = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        inner.by_id.insert(id.clone(), Arc::new(StoredResponse { response, conversation, owner, bytes }));
        inner.order.push_back(id);
        inner.bytes += bytes;
        while inner.order.len() > self.most || inner.bytes > self.most_bytes {
            let Some(oldest) = inner.order.front().cloned() else { return };
            inner.remove(&oldest);
        }
    }

    /// The response of this id, if it is this owner's; it is then the latest.
    pub(crate) fn find(&self, id: &str, owner: Option<[u8; 32]>) -> Option<Arc<StoredResponse>> {
        let mut inner = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = inner.by_id.get(id).filter(|kept| kept.owner == owner).cloned()?;
        inner.order.retain(|other| other != id);
        inner.order.push_back(id.to_owned());
        Some(kept)
    }

    /// Forget the response of this id; whether there was one of this owner.
    pub(crate) fn forget(&self, id: &str, owner: Option<[u8; 32]>) -> bool {
        let mut inner = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let owned = inner.by_id.get(id).is_some_and(|kept| kept.owner == owner);
        if owned {
            inner.remove(id);
        }
        owned
    }
}

impl Entries {
    fn remove(&mut self, id: &str) {
        self.order.retain(|other| other != id);
        if let Some(kept) = self.by_id.remove(id) {
            self.bytes -= kept.bytes;
        }
    }
}

/// Bytes of a message, its calls as JSON.
fn size(message: &Message) -> usize {
    let extra: usize = message.extra.iter().map(|(name, value)| name.len() + json_size(value)).sum();
    message.role.len() + message.content.len() + extra
}

fn json_size(value: &Value) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len())
}

/// Number of tokens of an item that are listed one by one.
fn steps(item: &OutputItem) -> usize {
    let traced = |pad: &Option<ChoicePad>| pad.as_ref().map_or(0, |pad| pad.trace.len());
    match item {
        OutputItem::Message(message) => {
            traced(&message.pad) + message.content.iter().map(|part| part.logprobs.len()).sum::<usize>()
        }
        OutputItem::FunctionCall(call) => traced(&call.pad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::responses::draft::tests::response;

    const MOST: usize = 8;
    const MOST_BYTES: usize = 1 << 20;

    #[test]
    fn the_latest_are_kept() {
        let memory = ResponseMemory::new(MOST, MOST_BYTES);
        for number in 0..MOST {
            memory.keep(response(&number.to_string()), Vec::new(), None);
        }
        assert!(memory.find("0", None).is_some(), "and is the latest now");
        memory.keep(response("new"), Vec::new(), None);
        assert!(memory.find("0", None).is_some() && memory.find("1", None).is_none());
        let long = || vec![Message::new("user", "x".repeat(MOST_BYTES / 5))];
        memory.keep(response("long"), long(), None);
        memory.keep(response("longer"), long(), None);
        assert!(memory.find("longer", None).is_some() && memory.find("new", None).is_some());
        memory.keep(response("longest"), long(), None);
        assert!(memory.find("longest", None).is_some() && memory.find("long", None).is_none(), "the size is bounded");
        memory.keep(response("too long"), vec![Message::new("user", "x".repeat(MOST_BYTES))], None);
        assert!(memory.find("too long", None).is_none() && memory.find("longest", None).is_some());
        let none = ResponseMemory::new(0, MOST_BYTES);
        none.keep(response("a"), Vec::new(), None);
        assert!(none.find("a", None).is_none(), "nothing is remembered where nothing may be");
    }

    #[test]
    fn what_is_anothers_is_not_there() {
        let memory = ResponseMemory::new(MOST, MOST_BYTES);
        memory.keep(response("a"), Vec::new(), Some([1; 32]));
        assert!(memory.find("a", Some([2; 32])).is_none() && memory.find("a", None).is_none());
        assert!(!memory.forget("a", Some([2; 32])));
        assert!(memory.forget("a", Some([1; 32])) && !memory.forget("a", Some([1; 32])));
    }
}
