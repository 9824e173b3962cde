//! Log-probabilities of the tokens as they are generated.

use std::sync::Arc;

use pad_api::{TokenLogprob, TopLogprob};
use pad_engine::Token;
use pad_text::{Detokenizer, Tokenizer};

use super::held_logprobs::HeldLogprobs;
use super::trace::finite;

/// Reads the entries of tokens as they are generated; they wait for their text.
pub(crate) struct LogprobQueue {
    tokenizer: Arc<Tokenizer>,
    /// Candidates to show beside each token.
    top: usize,
    held: HeldLogprobs,
}

impl LogprobQueue {
    /// Nothing generated yet.
    pub(crate) fn new(tokenizer: Arc<Tokenizer>, top: usize) -> Self {
        Self { tokenizer, top, held: HeldLogprobs::default() }
    }

    /// A token was generated. `before` is the detokenizer as it was, and `text` what the token added.
    pub(crate) fn push(&mut self, token: &Token, before: &Detokenizer, text: &str) {
        let decision = &token.decision;
        let logprobs: Vec<f32> = decision.logprobs().into_iter().map(finite).collect();
        let candidate = |rank: usize| {
            let id = decision.tokens[rank];
            TopLogprob { token: before.spelled(id), logprob: logprobs[rank], bytes: self.bytes(id) }
        };
        let top_logprobs = decision.best(self.top).into_iter().map(candidate).collect();
        let (logprob, bytes) = (logprobs[decision.chosen], self.bytes(token.id));
        self.held.push(TokenLogprob { token: text.to_owned(), logprob, bytes, top_logprobs });
    }

    /// The entries whose text is held back.
    pub(crate) fn held(&mut self) -> &mut HeldLogprobs {
        &mut self.held
    }

    fn bytes(&self, id: u32) -> Option<Vec<u8>> {
        (!self.tokenizer.is_special(id)).then(|| self.tokenizer.token_bytes(id).to_vec())
    }
}
