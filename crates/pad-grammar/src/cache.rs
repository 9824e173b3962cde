//! A cache of compiled grammars: agents send the same tools again and again.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::matcher::ShapeGrammar;

/// What a compiled grammar is found by: the scope of its requests, and its notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheKey {
    pub(crate) scope: [u8; 32],
    pub(crate) notation: String,
}

/// Keys and what their notations were compiled to, within a number of bytes.
#[derive(Debug)]
pub(crate) struct Cache {
    room: usize,
    kept: Mutex<VecDeque<Entry>>,
}

#[derive(Debug)]
struct Entry {
    key: CacheKey,
    grammar: ShapeGrammar,
    bytes: usize,
}

impl Cache {
    /// An empty cache of this many bytes.
    pub(crate) fn new(room: usize) -> Self {
        Self { room, kept: Mutex::default() }
    }

    /// A copy of the grammar of a key, if it is cached. It is then the latest.
    pub(crate) fn find(&self, key: &CacheKey) -> Option<ShapeGrammar> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|entry| entry.key == *key)?;
        let entry = kept.remove(at)?;
        let grammar = entry.grammar.copy();
        kept.push_back(entry);
        Some(grammar)
    }

    /// Keep a grammar; the least recently used ones are dropped. One that is larger than the whole cache is not kept.
    pub(crate) fn keep(&self, key: CacheKey, grammar: &ShapeGrammar) {
        let bytes = grammar.bytes() + key.notation.len();
        if bytes > self.room {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|entry| entry.key != key);
        kept.push_back(Entry { key, grammar: grammar.copy(), bytes });
        let mut total: usize = kept.iter().map(|entry| entry.bytes).sum();
        while total > self.room {
            total -= kept.pop_front().map_or(0, |entry| entry.bytes);
        }
    }
}
