//! The best of several choices: how many are generated, which are kept, and by what.

use pad_api::{BestOfBy, BestOfUsage};
use pad_engine::GenerateRequest;

use super::range::within;
use super::reader::TokenFacts;
use crate::ApiError;

/// How many choices of each prompt are generated, and which of them are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BestOf {
    /// Choices that are generated.
    pub(crate) generated: usize,
    /// Choices that are kept.
    keep: usize,
    /// What makes one better than another.
    by: BestOfBy,
}

/// What a choice is worth so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Merit {
    logprob: f64,
    reward: f64,
    score: f64,
    tokens: u32,
}

impl Merit {
    /// A token was generated.
    pub(crate) fn add(&mut self, token: TokenFacts) {
        self.logprob += f64::from(token.logprob);
        self.reward += f64::from(token.reward);
        self.score += f64::from(token.score);
        self.tokens += 1;
    }

    /// The mean over its tokens.
    fn by(&self, by: BestOfBy) -> f64 {
        let sum = match by {
            BestOfBy::Logprob => self.logprob,
            BestOfBy::Reward => self.reward,
            BestOfBy::Score => self.score,
        };
        sum / f64::from(self.tokens.max(1))
    }
}

impl BestOf {
    /// Check `n`, `best_of` and `pad.best_of_by`; a request may have `most` choices generated for each prompt.
    ///
    /// # Errors
    /// 400 naming the field that is wrong, its value and what is allowed.
    pub(crate) fn check(
        n: Option<u64>,
        best_of: Option<u64>,
        by: Option<BestOfBy>,
        most: usize,
        stream: bool,
    ) -> Result<Self, ApiError> {
        let most = most as u64;
        let keep = within("n", n.unwrap_or(1), &(1..=most))?;
        let Some(given) = best_of.filter(|given| *given > 0) else {
            if by.is_some() {
                let message = "`pad.best_of_by` is given without `best_of`; allowed: with `best_of`";
                return Err(ApiError::invalid("pad.best_of_by", message));
            }
            return Ok(Self { generated: keep as usize, keep: keep as usize, by: BestOfBy::default() });
        };
        let generated = within("best_of", given, &(keep..=most))?;
        if stream && generated > keep {
            let message = format!("`best_of` is {generated} in a stream of {keep}; allowed: `n`, or no stream");
            return Err(ApiError::invalid("best_of", message));
        }
        Ok(Self { generated: generated as usize, keep: keep as usize, by: by.unwrap_or_default() })
    }

    /// Refuse to choose by rewards where there are none.
    ///
    /// # Errors
    /// 400 where nothing steers one of the requests.
    pub(crate) fn check_rewards(&self, requests: &[GenerateRequest]) -> Result<(), ApiError> {
        let (name, compares_rewards) = match self.by {
            BestOfBy::Logprob => return Ok(()),
            BestOfBy::Reward => ("reward", self.generated > self.keep),
            BestOfBy::Score => ("score", self.generated > self.keep),
        };
        if !compares_rewards || requests.iter().all(|request| request.rule.steers(&request.terms)) {
            return Ok(());
        }
        let message = format!(
            "`pad.best_of_by` is `{name}`, but nothing is rewarded; allowed: with a `preference` that has a weight other than 0 and \
             `pad.beta` above 0, or `logprob`"
        );
        Err(ApiError::invalid("pad.best_of_by", message))
    }

    /// The choices that are kept, prompt by prompt, best first, and what they were selected by. Where none is left out they stay as
    /// they came.
    pub(crate) fn select<T>(&self, choices: Vec<(Merit, T)>) -> (Vec<T>, Option<BestOfUsage>) {
        if self.generated == self.keep {
            return (choices.into_iter().map(|(_, choice)| choice).collect(), None);
        }
        let (mut kept, mut usage) = (Vec::new(), BestOfUsage { by: self.by, values: Vec::new(), left_out: Vec::new() });
        let mut left = choices.into_iter();
        while left.len() > 0 {
            let mut of_prompt: Vec<(Merit, T)> = left.by_ref().take(self.generated).collect();
            // A choice that the time limit ended before its first token has no mean, and is the last.
            let rank = |(merit, _): &(Merit, T)| (merit.tokens > 0, merit.by(self.by));
            of_prompt.sort_by(|one, other| {
                let (one, other) = (rank(one), rank(other));
                other.0.cmp(&one.0).then(other.1.total_cmp(&one.1))
            });
            for (rank, (merit, choice)) in of_prompt.into_iter().enumerate() {
                if rank < self.keep {
                    usage.values.push(merit.by(self.by));
                    kept.push(choice);
                } else {
                    usage.left_out.push(merit.by(self.by));
                }
            }
        }
        (kept, Some(usage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tokens each; the measures disagree about who is best.
    fn choices() -> Vec<(Merit, char)> {
        let choice = |logprob: f32, reward: f32, score: f32, name| {
            let mut merit = Merit::default();
            merit.add(TokenFacts { steered: true, kl: 0.0, logprob, reward, score });
            merit.add(TokenFacts { steered: true, kl: 0.0, logprob: 0.0, reward: 0.0, score: 0.0 });
            (merit, name)
        };
        vec![choice(-1.0, 0.5, -2.0, 'a'), choice(-4.0, 2.0, -3.0, 'b'), choice(-2.0, 1.0, -1.0, 'c')]
    }

    fn kept(generated: usize, keep: usize, by: BestOfBy) -> (Vec<char>, Option<BestOfUsage>) {
        BestOf { generated, keep, by }.select(choices())
    }

    #[test]
    fn each_measure_has_its_own_best() {
        for (by, order, values, left_out) in [
            (BestOfBy::Logprob, ['a', 'c'], [-0.5, -1.0], -2.0),
            (BestOfBy::Reward, ['b', 'c'], [1.0, 0.5], 0.25),
            (BestOfBy::Score, ['c', 'a'], [-0.5, -1.0], -1.5),
        ] {
            let usage = BestOfUsage { by, values: values.to_vec(), left_out: vec![left_out] };
            assert_eq!(kept(3, 2, by), (order.to_vec(), Some(usage)), "{by:?}");
        }
    }

    #[test]
    fn every_prompt_has_its_own_and_nothing_moves_where_all_are_kept() {
        let of_each = BestOf { generated: 1, keep: 1, by: BestOfBy::Reward }.select(choices());
        assert_eq!(of_each, (vec!['a', 'b', 'c'], None));
        let two = [choices(), choices()].concat();
        let (kept, usage) = BestOf { generated: 3, keep: 1, by: BestOfBy::Reward }.select(two);
        let usage = usage.expect("some are left out");
        assert_eq!((kept, usage.values.len(), usage.left_out.len()), (vec!['b', 'b'], 2, 4));
    }
}
