//! Laws of the decision rule, on random steps.

use pad_decode::{
    Candidates, Decision, Guards, Normalisation, Progress, Readout, Reference, Rule, Sampler, Term, decide,
};
use proptest::prelude::*;

/// A random step: k base logits in falling order, and two reward lanes over the same tokens.
#[derive(Clone, Debug)]
struct Step {
    base: Vec<f32>,
    lanes: Vec<Vec<f32>>,
}

impl Step {
    fn decide(&self, rule: &Rule, weights: &[f32], seed: u64) -> Decision {
        self.decide_after(&Progress::default(), rule, weights, seed)
    }

    fn decide_after(&self, progress: &Progress, rule: &Rule, weights: &[f32], seed: u64) -> Decision {
        // The rest of the vocabulary adds some mass of its own to each lane.
        let readout = |logits: &[f32], extra: f32| {
            let sum: f32 = logits.iter().map(|x| x.exp()).sum();
            Readout { logits: logits.to_vec(), log_sum_exp: Some((sum + extra).ln()) }
        };
        let tokens = (0..self.base.len() as u32).collect();
        let candidates = Candidates { tokens, base: readout(&self.base, 3.0), adjusted: None };
        let readouts: Vec<Readout> = self.lanes.iter().map(|lane| readout(lane, 0.5)).collect();
        let terms: Vec<Term> =
            (0..).zip(weights).map(|(i, &weight)| Term { weight, readout: i, reference: Reference::Base }).collect();
        decide(rule, candidates, &terms, &readouts, progress, &mut Sampler::new(seed, 0))
    }
}

prop_compose! {
    fn step()(k in 1usize..24)(
        base in prop::collection::vec(-8f32..8.0, k),
        lanes in prop::collection::vec(prop::collection::vec(-8f32..8.0, k), 2),
    ) -> Step {
        let mut base = base;
        base.sort_by(|a, b| b.total_cmp(a));
        Step { base, lanes }
    }
}

prop_compose! {
    fn sampling()(
        beta in 0f32..2.0,
        temperature in 0.05f32..2.0,
        (min_p, top_k, top_p) in (prop_oneof![Just(0f32), 0f32..=1.0], 0usize..8, 0f32..=1.0),
        vocabulary in any::<bool>(),
    ) -> Rule {
        let normalisation = if vocabulary { Normalisation::Vocabulary } else { Normalisation::Candidates };
        Rule { beta, temperature, min_p, top_k, top_p, normalisation, ..Rule::default() }
    }
}

fn weights() -> impl Strategy<Value = [f32; 2]> {
    [-2f32..2.0, -2f32..2.0]
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

prop_compose! {
    fn guards()(
        plausibility in prop_oneof![Just(0f32), 0f32..=1.0],
        loop_guard in 0usize..4,
        max_kl in prop_oneof![Just(0f64), Just(f64::INFINITY), 0f64..1.0],
        guide_tokens in 0usize..12,
    ) -> Guards {
        Guards { plausibility, loop_guard, max_kl, guide_tokens }
    }
}

proptest! {
    /// Over an answer of some length: the mean stays within the bound, nothing implausible is chosen and nothing is not a number.
    #[test]
    fn guards_hold(steps in prop::collection::vec(step(), 1..20), rule in sampling(), guards in guards(), w in weights(), seed: u64) {
        let rule = Rule { guards, ..rule };
        let (mut progress, mut sum) = (Progress::default(), 0.0);
        for (at, step) in steps.iter().enumerate() {
            let decision = step.decide_after(&progress, &rule, &w, seed);
            progress.push(decision.token(), decision.kl);
            sum += f64::from(decision.kl);
            prop_assert!(sum <= guards.max_kl * (at + 1) as f64 + 1e-9, "{sum} after {at}");
            prop_assert!(decision.score.iter().all(|score| !score.is_nan()));
            let share = (decision.base_logprob[decision.chosen] - decision.base_logprob[0]).exp();
            prop_assert!(decision.strength == 0.0 || share >= guards.plausibility * 0.999, "{share}");
            prop_assert!(decision.strength.abs() <= rule.beta);
        }
    }

    #[test]
    fn zero_weights_give_the_base(step in step(), rule in sampling(), seed: u64) {
        let base = step.decide(&rule, &[], seed);
        let zero = step.decide(&rule, &[0.0, 0.0], seed);
        prop_assert_eq!(&zero.score, &base.score);
        prop_assert_eq!(zero.chosen, base.chosen);
        prop_assert!(zero.kl <= 0.0, "{}", zero.kl);
    }

    #[test]
    fn beta_zero_is_the_base_bit_for_bit(step in step(), rule in sampling(), w in weights(), seed: u64) {
        let base = step.decide(&rule, &[], seed);
        let steered = step.decide(&Rule { beta: 0.0, ..rule.clone() }, &w, seed);
        prop_assert_eq!(bits(&steered.score), bits(&base.base_logprob));
        prop_assert_eq!(steered.chosen, base.chosen);
    }

    #[test]
    fn the_score_is_linear_in_the_weights(step in step(), rule in sampling(), w in weights(), seed: u64) {
        let both = step.decide(&rule, &w, seed);
        for rank in 0..both.tokens.len() {
            let reward: f32 = (0..2).map(|i| w[i] * both.rewards[i][rank]).sum();
            let expected = both.base_logprob[rank] + rule.beta * reward;
            prop_assert!((both.score[rank] - expected).abs() < 1e-3);
        }
        // Doubling the weights doubles the reward.
        let doubled = step.decide(&rule, &w.map(|w| 2.0 * w), seed);
        for (one, two) in both.reward.iter().zip(&doubled.reward) {
            prop_assert!((2.0 * one - two).abs() < 1e-3);
        }
    }

    #[test]
    fn kl_is_never_negative(step in step(), rule in sampling(), w in weights(), seed: u64) {
        let decision = step.decide(&rule, &w, seed);
        prop_assert!(decision.kl >= 0.0 && decision.kl.is_finite());
        // Where rounding outweighs the divergence, too.
        let hardly = step.decide(&Rule { beta: 1e-6 * rule.beta, ..rule.clone() }, &w, seed);
        prop_assert!(hardly.kl >= 0.0, "{}", hardly.kl);
    }

    #[test]
    fn both_normalisations_choose_alike(step in step(), w in weights(), beta in 0f32..2.0) {
        let greedy = |normalisation| {
            let rule = Rule { beta, normalisation, ..Rule::default() };
            step.decide(&rule, &w, 0)
        };
        let (paper, code) = (greedy(Normalisation::Vocabulary), greedy(Normalisation::Candidates));
        // Rounding may part two candidates whose scores are equal.
        let gap = (code.score[paper.chosen] - code.score[code.chosen]).abs();
        prop_assert!(paper.chosen == code.chosen || gap < 1e-3, "gap {}", gap);
    }

    #[test]
    fn the_greedy_choice_has_the_best_score(step in step(), w in weights(), beta in 0f32..2.0) {
        let decision = step.decide(&Rule { beta, ..Rule::default() }, &w, 0);
        let chosen = decision.score[decision.chosen];
        prop_assert!(decision.score.iter().all(|score| *score <= chosen));
    }

    #[test]
    fn the_same_seed_draws_the_same(step in step(), rule in sampling(), w in weights(), seed: u64) {
        prop_assert_eq!(step.decide(&rule, &w, seed), step.decide(&rule, &w, seed));
    }

    #[test]
    fn top_p_zero_is_greedy(step in step(), rule in sampling(), w in weights(), seed: u64) {
        let one = step.decide(&Rule { top_p: 0.0, ..rule.clone() }, &w, seed);
        let best = step.decide(&Rule { temperature: 0.0, ..rule.clone() }, &w, seed);
        prop_assert_eq!(one.chosen, best.chosen);
    }

    /// Before the drawn candidate, in order of falling score, less than top_p was reached.
    #[test]
    fn the_draw_is_in_the_nucleus(step in step(), rule in sampling(), w in weights(), seed: u64) {
        let decision = step.decide(&rule, &w, seed);
        let t = f64::from(rule.temperature);
        let mass = |of: &dyn Fn(f32) -> bool| -> f64 {
            let best = decision.score.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            decision.score.iter().filter(|s| of(**s)).map(|s| (f64::from(s - best) / t).exp()).sum()
        };
        let chosen = decision.score[decision.chosen];
        let above = mass(&|s| s > chosen) / mass(&|_| true);
        prop_assert!(above < f64::from(rule.top_p).max(1e-9) + 1e-9, "{} above", above);
    }
}
