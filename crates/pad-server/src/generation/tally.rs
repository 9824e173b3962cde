//! The cost of a request so far.

use std::collections::BTreeMap;

use pad_api::{PadUsage, PreferenceSource, PromptTokensDetails, Usage};

use super::reader::AnswerPart;

/// Counts over all choices of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    prompt_tokens: usize,
    reward_lanes: usize,
    tokens: u64,
    steered: u64,
    kl: f64,
    /// Choices of each prompt.
    choices: usize,
    /// Cached tokens of each prompt, as far as known.
    cached: BTreeMap<usize, usize>,
    /// Report cached prompt tokens as 0: this request itself put them there.
    computed: bool,
    /// Where the preference came from.
    source: PreferenceSource,
    /// Examples that were put before the conversation.
    examples: usize,
}

impl Tally {
    /// Nothing generated yet. `choices` are those of each prompt.
    pub(crate) fn new(prompt_tokens: usize, reward_lanes: usize, choices: usize) -> Self {
        Self { prompt_tokens, reward_lanes, choices: choices.max(1), ..Self::default() }
    }

    /// Records where the preference came from and the number of examples.
    pub(crate) fn steered_by(self, source: PreferenceSource, examples: usize) -> Self {
        Self { source, examples, ..self }
    }

    /// Count a part of choice `index`.
    pub(crate) fn add(&mut self, index: usize, part: &AnswerPart) {
        if let Some(token) = part.token {
            self.tokens += 1;
            self.steered += u64::from(token.steered);
            self.kl += token.kl;
        }
        // Choices share their prompt: what one of them had to compute was not cached.
        if let Some(cached) = part.end.and_then(|end| end.cached_tokens) {
            let least = self.cached.entry(index / self.choices.max(1)).or_insert(cached);
            *least = cached.min(*least);
        }
    }

    /// Report cached prompt tokens as 0: this request itself put them there.
    pub(crate) fn count_cached_as_computed(&mut self) {
        self.computed = true;
    }

    /// Tokens generated.
    pub(crate) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The counts as the wire shows them.
    pub(crate) fn usage(&self) -> Usage {
        let prompt_tokens = self.prompt_tokens as u64;
        let cached = if self.computed { 0 } else { self.cached.values().sum::<usize>() };
        let mean_kl = if self.tokens == 0 { 0.0 } else { self.kl / self.tokens as f64 };
        Usage {
            prompt_tokens,
            completion_tokens: self.tokens,
            total_tokens: prompt_tokens + self.tokens,
            prompt_tokens_details: PromptTokensDetails { cached_tokens: cached as u64 },
            completion_tokens_details: None,
            pad: PadUsage {
                reward_lanes: self.reward_lanes as u64,
                steered_tokens: self.steered,
                mean_kl,
                preference_source: self.source,
                examples: (self.examples > 0).then_some(self.examples as u64),
                best_of: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use pad_api::FinishReason;

    use super::*;
    use crate::generation::reader::{AnswerEnd, TokenFacts};

    #[test]
    fn all_choices_count_and_the_prompt_counts_once() {
        let token = |steered, kl| AnswerPart {
            token: Some(TokenFacts { steered, kl, logprob: 0.0, reward: 0.0, score: 0.0 }),
            ..AnswerPart::default()
        };
        let end = |cached| AnswerPart {
            end: Some(AnswerEnd { reason: FinishReason::Stop, natural: true, cached_tokens: Some(cached) }),
            ..AnswerPart::default()
        };
        let mut tally = Tally::new(10, 2, 2);
        for part in [token(true, 0.5), token(false, 0.0), token(true, 1.0), token(false, 0.5), end(8), end(3)] {
            tally.add(0, &part);
        }
        let usage = tally.usage();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (10, 4, 14));
        assert_eq!(usage.prompt_tokens_details.cached_tokens, 3);
        tally.add(2, &end(5));
        assert_eq!(tally.usage().prompt_tokens_details.cached_tokens, 8, "choice 2 is another prompt's");
        assert_eq!((usage.pad.reward_lanes, usage.pad.steered_tokens), (2, 2));
        assert_eq!(usage.pad.mean_kl.to_bits(), 0.5_f64.to_bits());
        assert_eq!(Tally::new(1, 0, 1).usage().pad.mean_kl.to_bits(), 0, "no tokens, no mean");
    }
}
