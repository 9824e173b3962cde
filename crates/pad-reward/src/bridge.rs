//! The bridge to a model that has another tokenizer than the base model: the answer so far is text, which it reads in its own tokens.
//!
//! An answer is encoded word by word. What stays whatever follows is *settled*: it ends at a word of the guide's which a visible character
//! ends, and with a token of the base model. All that comes later is encoded again with each new token. So the guide reads what it would
//! read if the whole answer were encoded at once.

use std::sync::Arc;

use pad_decode::{Bridge, Crossing};
use pad_text::{Chat, TextError, Tokenizer, Word, is_cut_character};

/// So many tokens of the guide are settled wherever they end: in a text without words they would be encoded, and run, again and again.
const MOST_OPEN: usize = 32;

/// Texts that a guide's tokenizer must spell as they are, wherever in an answer they stand.
const PROBES: [&str; 7] = ["Hello", " hello", "  hello\n", "\n\n", "é 日本 😀", "1234 5", "'s"];

/// From the base model's tokens to a guide's.
#[derive(Debug)]
pub struct TokenBridge {
    base: Arc<Tokenizer>,
    guide: Arc<Tokenizer>,
    /// The tokens that end an answer of the base model.
    ends: Vec<u32>,
    /// The token that ends a turn of the guide's.
    end: Option<u32>,
}

/// Bytes that follow each other, and where the tokens that they come from end.
#[derive(Default)]
struct Run {
    bytes: Vec<u8>,
    /// Of each token with a part in it: the bytes up to its end, and its place in the answer.
    ends: Vec<(usize, usize)>,
}

/// A word of a run.
struct Piece {
    word: Word,
    /// Whether it is text that ends with a visible character: white space may become one word with more of it.
    visible: bool,
    /// Whether its first character belongs to none before it.
    begins: bool,
}

impl TokenBridge {
    /// The bridge between two chats; none where the guide's tokenizer does not spell all texts and bytes as they are.
    ///
    /// # Errors
    /// [`TextError::Encode`] if it cannot encode texts at all.
    pub fn new(base: &Chat, guide: &Chat) -> Result<Option<Self>, TextError> {
        let tokenizer = guide.tokenizer();
        for probe in PROBES {
            let tokens = tokenizer.words(probe)?.into_iter().flat_map(|word| word.tokens);
            let spelled: Vec<u8> = tokens.flat_map(|id| tokenizer.token_bytes(id).to_vec()).collect();
            if spelled != probe.as_bytes() {
                return Ok(None);
            }
        }
        let bytes_are_spelled = (0..=u8::MAX).all(|byte| tokenizer.encode_bytes(&[byte]).is_some());
        Ok(bytes_are_spelled.then(|| Self {
            base: Arc::clone(base.tokenizer()),
            guide: Arc::clone(tokenizer),
            ends: base.end_tokens().to_vec(),
            end: guide.end_of_turn(),
        }))
    }

    /// What a control token of the base model is to the guide: the end of a turn ends a turn, others are those of the same name.
    fn control(&self, token: u32) -> Option<u32> {
        if self.ends.contains(&token) {
            return self.end;
        }
        if !self.base.is_special(token) {
            return None;
        }
        let name = std::str::from_utf8(self.base.token_bytes(token)).ok()?;
        self.guide.token_id(name).filter(|id| self.guide.is_special(*id))
    }

    /// The words of a run.
    fn pieces(&self, bytes: &[u8]) -> Vec<Piece> {
        let (mut pieces, mut start) = (Vec::new(), 0);
        for chunk in bytes.utf8_chunks() {
            let text = chunk.valid();
            let mut from = 0;
            for word in self.guide.words(text).unwrap_or_default() {
                let first = text.get(from..).and_then(|rest| rest.chars().next());
                let last = text.get(..word.end).and_then(|word| word.chars().next_back());
                from = word.end;
                pieces.push(Piece {
                    visible: last.is_some_and(|last| !last.is_whitespace() && !is_apostrophe(last)),
                    begins: first.is_some_and(begins_anew),
                    word: Word { end: start + word.end, tokens: word.tokens },
                });
            }
            start += text.len();
            if !chunk.invalid().is_empty() {
                start += chunk.invalid().len();
                let tokens = self.guide.encode_bytes(chunk.invalid()).unwrap_or_default();
                pieces.push(Piece { word: Word { end: start, tokens }, visible: false, begins: false });
            }
        }
        pieces
    }

    /// Adds a run's tokens. What of it is settled is if more may follow.
    fn add(&self, run: &Run, crossing: &mut Crossing) {
        let (mut start, pieces) = (0, self.pieces(&run.bytes));
        for (at, Piece { word, visible, .. }) in pieces.iter().enumerate() {
            let mut end = start;
            for (index, token) in word.tokens.iter().enumerate() {
                let last = index + 1 == word.tokens.len();
                end = if last { word.end } else { (end + self.guide.token_bytes(*token).len()).min(word.end) };
                let place = run.ends.iter().find(|(bytes, _)| *bytes >= end).or(run.ends.last());
                crossing.tokens.push(*token);
                crossing.ends_in.push(place.map_or(0, |(_, place)| *place));
            }
            start = word.end;
            let over = *visible && pieces.get(at + 1).is_some_and(|next| next.begins);
            // Of tokens without text the last one ends here.
            let place = run.ends.iter().rev().find(|(bytes, _)| *bytes == word.end);
            if let (true, Some((_, place))) = (over, place) {
                (crossing.settled, crossing.closed) = (crossing.tokens.len(), place + 1);
            }
        }
        let cut = run.bytes.utf8_chunks().last().is_some_and(|chunk| is_cut_character(chunk.invalid()));
        if let (Some((_, place)), false) = (run.ends.last(), cut)
            && crossing.tokens.len() - crossing.settled > MOST_OPEN
        {
            (crossing.settled, crossing.closed) = (crossing.tokens.len(), place + 1);
        }
    }
}

/// What some vocabularies take with the letters behind it, `'s` or `'re`, others with the word before it.
fn is_apostrophe(character: char) -> bool {
    matches!(character, '\'' | '\u{2019}')
}

/// Whether a character belongs to none before it, however a text is normalised. Most scripts; where it is not known, it is not said.
fn begins_anew(character: char) -> bool {
    !is_apostrophe(character)
        && matches!(
            character,
            '\0'..='\u{7f}'
                | '\u{a0}'..='\u{2ff}'
                | '\u{370}'..='\u{482}'
                | '\u{48a}'..='\u{590}'
                | '\u{5d0}'..='\u{5ea}'
                | '\u{620}'..='\u{64a}'
                | '\u{1e00}'..='\u{20cf}'
                | '\u{2100}'..='\u{2cee}'
                | '\u{2cf2}'..='\u{2d7e}'
                | '\u{2e00}'..='\u{3029}'
                | '\u{3030}'..='\u{3098}'
                | '\u{309b}'..='\u{a66e}'
                | '\u{ac00}'..='\u{d7a3}'
                | '\u{f900}'..='\u{faff}'
                | '\u{ff00}'..='\u{ffef}'
                | '\u{1f000}'..='\u{3ffff}'
        )
}

impl Bridge for TokenBridge {
    fn cross(&self, open: &[u32]) -> Crossing {
        let (mut crossing, mut run) = (Crossing::default(), Run::default());
        for (place, token) in open.iter().enumerate() {
            if let Some(control) = self.control(*token) {
                self.add(&std::mem::take(&mut run), &mut crossing);
                crossing.tokens.push(control);
                crossing.ends_in.push(place);
                (crossing.settled, crossing.closed) = (crossing.tokens.len(), place + 1);
            } else {
                run.bytes.extend_from_slice(self.base.token_bytes(*token));
                run.ends.push((run.bytes.len(), place));
            }
        }
        self.add(&run, &mut crossing);
        crossing
    }
}
