//! Keeps an answer from repeating itself where that is wrong: a key in one object, or a call with the same name and arguments.
//!
//! A grammar without context cannot say this. So tokens that would complete a repetition are taken out of those that it allows, and so are
//! tokens behind which nothing but a repetition can follow.

use std::sync::Arc;

use llguidance::earley::Parser;
use llguidance::toktrie::Recognizer;
use pad_decode::TokenSet;
use pad_text::Tokenizer;

use crate::writing::{Repeat, Writing};
use crate::{Content, Shape};

/// Bytes that are looked ahead along what was written before. Where no other way has turned up by then, none is taken to be there.
const MOST_AHEAD: usize = 4096;

/// What tokens can end: prepared once for a vocabulary.
#[derive(Debug)]
pub(crate) struct Marks {
    tokenizer: Arc<Tokenizer>,
    /// Tokens with a quote.
    quotes: TokenSet,
    /// Tokens with a quote, a comma or a closing brace.
    ends: TokenSet,
}

impl Marks {
    /// The marks of a vocabulary.
    pub(crate) fn new(tokenizer: Arc<Tokenizer>) -> Self {
        let with = |marks: &[u8]| {
            let mut words = vec![0_u32; tokenizer.vocab_size().div_ceil(32)];
            for token in 0..tokenizer.vocab_size() as u32 {
                let has = tokenizer.token_bytes(token).iter().any(|byte| marks.contains(byte));
                words[token as usize / 32] |= u32::from(has) << (token % 32);
            }
            TokenSet::from_words(words)
        };
        let (quotes, ends) = (with(b"\""), with(b"\",}"));
        Self { tokenizer, quotes, ends }
    }
}

/// Follows one answer.
#[derive(Clone, Debug)]
pub(crate) struct Repeats {
    marks: Arc<Marks>,
    writing: Writing,
}

impl Repeats {
    /// What has to be followed of an answer of this shape, if anything has.
    pub(crate) fn of(shape: &Shape, marks: Arc<Marks>) -> Option<Self> {
        let writing = match (&shape.content, &shape.calls) {
            (Some(Content::Json(_)), _) => Writing::json(),
            (_, Some(_)) => Writing::text(),
            (_, None) => return None,
        };
        Some(Self { marks, writing })
    }

    /// A token was chosen.
    ///
    /// # Errors
    /// If it repeats something.
    pub(crate) fn accept(&mut self, token: u32) -> Result<(), Repeat> {
        self.writing.extend(self.marks.tokenizer.token_bytes(token))
    }

    /// The tokens of `allowed` behind which the answer repeats nothing, or need not. The parser has just told what it allows.
    pub(crate) fn without(&self, allowed: TokenSet, parser: &mut Parser) -> TokenSet {
        if !self.writing.has_something() {
            return allowed;
        }
        let (mut repeats, mut suspects) = (Vec::new(), Vec::new());
        let (suspect, in_text) = (self.writing.is_suspect(), self.writing.is_in_text());
        // Behind a call the grammar leaves few tokens.
        for token in allowed.iter().filter(|token| in_text || self.concerns(*token, suspect)) {
            let mut next = self.writing.clone();
            match next.extend(self.marks.tokenizer.token_bytes(token)) {
                Err(_) => repeats.push(token),
                Ok(()) if next.is_suspect() => suspects.push((token, next)),
                Ok(()) => {}
            }
        }
        if !suspects.is_empty() {
            // What can only follow, the parser has read already.
            let forced = parser.currently_forced_bytes().to_vec();
            parser.with_recognizer(|recognizer| {
                recognizer.trie_started("repeats");
                for (token, next) in suspects {
                    if !has_way(recognizer, self.marks.tokenizer.token_bytes(token), &forced, next) {
                        repeats.push(token);
                    }
                }
                recognizer.trie_finished();
            });
        }
        if repeats.is_empty() { allowed } else { allowed.without(&repeats) }
    }

    /// Whether a token may complete a repetition, or lead towards one. `suspect`: what is being written may become one.
    fn concerns(&self, token: u32, suspect: bool) -> bool {
        let ends = if self.writing.is_in_string() { &self.marks.quotes } else { &self.marks.ends };
        let along = |byte: &u8| self.writing.is_on_path(*byte) || (self.writing.is_between() && is_blank(*byte));
        ends.contains(token) || (suspect && self.marks.tokenizer.token_bytes(token).first().is_some_and(along))
    }
}

/// Whether the answer can go on behind a token without a repetition.
fn has_way(parser: &mut impl Recognizer, token: &[u8], forced: &[u8], mut writing: Writing) -> bool {
    if let Some(rest) = token.strip_prefix(forced) {
        let pushed = rest.iter().take_while(|byte| parser.try_push_byte(**byte)).count();
        let way = pushed < rest.len() || leaves(parser, &writing);
        parser.pop_bytes(pushed);
        return way;
    }
    let rest = forced.strip_prefix(token).unwrap_or_default();
    writing.extend(rest).is_ok() && (!writing.is_suspect() || leaves(parser, &writing))
}

/// Whether some byte leads away from what was written before, here or further on. White space between tokens leads nowhere else, where
/// there need not be any.
fn leaves(parser: &mut impl Recognizer, start: &Writing) -> bool {
    let mut looked = 0;
    // The ways that are left to be tried at each byte of the one that is being tried.
    let mut ways = vec![ahead(parser, start)];
    loop {
        looked += 1;
        match ways.last_mut().map(|ways| ways.as_mut().map(Vec::pop)) {
            // Nothing else than a repetition, or too far ahead.
            None => return false,
            _ if looked > MOST_AHEAD => {
                parser.pop_bytes(ways.len() - 1);
                return false;
            }
            Some(None) => {
                parser.pop_bytes(ways.len() - 1);
                return true;
            }
            Some(Some(None)) => {
                ways.pop();
                parser.pop_bytes(usize::from(!ways.is_empty()));
            }
            Some(Some(Some((byte, next)))) => {
                if parser.try_push_byte(byte) {
                    ways.push(ahead(parser, &next));
                }
            }
        }
    }
}

/// The bytes that stay on what was written before; none if another byte is allowed.
fn ahead(parser: &mut impl Recognizer, writing: &Writing) -> Option<Vec<(u8, Writing)>> {
    let mut along = Vec::new();
    for byte in 0..=u8::MAX {
        if writing.is_between() && is_blank(byte) {
            continue;
        }
        if !writing.is_on_path(byte) {
            if parser.byte_allowed(byte) {
                return None;
            }
            continue;
        }
        let mut next = writing.clone();
        if next.push(byte).is_err() || !parser.byte_allowed(byte) {
            continue;
        }
        if !next.is_suspect() {
            return None;
        }
        along.push((byte, next));
    }
    if along.is_empty() && writing.is_between() {
        // White space that has to be there.
        let blanks = b" \n\t\r".iter().filter(|byte| parser.byte_allowed(**byte));
        along.extend(blanks.map(|byte| (*byte, writing.clone())));
    }
    Some(along)
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}
