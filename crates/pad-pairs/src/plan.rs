//! The wanted pairs, and how they are made.

use pad_client::draws;

use crate::{Length, PairsError, Rules, Scorer, Told};

/// Answers of one request at most, on each side.
const MOST_SAMPLES: usize = 16;

/// Everything that decides which pairs are made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Goes into every pair.
    pub dimension: String,
    /// Goes into every pair: where the answers come from.
    pub source: String,
    /// The instruction for the better answers.
    pub chosen: Told,
    /// The instruction for the worse ones. Equal to `chosen`: best against worst by the scorer.
    pub rejected: Told,
    /// Share of the prompts whose worse answers get no instruction instead.
    pub plain_share: f64,
    /// Answers to each prompt, on each side.
    pub samples: usize,
    /// Tokens of an answer at most.
    pub max_tokens: usize,
    /// Sampling temperature.
    pub temperature: f64,
    /// Nucleus.
    pub top_p: f64,
    /// Makes the run repeatable.
    pub seed: u64,
    /// Answers in flight at once.
    pub in_flight: usize,
    /// Says how good an answer is.
    pub scorer: Option<Scorer>,
    /// What holds for every pair.
    pub rules: Rules,
    /// Pairs for training after which it is enough.
    pub enough: Option<usize>,
    /// Share of the prompts whose pairs are held out, where there is a file for them.
    pub held_out_share: f64,
}

impl Plan {
    /// Whether both sides are the same answers, so that only the scorer tells them apart.
    pub fn is_best_of(&self) -> bool {
        self.chosen == self.rejected && self.plain_share == 0.0
    }

    /// Refuses what cannot make pairs.
    ///
    /// # Errors
    ///
    /// [`PairsError::Plan`] with the value and what is allowed.
    pub fn check(&self) -> Result<(), PairsError> {
        let refuse = |name, value: String, allowed| Err(PairsError::Plan { name, value, allowed });
        let ratio = match self.rules.length {
            Length::Any => 1.0,
            Length::Matched(ratio) | Length::Shorter(ratio) => ratio,
        };
        if self.dimension.trim().is_empty() {
            refuse("the dimension", "empty".to_owned(), "a name")
        } else if !(1..=MOST_SAMPLES).contains(&self.samples) {
            refuse("the number of samples", self.samples.to_string(), "from 1 to 16")
        } else if self.max_tokens == 0 {
            refuse("the number of tokens", "0".to_owned(), "at least 1")
        } else if !(0.0..=2.0).contains(&self.temperature) {
            refuse("the temperature", self.temperature.to_string(), "from 0 to 2")
        } else if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            refuse("top_p", self.top_p.to_string(), "more than 0 and at most 1")
        } else if !(0.0..=1.0).contains(&self.plain_share) {
            refuse("the share of plain answers", self.plain_share.to_string(), "from 0 to 1")
        } else if !(0.0..1.0).contains(&self.held_out_share) {
            refuse("the held-out share", self.held_out_share.to_string(), "from 0 to less than 1")
        } else if !(ratio >= 1.0 && ratio.is_finite()) {
            refuse("the ratio of lengths", ratio.to_string(), "1 or more")
        } else if self.is_best_of() && (self.scorer.is_none() || self.samples < 2) {
            let value = format!("the same instruction as the better one, with {} samples", self.samples);
            refuse("the worse side", value, "another instruction, or a scorer and at least two samples")
        } else {
            Ok(())
        }
    }

    /// The instruction for the worse side at this prompt.
    pub(crate) fn rejected_for(&self, prompt_id: &str) -> Told {
        let plain = draws::fraction(&[self.seed, draws::of_text(prompt_id), 1]) < self.plain_share;
        if plain { Told::default() } else { self.rejected.clone() }
    }

    /// Whether the pairs of this prompt are held out. It does not depend on the seed, so that a prompt of one dimension's
    /// training is held out in no other.
    pub(crate) fn holds_out(&self, prompt_id: &str) -> bool {
        draws::fraction(&[draws::of_text(prompt_id), 2]) < self.held_out_share
    }
}
