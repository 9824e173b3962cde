//! `SentencePiece` BPE vocabularies: merges from scores, spaces as `▁`, bytes as `<0xNN>`.
//!
//! Such a vocabulary has no list of merges. It has a score per token, and the algorithm joins
//! the neighbours whose union has the highest score. The same tokens come from a list of
//! merges in falling order of that score, which is what the `tokenizers` crate wants.

use std::collections::HashMap;

use tokenizers::models::bpe::{BPE, Merges};
use tokenizers::normalizers::{Prepend, Replace, Sequence};
use tokenizers::{NormalizerWrapper, Tokenizer};

/// A `SentencePiece` BPE vocabulary as a GGUF file holds it.
pub(crate) struct SentencePiece<'a> {
    pub(crate) tokens: &'a [String],
    pub(crate) scores: &'a [f32],
    /// Tokens that merges may use and make: ordinary ones.
    pub(crate) ordinary: &'a [bool],
    pub(crate) unknown: Option<&'a str>,
    /// Whether a text is read as if a space came before it.
    pub(crate) add_space_prefix: bool,
}

impl SentencePiece<'_> {
    /// The tokenizer, without its added tokens.
    ///
    /// # Errors
    /// That of the `tokenizers` crate if the parts do not fit together.
    pub(crate) fn build(&self) -> Result<Tokenizer, tokenizers::Error> {
        let vocabulary = self.tokens.iter().cloned().zip(0..).collect();
        let vocabulary: tokenizers::models::bpe::Vocab = vocabulary;
        let mut bpe = BPE::builder().vocab_and_merges(vocabulary, self.merges()).byte_fallback(true).fuse_unk(true);
        if let Some(unknown) = self.unknown {
            bpe = bpe.unk_token(unknown.to_owned());
        }
        let mut tokenizer = Tokenizer::new(bpe.build()?);
        let mut steps: Vec<NormalizerWrapper> = Vec::new();
        if self.add_space_prefix {
            steps.push(Prepend::new("▁".into()).into());
        }
        steps.push(Replace::new(" ", "▁")?.into());
        tokenizer.with_normalizer(Some(Sequence::new(steps)))?;
        Ok(tokenizer)
    }

    /// Every way to make a token of two others, best score first; among equal scores in the
    /// order of the token, then of its parts (the order in which other converters list them).
    fn merges(&self) -> Merges {
        let ids: HashMap<&str, usize> = self
            .tokens
            .iter()
            .enumerate()
            .filter(|&(id, _)| self.ordinary[id])
            .map(|(id, token)| (token.as_str(), id))
            .collect();
        let mut found = Vec::new();
        for (&token, &id) in &ids {
            for (at, _) in token.char_indices().skip(1) {
                let (left, right) = token.split_at(at);
                if let (Some(&l), Some(&r)) = (ids.get(left), ids.get(right)) {
                    found.push((id, l, r));
                }
            }
        }
        found.sort_unstable_by(|a, b| {
            let best_first = self.scores[b.0].total_cmp(&self.scores[a.0]);
            best_first.then_with(|| a.cmp(b))
        });
        let text = |id: usize| self.tokens[id].clone();
        found.into_iter().map(|(_, left, right)| (text(left), text(right))).collect()
    }
}
