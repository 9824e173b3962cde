//! Guards: limits that keep a steered answer near the base model's own.

use std::ops::RangeInclusive;

use crate::logprob;
use crate::progress::Progress;

/// Range of [`Guards::plausibility`].
pub const PLAUSIBILITY: RangeInclusive<f64> = 0.0..=1.0;
/// Range of [`Guards::loop_guard`], in tokens.
pub const LOOP_GUARD: RangeInclusive<usize> = 0..=64;
/// Range of [`Guards::max_kl`] in a request, in nats; no step comes near the upper end.
pub const MAX_KL: RangeInclusive<f64> = 0.0..=1000.0;
/// Range of [`Guards::guide_tokens`].
pub const GUIDE_TOKENS: RangeInclusive<usize> = 0..=1 << 24;

/// Limits of steering. They act on steered steps only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guards {
    /// The least probability of a candidate that may be chosen, as a share of the base's most probable one (the plausibility
    /// constraint of contrastive decoding, arXiv 2210.15097); 0 to 1, and 0 lets every candidate be chosen.
    pub plausibility: f32,
    /// A candidate that would repeat a run of this many tokens of the answer gets at most its probability under the base model: it
    /// can still be chosen, but rewards add nothing to it. 0: no limit.
    pub loop_guard: usize,
    /// Maximum distance from the base's distribution in nats per token, as a mean over the answer so far, at least 0; infinity: no limit.
    pub max_kl: f64,
    /// This many tokens are guided fully, and as many more with falling strength; 0: all are guided fully.
    pub guide_tokens: usize,
}

impl Default for Guards {
    /// None.
    fn default() -> Self {
        Self { plausibility: 0.0, loop_guard: 0, max_kl: f64::INFINITY, guide_tokens: 0 }
    }
}

/// Why the score of a candidate is not the base's log-probability and its reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is too improbable by the base to be chosen: its score is minus infinity.
    Implausible,
    /// It would repeat a run of the answer: its probability is the base's.
    Repetition,
}

/// Halvings by which the largest strength within the bound is found.
const HALVINGS: usize = 20;

/// The candidates of a step that is steered.
pub struct Steering<'a> {
    base: &'a [f32],
    reward: &'a [f32],
    /// The least log-probability that is plausible.
    floor: f32,
    /// Whether each would repeat a run.
    repeats: Vec<bool>,
}

/// The scores of a step.
#[derive(Debug, PartialEq)]
pub struct Steered {
    /// Shape `[k]`.
    pub score: Vec<f32>,
    /// What was held back, shape `[k]`.
    pub held: Vec<Option<Hold>>,
    /// The guidance strength that they have.
    pub strength: f32,
    /// KL(softmax(score) || softmax(base)), in nats.
    pub kl: f32,
}

impl Steered {
    /// The base's own.
    pub fn not(base: &[f32]) -> Self {
        Self { score: base.to_vec(), held: vec![None; base.len()], strength: 0.0, kl: 0.0 }
    }
}

impl<'a> Steering<'a> {
    /// The candidates `tokens` with their log-probabilities by the base and their rewards, all of shape `[k]`.
    pub fn new(guards: &Guards, progress: &Progress, tokens: &[u32], base: &'a [f32], reward: &'a [f32]) -> Self {
        let best = base.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let known = progress.repeats(guards.loop_guard);
        let repeats = tokens.iter().map(|token| known.contains(token)).collect();
        Self { base, reward, floor: best + guards.plausibility.ln(), repeats }
    }

    /// The scores at this guidance strength, or at the largest smaller one that moves the distribution by `most` nats at most; the
    /// base's own where none does.
    pub fn within(&self, strength: f32, most: f64) -> Steered {
        if most <= 0.0 {
            return Steered::not(self.base);
        }
        let full = self.at(strength);
        if f64::from(full.kl) <= most {
            return full;
        }
        let (mut low, mut high, mut best) = (0.0, strength, None);
        for _ in 0..HALVINGS {
            let middle = f32::midpoint(low, high);
            let steered = self.at(middle);
            if f64::from(steered.kl) <= most {
                low = middle;
                best = Some(steered);
            } else {
                high = middle;
            }
        }
        best.unwrap_or_else(|| Steered::not(self.base))
    }

    fn at(&self, strength: f32) -> Steered {
        let mut held = vec![None; self.base.len()];
        let mut score: Vec<f32> = self.base.iter().zip(self.reward).map(|(b, r)| b + strength * r).collect();
        for ((score, held), base) in score.iter_mut().zip(&mut held).zip(self.base) {
            if *base < self.floor {
                (*score, *held) = (f32::NEG_INFINITY, Some(Hold::Implausible));
            }
        }
        self.hold_repetitions(&mut score, &mut held);
        let kl = logprob::kl(&score, self.base);
        Steered { score, held, strength, kl }
    }

    /// Bring repeating candidates down to the probability that the base gives them, where they have more.
    ///
    /// Let `gain` be what a score adds to the base's log-probability. Where a set C of candidates is held at the base's probability,
    /// all of them have the same gain: that of the others together, `log(sum exp score / sum exp base)`. So the candidates of C are
    /// those whose own gain is larger, and they are found by taking the largest gain first.
    fn hold_repetitions(&self, score: &mut [f32], held: &mut [Option<Hold>]) {
        let gain = |i: usize| f64::from(score[i]) - f64::from(self.base[i]);
        let may_be_held = |i: &usize| self.repeats[*i] && score[*i] > f32::NEG_INFINITY;
        let mut repeating: Vec<usize> = (0..score.len()).filter(may_be_held).collect();
        if repeating.is_empty() {
            return;
        }
        repeating.sort_by(|a, b| gain(*b).total_cmp(&gain(*a)));
        let mut others: Vec<usize> = (0..score.len()).filter(|i| score[*i] > f32::NEG_INFINITY).collect();
        let mut level = self.gain_of(&others, score);
        let mut count = 0;
        for i in &repeating {
            if others.len() == 1 || gain(*i) <= level {
                break;
            }
            others.retain(|other| other != i);
            level = self.gain_of(&others, score);
            count += 1;
        }
        for i in repeating.into_iter().take(count) {
            (score[i], held[i]) = ((f64::from(self.base[i]) + level) as f32, Some(Hold::Repetition));
        }
    }

    /// What the scores of these candidates add to the logarithm of their probability together.
    fn gain_of(&self, candidates: &[usize], score: &[f32]) -> f64 {
        let log_sum = |of: &[f32]| {
            let max = candidates.iter().map(|i| f64::from(of[*i])).fold(f64::NEG_INFINITY, f64::max);
            max + candidates.iter().map(|i| (f64::from(of[*i]) - max).exp()).sum::<f64>().ln()
        };
        log_sum(score) - log_sum(self.base)
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact by construction")]
mod tests {
    use super::*;

    const BASE: [f32; 3] = [0.5, 0.375, 0.125];

    /// Tokens 10, 11 and 12 of probability 1/2, 3/8 and 1/8, and rewards ln 2, 0 and ln 8 at strength 1: weights 1, 3/8, 1.
    fn steered(guards: Guards, answer: &[u32], most: f64) -> Steered {
        let mut progress = Progress::default();
        answer.iter().for_each(|token| progress.push(*token, 0.0));
        let (base, reward) = (BASE.map(f32::ln), [2f32.ln(), 0.0, 8f32.ln()]);
        Steering::new(&guards, &progress, &[10, 11, 12], &base, &reward).within(1.0, most)
    }

    fn probabilities(steered: &Steered) -> Vec<f32> {
        logprob::log_softmax(&steered.score).into_iter().map(f32::exp).collect()
    }

    fn close(got: &[f32], expected: &[f32]) {
        assert_eq!(got.len(), expected.len());
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?} is not {expected:?}");
    }

    #[test]
    fn none_is_the_plain_rule() {
        let plain = steered(Guards::default(), &[10, 10, 10], f64::INFINITY);
        assert_eq!(plain.score, [0.5f32.ln() + 2f32.ln(), 0.375f32.ln(), 0.125f32.ln() + 8f32.ln()]);
        assert_eq!((plain.held, plain.strength), (vec![None; 3], 1.0));
    }

    #[test]
    fn what_the_base_holds_impossible_is_not_chosen() {
        let at = |plausibility| steered(Guards { plausibility, ..Guards::default() }, &[], f64::INFINITY);
        // 1/8 is a quarter of 1/2, 3/8 three quarters.
        assert_eq!(at(0.25).held, [None; 3]);
        let cut = at(0.26);
        assert_eq!(cut.held, [None, None, Some(Hold::Implausible)]);
        assert_eq!(cut.score[2], f32::NEG_INFINITY);
        close(&probabilities(&cut), &[8.0 / 11.0, 3.0 / 11.0, 0.0]);
        // KL from the base over all candidates: the cut itself counts.
        let kl = 8.0 / 11.0 * (16.0f32 / 11.0).ln() + 3.0 / 11.0 * (8.0f32 / 11.0).ln();
        close(&[cut.kl], &[kl]);
        close(&probabilities(&at(1.0)), &[1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_repetition_has_no_more_than_the_bases_probability() {
        let guards = Guards { loop_guard: 2, ..Guards::default() };
        // 12 follows 7 once more: it has 1/8 again, and the others share 7/8 as 1 to 3/8.
        let one = steered(guards, &[7, 12, 7], f64::INFINITY);
        assert_eq!(one.held, [None, None, Some(Hold::Repetition)]);
        close(&probabilities(&one), &[7.0 / 11.0, 21.0 / 88.0, 0.125]);
        // 11 lost already: it is not raised.
        let lost = steered(guards, &[7, 11, 7], f64::INFINITY);
        assert_eq!(lost, steered(Guards::default(), &[], f64::INFINITY));
        // Both that gained: what is left to 11 is what the base gives it.
        let both = steered(guards, &[7, 12, 7, 10, 7], f64::INFINITY);
        close(&probabilities(&both), &BASE);
        // Where all would repeat nothing is gained by any of them.
        close(&probabilities(&steered(guards, &[7, 12, 7, 10, 7, 11, 7], f64::INFINITY)), &BASE);
        assert_eq!(steered(guards, &[7, 12, 8], f64::INFINITY).held, [None; 3], "8, 12 is new");
    }

    /// What is held back by its probability does not count among the others.
    #[test]
    fn both_together() {
        let guards = Guards { loop_guard: 1, plausibility: 0.5, ..Guards::default() };
        let both = steered(guards, &[10], f64::INFINITY);
        assert_eq!(both.held, [Some(Hold::Repetition), None, Some(Hold::Implausible)]);
        close(&probabilities(&both), &[4.0 / 7.0, 3.0 / 7.0, 0.0]);
    }

    #[test]
    fn a_bound_is_kept_by_the_largest_strength() {
        let free = steered(Guards::default(), &[], f64::INFINITY);
        for share in [0.9, 0.5, 0.1, 0.001] {
            let most = f64::from(free.kl) * share;
            let bound = steered(Guards::default(), &[], most);
            assert!(f64::from(bound.kl) <= most && f64::from(bound.kl) > most * 0.99, "{share}: {bound:?}");
            assert!(bound.strength > 0.0 && bound.strength < 1.0);
        }
        assert_eq!(steered(Guards::default(), &[], f64::from(free.kl)), free);
        for none in [0.0, -1.0] {
            assert_eq!(steered(Guards::default(), &[], none), Steered::not(&BASE.map(f32::ln)));
        }
        // The cut alone moves the distribution further than this.
        let cut = Guards { plausibility: 0.5, ..Guards::default() };
        assert_eq!(steered(cut, &[], 0.1), Steered::not(&BASE.map(f32::ln)));
    }
}
