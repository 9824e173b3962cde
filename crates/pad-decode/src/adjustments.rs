//! The candidates under penalties and biases, without reading the whole vocabulary.

use std::cmp::Ordering;

use crate::candidate::{Candidates, Readout};
use crate::penalties::{Adjustment, History, Penalties};
use crate::token_set::TokenSet;

/// How many changed tokens are expected among the best ones, before it is known.
const MARGIN: usize = 32;

/// All changes of one step's base logits, and how the k best tokens are found under them.
///
/// Let S be the tokens that are changed. If k of the model's best tokens that were read are not in S, then no token that was left
/// out is better than these, unless it was raised. So the k best under the changes are among what was read and the raised tokens
/// of S. Reading `k + |S|` is always enough; where S is large, as under a penalty on a long prompt, far fewer mostly are.
///
/// If a grammar allows only some tokens, all of this holds among those.
///
/// A step calls, in this order: [`Self::reach`], to know how many of the model's best tokens to read; [`Self::deeper`], which asks for
/// more if these were too few; [`Self::unread`], for the tokens that have to be read beside them; [`Self::candidates`] with all that was
/// read; and [`Self::extend`] if other lanes propose candidates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adjustments {
    /// In rising order of tokens.
    changes: Vec<Adjustment>,
    /// The tokens that may be candidates, where these are not all.
    allowed: Option<TokenSet>,
}

impl Adjustments {
    /// The changes of the step that follows `history`; `excluded` tokens are to be no candidates.
    pub fn new(penalties: &Penalties, history: &History, excluded: &[u32]) -> Self {
        Self { changes: Adjustment::all(penalties, history, excluded), allowed: None }
    }

    /// The same, with no candidates but these.
    #[must_use]
    pub fn among(self, allowed: Option<TokenSet>) -> Self {
        Self { allowed, ..self }
    }

    /// The tokens that may be candidates, where these are not all.
    pub fn allowed(&self) -> Option<&TokenSet> {
        self.allowed.as_ref()
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.allowed.is_none()
    }

    /// How many of the model's best tokens to read first, for k candidates. Of the allowed ones, here and below.
    pub fn reach(&self, k: usize) -> usize {
        k + self.changes.len().min(MARGIN)
    }

    /// How many of the model's best tokens to read instead, where these `best` ones are too few after all.
    pub fn deeper(&self, k: usize, best: &[u32]) -> Option<usize> {
        let unchanged = || best.iter().filter(|token| self.change(**token).is_none()).count();
        (self.changes.len() > MARGIN && unchanged() < k).then(|| k + self.changes.len())
    }

    /// The changed tokens that have to be read beside the model's best ones. With `whole` these are all that are missing: the
    /// sum over the vocabulary changes by each of them.
    pub fn unread(&self, best: &[u32], whole: bool) -> Vec<u32> {
        let mut best = best.to_vec();
        best.sort_unstable();
        let missing = |change: &&Adjustment| best.binary_search(&change.token).is_err();
        let changes = self.changes.iter().filter(|change| self.allows(change.token));
        let needed = changes.filter(|change| whole || change.may_raise()).filter(missing);
        needed.map(|change| change.token).collect()
    }

    /// The k best of the tokens that were read, under the changes: higher first, of equal ones the lower token. `read` are the
    /// logits of `tokens`: of [`Self::reach`] of the best (or [`Self::deeper`]), and of what was [`Self::unread`]. Where tokens are
    /// narrowed down and `read` has its sum over the vocabulary, `among` is that over the allowed tokens.
    pub fn candidates(&self, k: usize, tokens: Vec<u32>, read: Readout, among: Option<f32>) -> Candidates {
        if self.is_empty() {
            return Candidates { tokens, base: read, adjusted: None };
        }
        let mut ranked: Vec<Ranked> = tokens
            .iter()
            .zip(&read.logits)
            .filter(|(token, _)| self.allows(**token) && !self.change(**token).is_some_and(Adjustment::excludes))
            .map(|(&token, &logit)| Ranked { token, logit, adjusted: self.adjusted(token, logit) })
            .collect();
        ranked.sort_by(Ranked::order);
        ranked.truncate(k);
        let sum = among.or(read.log_sum_exp);
        let log_sum_exp = sum.map(|whole| self.log_sum_exp(whole, &tokens, &read.logits, &ranked));
        let logits = |of: fn(&Ranked) -> f32| ranked.iter().map(of).collect();
        Candidates {
            tokens: ranked.iter().map(|r| r.token).collect(),
            base: Readout { logits: logits(|r| r.logit), log_sum_exp: read.log_sum_exp },
            adjusted: Some(Readout { logits: logits(|r| r.adjusted), log_sum_exp }),
        }
    }

    /// The same candidates with those that other lanes propose, in the base's order under the changes. `proposed` are tokens that
    /// these changes leave to a lane, none of them a candidate yet, and `read` the base's logits at them. All of them come after the
    /// base's own k best, which stay as they are.
    pub fn extend(&self, candidates: Candidates, proposed: Vec<u32>, read: &Readout) -> Candidates {
        let rank = |(token, &logit): (u32, &f32)| Ranked { token, logit, adjusted: self.adjusted(token, logit) };
        let mut ranked: Vec<Ranked> = proposed.into_iter().zip(&read.logits).map(rank).collect();
        ranked.sort_by(Ranked::order);
        let Candidates { mut tokens, mut base, mut adjusted } = candidates;
        tokens.extend(ranked.iter().map(|r| r.token));
        base.logits.extend(ranked.iter().map(|r| r.logit));
        if let Some(adjusted) = &mut adjusted {
            adjusted.logits.extend(ranked.iter().map(|r| r.adjusted));
        }
        Candidates { tokens, base, adjusted }
    }

    fn allows(&self, token: u32) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.contains(token))
    }

    fn change(&self, token: u32) -> Option<&Adjustment> {
        let at = self.changes.binary_search_by_key(&token, |change| change.token).ok()?;
        Some(&self.changes[at])
    }

    /// A NaN is worse than everything; 0 has one sign, so that equal logits are equal in the order.
    fn adjusted(&self, token: u32, logit: f32) -> f32 {
        let adjusted = self.change(token).map_or(logit, |change| change.apply(logit)) + 0.0;
        if adjusted.is_nan() { f32::NEG_INFINITY } else { adjusted }
    }

    /// log sum exp over the tokens whose sum was `exp(whole)`, after the changes.
    fn log_sum_exp(&self, whole: f32, tokens: &[u32], logits: &[f32], candidates: &[Ranked]) -> f32 {
        let share = |logit: f32| (f64::from(logit) - f64::from(whole)).exp();
        let change = |(&token, &logit): (&u32, &f32)| {
            let changed = self.change(token).filter(|_| self.allows(token));
            changed.map_or(0.0, |_| share(self.adjusted(token, logit)) - share(logit))
        };
        let sum = 1.0 + tokens.iter().zip(logits).map(change).sum::<f64>();
        // The less is left of the sum, the less exact it is, and rounding may even leave less than what is known to be there.
        // The error is the same for all candidates, so it changes no choice.
        let known: f64 = candidates.iter().map(|r| share(r.adjusted)).sum();
        (f64::from(whole) + sum.max(known).ln()) as f32
    }
}

/// A token with its logit before and after the changes.
struct Ranked {
    token: u32,
    logit: f32,
    adjusted: f32,
}

impl Ranked {
    /// Higher first; of equal ones the lower token.
    fn order(&self, other: &Self) -> Ordering {
        other.adjusted.total_cmp(&self.adjusted).then(self.token.cmp(&other.token))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn biased(bias: &[(u32, f32)], excluded: &[u32]) -> Adjustments {
        let penalties = Penalties { bias: bias.iter().copied().collect(), ..Penalties::default() };
        Adjustments::new(&penalties, &History::default(), excluded)
    }

    fn read(logits: &[f32], log_sum_exp: Option<f32>) -> Readout {
        Readout { logits: logits.to_vec(), log_sum_exp }
    }

    #[test]
    fn raised_tokens_are_read_and_take_their_rank() {
        let changes = biased(&[(3, 2.5), (40, -1.0), (50, 9.0)], &[]);
        assert_eq!(changes.reach(2), 5);
        let best = [7, 40, 3, 8, 9];
        assert_eq!(changes.unread(&best, false), [50]);
        let tokens = [&best[..], &[50]].concat();
        let taken = changes.candidates(2, tokens, read(&[4.0, 3.5, 2.0, 1.0, 0.5, -4.5], None), None);
        // 3 is raised to 4.5, and so is 50: of equal ones the lower token.
        assert_eq!(taken.tokens, [3, 50]);
        assert_eq!(taken.base.logits, [2.0, -4.5]);
        assert_eq!(taken.adjusted, Some(read(&[4.5, 4.5], None)));
    }

    #[test]
    fn many_changes_are_read_deeper_where_the_best_are_among_them() {
        let bias: Vec<(u32, f32)> = (0..100).map(|token| (token, -1.0)).collect();
        let changes = biased(&bias, &[]);
        assert_eq!(changes.reach(2), 2 + MARGIN);
        assert_eq!(changes.deeper(2, &[5, 100, 6, 101]), None);
        assert_eq!(changes.deeper(2, &[5, 100, 6, 7]), Some(102));
        assert_eq!(biased(&bias[..MARGIN], &[]).deeper(2, &[5]), None, "all of them were reckoned with");
    }

    #[test]
    fn excluded_tokens_are_no_candidates() {
        let changes = biased(&[(5, 100.0)], &[5, 6]);
        assert_eq!(changes.unread(&[6, 1], false), [0_u32; 0], "whatever else was asked for them");
        assert_eq!(changes.candidates(2, vec![5, 6, 1], read(&[3.0, 2.0, 1.0], None), None).tokens, [1]);
    }

    #[test]
    fn no_change_is_no_change() {
        let changes = Adjustments::default();
        assert_eq!((changes.reach(3), changes.unread(&[1], true)), (3, vec![]));
        let taken = changes.candidates(2, vec![4, 2], read(&[1.0, 1.0], None), None);
        assert_eq!(taken, Candidates { tokens: vec![4, 2], base: read(&[1.0, 1.0], None), adjusted: None });
    }

    /// Four tokens of probability 1/2, 1/4, 1/8, 1/8. The first is excluded, the last grows by ln 3: what is left weighs 3/4.
    #[test]
    fn the_sum_over_the_vocabulary_follows() {
        let ln = |p: f32| p.ln();
        let changes = biased(&[(3, ln(3.0))], &[0]);
        let taken = changes.candidates(1, vec![0, 3], read(&[ln(0.5), ln(0.125)], Some(0.0)), None);
        assert_eq!(taken.base.log_sum_exp, Some(0.0));
        let sum = taken.adjusted.and_then(|readout| readout.log_sum_exp).unwrap();
        assert!((sum - ln(0.75)).abs() < 1e-6, "{sum}");
        // Everything but a hair was excluded: the candidate itself is what is left.
        let rest = biased(&[], &[0]).candidates(1, vec![0, 1], read(&[0.0, -60.0], Some(0.0)), None);
        assert_eq!(rest.adjusted.and_then(|readout| readout.log_sum_exp), Some(-60.0));
    }

    #[test]
    fn only_what_a_grammar_allows_is_a_candidate() {
        let allowed = TokenSet::default().with(&[1, 5, 7, 8]);
        let changes = biased(&[(3, 9.0), (7, 9.0), (2, -1.0)], &[8]).among(Some(allowed.clone()));
        assert_eq!((changes.reach(2), changes.allowed()), (6, Some(&allowed)));
        assert_eq!(changes.unread(&[1, 5, 8], false), [7], "3 is raised, but not allowed");
        let taken = changes.candidates(9, vec![8, 3, 1, 5, 7], read(&[4.0, 3.0, 2.0, 1.0, -1.0], None), None);
        assert_eq!((taken.tokens, taken.base.logits), (vec![7, 1, 5], vec![-1.0, 2.0, 1.0]));
        let forced = Adjustments::default().among(Some(TokenSet::default().with(&[4])));
        assert!(!forced.is_empty());
        assert_eq!(forced.candidates(9, vec![4], read(&[-30.0], None), None).tokens, [4]);
    }

    /// Four tokens of probability 1/2, 1/4, 1/8, 1/8. The first is not allowed, the last grows by ln 3: what is left weighs 3/4.
    #[test]
    fn the_sum_over_the_allowed_tokens_follows() {
        let ln = |p: f32| p.ln();
        let allowed = TokenSet::default().with(&[1, 2, 3]);
        let changes = biased(&[(0, 5.0), (3, ln(3.0))], &[]).among(Some(allowed.clone()));
        assert_eq!(changes.unread(&[1], true), [3]);
        let taken = changes.candidates(2, vec![1, 3], read(&[ln(0.25), ln(0.125)], Some(0.0)), Some(ln(0.5)));
        assert_eq!((taken.tokens, taken.base.log_sum_exp), (vec![3, 1], Some(0.0)));
        let sum = taken.adjusted.and_then(|readout| readout.log_sum_exp).unwrap();
        assert!((sum - ln(0.75)).abs() < 1e-6, "{sum}");
        let plain = Adjustments::default().among(Some(allowed));
        let taken = plain.candidates(1, vec![1], read(&[ln(0.25)], Some(0.0)), Some(ln(0.5)));
        assert_eq!(taken.adjusted, Some(read(&[ln(0.25)], Some(ln(0.5)))));
    }

    /// The base's best are 4 and 2; a lane proposes 9, 3 and 7, of which a bias raises 7. Its order is by the base's changed logits.
    #[test]
    fn what_other_lanes_propose_comes_behind_in_the_bases_order() {
        let own = |adjusted| Candidates { tokens: vec![4, 2], base: read(&[5.0, 4.0], None), adjusted };
        let (proposed, logits) = (vec![9, 3, 7], read(&[-1.0, -2.0, -3.0], None));
        let plain = Adjustments::default().extend(own(None), proposed.clone(), &logits);
        assert_eq!((plain.tokens, plain.adjusted), (vec![4, 2, 9, 3, 7], None));
        assert_eq!(plain.base.logits, [5.0, 4.0, -1.0, -2.0, -3.0]);
        let raised = biased(&[(7, 1.5)], &[]).extend(own(Some(read(&[5.0, 4.0], Some(6.0)))), proposed, &logits);
        assert_eq!((raised.tokens, raised.base.logits), (vec![4, 2, 9, 7, 3], vec![5.0, 4.0, -1.0, -3.0, -2.0]));
        assert_eq!(raised.adjusted, Some(read(&[5.0, 4.0, -1.0, -1.5, -2.0], Some(6.0))));
    }

    #[test]
    fn a_logit_that_is_no_number_is_last() {
        let penalties = Penalties { bias: BTreeMap::from([(1, f32::NAN)]), ..Penalties::default() };
        let changes = Adjustments::new(&penalties, &History::default(), &[]);
        assert_eq!(changes.candidates(2, vec![1, 2], read(&[5.0, -9.0], None), None).tokens, [2, 1]);
    }
}
