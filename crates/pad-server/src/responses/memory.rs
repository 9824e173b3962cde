//! Responses that others may follow: kept in memory, the latest ones, within a number and a size.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use pad_api::Response;
use pad_text::Message;

/// Responses that are kept.
const MOST: usize = 1024;
/// Bytes of text that are kept.
const MOST_BYTES: usize = 64 << 20;

/// A response, and the conversation up to its end.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) response: Response,
    pub(crate) conversation: Vec<Message>,
    /// Whose it is: the digest of the key that asked for it.
    owner: Option<[u8; 32]>,
    bytes: usize,
}

/// What is remembered, the one that was used the longest time ago first.
#[derive(Debug, Default)]
pub(crate) struct ResponseMemory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_id: HashMap<String, Arc<Kept>>,
    order: VecDeque<String>,
    bytes: usize,
}

impl ResponseMemory {
    /// Keep a response, and forget others until there is room.
    pub(crate) fn keep(&self, response: Response, conversation: Vec<Message>, owner: Option<[u8; 32]>) {
        let said: usize = conversation.iter().map(|message| message.role.len() + message.content.len()).sum();
        let notes: usize = response.metadata.iter().map(|(name, note)| name.len() + note.len()).sum();
        // The answer is in both, and a trace is far larger than what it explains.
        let steps = response.output.iter().filter_map(|message| message.pad.as_ref()).map(|pad| pad.trace.len());
        let instructions = response.instructions.as_ref().map_or(0, String::len);
        let bytes = 1024 + 2 * said + notes + instructions + steps.sum::<usize>() * 2048;
        if bytes > MOST_BYTES {
            return;
        }
        let id = response.id.clone();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.by_id.insert(id.clone(), Arc::new(Kept { response, conversation, owner, bytes }));
        inner.order.push_back(id);
        inner.bytes += bytes;
        while inner.order.len() > MOST || inner.bytes > MOST_BYTES {
            let Some(oldest) = inner.order.front().cloned() else { return };
            inner.remove(&oldest);
        }
    }

    /// The response of this id, if it is this owner's; it is then the latest.
    pub(crate) fn find(&self, id: &str, owner: Option<[u8; 32]>) -> Option<Arc<Kept>> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = inner.by_id.get(id).filter(|kept| kept.owner == owner).cloned()?;
        inner.order.retain(|other| other != id);
        inner.order.push_back(id.to_owned());
        Some(kept)
    }

    /// Forget the response of this id; whether there was one of this owner.
    pub(crate) fn forget(&self, id: &str, owner: Option<[u8; 32]>) -> bool {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let owned = inner.by_id.get(id).is_some_and(|kept| kept.owner == owner);
        if owned {
            inner.remove(id);
        }
        owned
    }
}

impl Inner {
    fn remove(&mut self, id: &str) {
        self.order.retain(|other| other != id);
        if let Some(kept) = self.by_id.remove(id) {
            self.bytes -= kept.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::responses::draft::tests::response;

    #[test]
    fn the_latest_are_kept() {
        let memory = ResponseMemory::default();
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
    }

    #[test]
    fn what_is_anothers_is_not_there() {
        let memory = ResponseMemory::default();
        memory.keep(response("a"), Vec::new(), Some([1; 32]));
        assert!(memory.find("a", Some([2; 32])).is_none() && memory.find("a", None).is_none());
        assert!(!memory.forget("a", Some([2; 32])));
        assert!(memory.forget("a", Some([1; 32])) && !memory.forget("a", Some([1; 32])));
    }
}
