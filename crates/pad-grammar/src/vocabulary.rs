//! The vocabulary for the grammar engine: the bytes of each token.

use std::sync::Arc;

use llguidance::toktrie::{INVALID_TOKEN, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use pad_text::Tokenizer;

/// The tokens of a model by their bytes.
pub struct Vocabulary {
    tokenizer: Arc<Tokenizer>,
    trie: TokTrie,
}

impl Vocabulary {
    /// The vocabulary of a tokenizer. Special tokens are not text, whatever their spelling: no grammar allows one.
    pub fn new(tokenizer: Arc<Tokenizer>) -> Self {
        let size = tokenizer.vocab_size() as u32;
        let bytes = |id: u32| {
            let bytes = tokenizer.token_bytes(id);
            if tokenizer.is_special(id) && !bytes.is_empty() {
                [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes].concat()
            } else {
                bytes.to_vec()
            }
        };
        let words: Vec<Vec<u8>> = (0..size).map(bytes).collect();
        // Ends are the sequence's business: a grammar only says where one may stand.
        let trie = TokTrie::from(&TokRxInfo::new(size, INVALID_TOKEN), &words);
        Self { tokenizer, trie }
    }

    /// The tokens that the model would write a text in, if they are that text and nothing else: a vocabulary may put a blank before it, or
    /// read a special token in it.
    fn written(&self, text: &str) -> Option<Vec<TokenId>> {
        let tokens = self.tokenizer.encode(text).ok()?;
        let mut rest = text.as_bytes();
        for token in &tokens {
            let bytes = self.tokenizer.token_bytes(*token);
            rest = rest.strip_prefix(bytes).filter(|_| !self.tokenizer.is_special(*token))?;
        }
        rest.is_empty().then_some(tokens)
    }
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let written = |text: &str| self.written(text).unwrap_or_else(|| self.trie.greedy_tokenize(text.as_bytes()));
        self.trie.tokenize_with_greedy_fallback(bytes, written)
    }
}
