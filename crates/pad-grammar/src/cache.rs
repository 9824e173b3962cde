//! A cache of compiled grammars: agents send the same tools again and again.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::matcher::ShapeGrammar;

/// Notations and what they were compiled to, within a number of bytes.
#[derive(Debug)]
pub(crate) struct Cache {
    room: usize,
    kept: Mutex<VecDeque<Entry>>,
}

#[derive(Debug)]
struct Entry {
    notation: String,
    grammar: ShapeGrammar,
    bytes: usize,
}

impl Cache {
    /// An empty cache of this many bytes.
    pub(crate) fn new(room: usize) -> Self {
        Self { room, kept: Mutex::default() }
    }

    /// A copy of the grammar of a notation, if it is kept. It is then the latest.
    pub(crate) fn find(&self, notation: &str) -> Option<ShapeGrammar> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|entry| entry.notation == notation)?;
        let entry = kept.remove(at)?;
        let grammar = entry.grammar.copy();
        kept.push_back(entry);
        Some(grammar)
    }

    /// Keep a grammar; the ones that were not asked for longest go. One that is larger than all of the room is not kept.
    pub(crate) fn keep(&self, notation: &str, grammar: &ShapeGrammar) {
        let bytes = grammar.bytes() + notation.len();
        if bytes > self.room {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|entry| entry.notation != notation);
        kept.push_back(Entry { notation: notation.to_owned(), grammar: grammar.copy(), bytes });
        let mut total: usize = kept.iter().map(|entry| entry.bytes).sum();
        while total > self.room {
            total -= kept.pop_front().map_or(0, |entry| entry.bytes);
        }
    }
}
