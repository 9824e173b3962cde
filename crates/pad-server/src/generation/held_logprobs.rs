//! Log-probabilities of tokens whose text is held back.

use std::collections::VecDeque;

use pad_api::TokenLogprob;
use pad_text::is_cut_character;

/// Entries of tokens whose text is not yet certain to be part of the answer.
///
/// Text is held back where a character is incomplete, or where it may begin a stop string, and its tokens' entries wait for it. Holding
/// back possible calls is the reader's job, so entries can run ahead of the text.
#[derive(Debug, Default)]
pub(crate) struct HeldLogprobs {
    entries: VecDeque<TokenLogprob>,
    /// Bytes of the waiting entries' text that were sent already.
    sent: usize,
}

impl HeldLogprobs {
    /// One more waits.
    pub(crate) fn push(&mut self, entry: TokenLogprob) {
        self.entries.push_back(entry);
    }

    /// Returns the entries that the next bytes of text complete. `midway`: the last token left a character
    /// incomplete, which may still add to its text.
    pub(crate) fn release(&mut self, sent: usize, midway: bool) -> Vec<TokenLogprob> {
        if sent == 0 {
            return Vec::new();
        }
        self.sent += sent;
        let last = self.entries.len() - usize::from(midway && !self.entries.is_empty());
        let (mut ready, mut length, mut end) = (0, 0, 0);
        for (i, entry) in self.entries.iter().take(last).enumerate() {
            end += entry.token.len();
            if end > self.sent {
                break;
            }
            // An entry without text goes with the text that follows it.
            if !entry.token.is_empty() {
                (ready, length) = (i + 1, end);
            }
        }
        self.sent -= length;
        self.entries.drain(..ready).collect()
    }

    /// Returns the remaining entries before a stop string, which was found after this many more bytes of text.
    pub(crate) fn cut(&mut self, sent: usize) -> Vec<TokenLogprob> {
        let mut left = self.sent + sent;
        let mut kept: Vec<TokenLogprob> = Vec::new();
        for mut entry in self.entries.drain(..) {
            if left == 0 {
                break;
            }
            let over = entry.token.len().saturating_sub(left);
            left = left.saturating_sub(entry.token.len());
            if left == 0 {
                entry.token.truncate(entry.token.len() - over);
                // The text ends with a whole character: what begins another one is not part of it.
                entry.bytes.iter_mut().for_each(|bytes| {
                    bytes.truncate(bytes.len().saturating_sub(over + unfinished(bytes)));
                });
            }
            kept.push(entry);
        }
        kept
    }

    /// The answer is complete, and all of its text is sent: the rest.
    pub(crate) fn finish(&mut self) -> Vec<TokenLogprob> {
        self.entries.drain(..).collect()
    }

    /// Text that came after the last token, for a character that was never completed, belongs to that token.
    pub(crate) fn attach(&mut self, rest: &str) {
        // End tokens, which have no bytes, may stand behind it.
        if let Some(last) = self.entries.iter_mut().rfind(|entry| entry.bytes.is_some()) {
            last.token.push_str(rest);
        }
    }
}

/// How many bytes at the end begin a character and do not complete it.
fn unfinished(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    if is_cut_character(last) { last.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> HeldLogprobs {
        HeldLogprobs::default()
    }

    impl HeldLogprobs {
        /// A token of several bytes that added this text.
        fn add(&mut self, text: &str, bytes: &[u8]) {
            let (token, bytes) = (text.to_owned(), Some(bytes.to_vec()));
            self.push(TokenLogprob { token, logprob: 0.0, bytes, top_logprobs: Vec::new() });
        }
    }

    fn told(entries: Vec<TokenLogprob>) -> Vec<(String, Vec<u8>)> {
        entries.into_iter().map(|entry| (entry.token, entry.bytes.unwrap_or_default())).collect()
    }

    fn pair(text: &str, bytes: &[u8]) -> (String, Vec<u8>) {
        (text.to_owned(), bytes.to_vec())
    }

    #[test]
    fn an_entry_waits_for_the_character_that_it_begins() {
        let mut queue = queue();
        queue.add("a", b"a\xf0");
        assert_eq!(told(queue.release(1, true)), []);
        queue.add("", b"\x9f");
        assert_eq!(told(queue.release(0, true)), [], "entries go with text");
        queue.add("\u{1F600}b", b"\x98\x80b");
        let all = [pair("a", b"a\xf0"), pair("", b"\x9f"), pair("\u{1F600}b", b"\x98\x80b")];
        assert_eq!(told(queue.release(5, false)), all);
        queue.add("c", b"c\xf0");
        assert_eq!(told(queue.release(1, true)), []);
        queue.attach("\u{FFFD}");
        assert_eq!(told(queue.finish()), [pair("c\u{FFFD}", b"c\xf0")]);
    }

    #[test]
    fn text_that_may_begin_a_stop_string_keeps_its_entries_back() {
        let mut queue = queue();
        queue.add("ab", b"ab");
        queue.add("", b"\xf0\x9f");
        queue.add("\u{1F600}", b"\x98\x80");
        assert_eq!(told(queue.release(1, false)), [], "a half is not enough");
        assert_eq!(told(queue.release(1, false)), [pair("ab", b"ab")]);
        assert_eq!(told(queue.cut(0)), [], "the beginning of the stop string goes with it");
    }

    #[test]
    fn a_stop_string_cuts_the_entry_that_it_begins_in() {
        let cut = |sent| {
            let mut queue = queue();
            queue.add("xab", b"xab\xf0");
            queue.add("", b"\x9f");
            queue.add("\u{1F600}cd", b"\x98\x80cd");
            told(queue.cut(sent))
        };
        assert_eq!(cut(0), []);
        assert_eq!(cut(1), [pair("x", b"x")]);
        assert_eq!(cut(3), [pair("xab", b"xab")]);
        let whole = [pair("xab", b"xab\xf0"), pair("", b"\x9f")];
        assert_eq!(cut(8), [&whole[..], &[pair("\u{1F600}c", b"\x98\x80c")]].concat());
    }
}
