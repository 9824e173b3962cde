//! One decision: candidates and rewards in, one token out, with everything that led to it.

use crate::candidate::{Candidates, Readout};
use crate::guards::{Hold, Steered, Steering};
use crate::logprob;
use crate::nucleus::Nucleus;
use crate::progress::Progress;
use crate::reward::{self, Term};
use crate::rule::Rule;
use crate::sampler::Sampler;

/// The chosen token and what led to it. All vectors of length k are in the base's order: candidate 0 is the base model's best.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Rank of the chosen token in the base's order.
    pub chosen: usize,
    /// The candidates, shape `[k]`.
    pub tokens: Vec<u32>,
    /// `log pi_base` of each candidate, shape `[k]`; under penalties and biases, of the base's logits after them.
    pub base_logprob: Vec<f32>,
    /// phi of each term at each candidate, shape `[terms][k]`, without the weights.
    pub rewards: Vec<Vec<f32>>,
    /// `sum_i w_i phi_i`, shape `[k]`.
    pub reward: Vec<f32>,
    /// `base_logprob + strength * reward`, except for candidates that a guard holds (see `held`); shape `[k]`.
    pub score: Vec<f32>,
    /// The guidance strength of this step: beta, or less if a guard reduces it; 0 if nothing is steered.
    pub strength: f32,
    /// Which candidates a guard holds, and why; shape `[k]`.
    pub held: Vec<Option<Hold>>,
    /// KL(softmax(score) || softmax(base)) over the candidates, in nats: how far this step's
    /// distribution was moved, before temperature and top-p. Exactly 0 without steering.
    pub kl: f32,
}

impl Decision {
    /// The chosen token.
    pub fn token(&self) -> u32 {
        self.tokens[self.chosen]
    }

    /// Whether rewards counted and the chosen token is not the base model's best.
    pub fn steered(&self) -> bool {
        self.strength != 0.0 && self.chosen != 0
    }

    /// `log pi_PAD` of each candidate, shape `[k]` (equation 18): softmax(score) over the candidates, before temperature and
    /// before `min_p`, `top_k` and `top_p`.
    pub fn logprobs(&self) -> Vec<f32> {
        logprob::log_softmax(&self.score)
    }

    /// The `n` candidates of the best scores, best first, as ranks in the base's order; equal scores keep that order.
    pub fn best(&self, n: usize) -> Vec<usize> {
        let mut ranks: Vec<usize> = (0..self.tokens.len()).collect();
        ranks.sort_by(|a, b| self.score[*b].total_cmp(&self.score[*a]));
        ranks.truncate(n);
        ranks
    }
}

/// Decides one step (equations 4, 13 and 18 of the paper).
///
/// `readouts` are the reward lanes at the candidates, and `terms` weight them. Greedy ties go to
/// the lowest rank. A greedy rule draws nothing from `sampler`, any other exactly one number. With
/// beta 0 or no terms the scores are the base log-probabilities, bit for bit, whatever the guards.
/// `progress` is the answer so far.
///
/// # Panics
///
/// When there is no candidate, a term names a readout that is not there, or a readout lacks the
/// `log_sum_exp` that [`Normalisation::Vocabulary`](crate::Normalisation::Vocabulary) needs. These
/// are errors of the caller, not of a request.
pub fn decide(
    rule: &Rule,
    candidates: Candidates,
    terms: &[Term],
    readouts: &[Readout],
    progress: &Progress,
    sampler: &mut Sampler,
) -> Decision {
    let Candidates { tokens, base, adjusted } = candidates;
    assert!(!tokens.is_empty(), "a decision needs at least one candidate");
    let reference = base.log_probs(rule.normalisation);
    let rewards = reward::features(terms, &reference, readouts, rule.normalisation);
    let base_logprob = adjusted.map_or(reference, |adjusted| adjusted.log_probs(rule.normalisation));
    let reward = reward::weighted(terms, &rewards, tokens.len());
    let guards = &rule.guards;
    let strength = if rule.steers(terms) { rule.beta * progress.share(guards.guide_tokens) } else { 0.0 };
    let Steered { score, held, strength, kl } = if strength == 0.0 {
        Steered::not(&base_logprob)
    } else {
        let steering = Steering::new(guards, progress, &tokens, &base_logprob, &reward);
        steering.within(strength, progress.allowance(guards.max_kl))
    };
    let chosen = if rule.is_greedy() { best(&score) } else { Nucleus::new(&score, rule).draw(sampler) };
    Decision { chosen, tokens, base_logprob, rewards, reward, score, strength, held, kl }
}

/// Index of the largest score, the first among equals.
fn best(score: &[f32]) -> usize {
    let mut best = 0;
    for (rank, value) in score.iter().enumerate() {
        if *value > score[best] {
            best = rank;
        }
    }
    best
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact by construction")]
mod tests {
    use super::*;
    use crate::{Guards, Normalisation, Reference};

    fn readout(logits: &[f32]) -> Readout {
        Readout { logits: logits.to_vec(), log_sum_exp: None }
    }

    fn candidates(logits: &[f32]) -> Candidates {
        let tokens = (0..logits.len() as u32).map(|i| 100 + i).collect();
        Candidates { tokens, base: readout(logits), adjusted: None }
    }

    fn term(weight: f32, readout: usize) -> Term {
        Term { weight, readout, reference: Reference::Base }
    }

    fn decide_once(rule: &Rule, logits: &[f32], terms: &[Term], readouts: &[Readout]) -> Decision {
        decide(rule, candidates(logits), terms, readouts, &Progress::default(), &mut Sampler::new(0, 0))
    }

    /// Base probabilities 1/2, 1/4, 1/4; the lane's 1/4, 5/8, 1/8; w = 2, beta = 1/2:
    /// phi = ln 1/2, ln 5/2, ln 1/2 and score = ln 1/4, ln 5/8, ln 1/8.
    #[test]
    fn a_steered_step_by_hand() {
        let ln = |p: f32| p.ln();
        let rule = Rule { beta: 0.5, ..Rule::default() };
        let lane = [0.25, 0.625, 0.125].map(ln);
        let decision = decide_once(&rule, &[0.5, 0.25, 0.25].map(ln), &[term(2.0, 0)], &[readout(&lane)]);
        assert_eq!((decision.chosen, decision.token(), decision.steered()), (1, 101, true));
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        let phi = [0.5, 2.5, 0.5].map(ln);
        assert!(close(&decision.rewards[0], &phi), "{decision:?}");
        assert!(close(&decision.reward, &phi.map(|phi| 2.0 * phi)), "{decision:?}");
        assert!(close(&decision.score, &lane), "{decision:?}");
        let kl = 0.25 * ln(0.5) + 0.625 * ln(2.5) + 0.125 * ln(0.5);
        assert!((decision.kl - kl).abs() < 1e-6, "{decision:?}");
    }

    #[test]
    fn ties_go_to_the_lowest_rank() {
        let decision = decide_once(&Rule::default(), &[1.0, 1.0, 1.0], &[], &[]);
        assert_eq!((decision.chosen, decision.steered()), (0, false));
    }

    #[test]
    fn a_token_that_the_base_rules_out_is_never_chosen() {
        let lane = readout(&[0.0, 100.0]);
        let decision = decide_once(&Rule::default(), &[0.0, f32::NEG_INFINITY], &[term(2.0, 0)], &[lane]);
        assert_eq!(decision.chosen, 0);
        assert!(decision.kl.is_finite());
    }

    #[test]
    fn beta_zero_reports_rewards_but_keeps_the_base() {
        let rule = Rule { beta: 0.0, ..Rule::default() };
        let lane = readout(&[-1.0, 5.0]);
        let decision = decide_once(&rule, &[0.5, 0.4], &[term(1.0, 0)], &[lane]);
        assert_eq!(decision.score, decision.base_logprob);
        assert_eq!((decision.chosen, decision.kl), (0, 0.0));
        assert!(decision.reward[1] > 0.0);
    }

    #[test]
    fn beta_zero_keeps_the_base_even_where_the_reward_overflows() {
        let rule = Rule { beta: 0.0, ..Rule::default() };
        let decision = decide_once(&rule, &[0.5, 0.4], &[term(2.0, 0)], &[readout(&[0.0, -2e38])]);
        assert_eq!(decision.reward[1], f32::NEG_INFINITY);
        assert_eq!(decision.score, decision.base_logprob);
    }

    #[test]
    fn weights_of_zero_keep_the_base() {
        for (beta, weight, steers) in [(1.0, 0.0, false), (0.0, 1.0, false), (1.0, -0.0, false), (1.0, -0.5, true)] {
            let rule = Rule { beta, ..Rule::default() };
            assert_eq!(rule.steers(&[term(0.0, 0), term(weight, 0)]), steers, "beta {beta}, weight {weight}");
            let decision = decide_once(&rule, &[0.5, 0.4], &[term(weight, 0)], &[readout(&[-1.0, 5.0])]);
            assert_eq!(decision.score == decision.base_logprob, !steers, "beta {beta}, weight {weight}");
        }
        assert!(!Rule::default().steers(&[]));
    }

    #[test]
    fn guards_leave_the_bases_own_answer_alone() {
        let guards = Guards { plausibility: 1.0, loop_guard: 1, max_kl: 0.0, guide_tokens: 1 };
        let mut begun = Progress::default();
        begun.push(100, 0.5);
        begun.push(101, 0.5);
        let decided = |guards, weight| {
            let rule = Rule { temperature: 1.0, guards, ..Rule::default() };
            let lanes = [readout(&[-1.0, 5.0])];
            let candidates = candidates(&[0.5, 0.4]);
            decide(&rule, candidates, &[term(weight, 0)], &lanes, &begun, &mut Sampler::new(3, 0))
        };
        let base = decided(Guards::default(), 0.0);
        assert_eq!(decided(guards, 0.0), base);
        // Each of these alone takes the whole of the guidance away.
        for guards in [Guards { max_kl: 0.0, ..Guards::default() }, Guards { guide_tokens: 1, ..Guards::default() }] {
            let held = decided(guards, 2.0);
            assert_eq!((&held.score, held.strength, held.kl), (&base.score, 0.0, 0.0), "{guards:?}");
            assert_eq!((held.chosen, held.steered()), (base.chosen, false));
        }
        assert!(decided(Guards::default(), 2.0).strength > 0.0);
    }

    #[test]
    fn a_greedy_rule_draws_nothing_and_another_one_number() {
        let (mut used, mut fresh) = (Sampler::new(5, 0), Sampler::new(5, 0));
        decide(&Rule::default(), candidates(&[1.0, 0.0]), &[], &[], &Progress::default(), &mut used);
        assert_eq!(used.uniform(), fresh.uniform());
        let sampling = Rule { temperature: 0.7, ..Rule::default() };
        decide(&sampling, candidates(&[1.0, 0.0]), &[], &[], &Progress::default(), &mut used);
        fresh.uniform();
        assert_eq!(used.uniform(), fresh.uniform());
    }

    #[test]
    fn under_the_vocabulary_the_base_is_reported_as_it_is() {
        let rule = Rule { normalisation: Normalisation::Vocabulary, ..Rule::default() };
        let base = Readout { logits: vec![2.0, 1.0], log_sum_exp: Some(5.0) };
        let candidates = Candidates { tokens: vec![1, 2], base, adjusted: None };
        let decision = decide(&rule, candidates, &[], &[], &Progress::default(), &mut Sampler::new(0, 0));
        assert_eq!(decision.base_logprob, [-3.0, -4.0]);
    }

    /// The base's logits ln 1/2 and ln 1/2 are changed to ln 3/4 and ln 1/4; the lane's are ln 1/5 and ln 4/5. The reward is
    /// measured against the base's own: ln 2/5 and ln 8/5, so that the scores are ln 3/10 and ln 4/10.
    #[test]
    fn penalties_change_the_base_and_no_reward() {
        let ln = |p: f32| p.ln();
        let candidates =
            Candidates { adjusted: Some(readout(&[0.75, 0.25].map(ln))), ..candidates(&[0.5, 0.5].map(ln)) };
        let lane = readout(&[0.2, 0.8].map(ln));
        let (rule, start) = (Rule::default(), Progress::default());
        let decision = decide(&rule, candidates, &[term(1.0, 0)], &[lane], &start, &mut Sampler::new(0, 0));
        let close = |a: &[f32], b: [f32; 2]| a.iter().zip(b.map(ln)).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&decision.base_logprob, [0.75, 0.25]), "{decision:?}");
        assert!(close(&decision.reward, [0.4, 1.6]) && close(&decision.score, [0.3, 0.4]), "{decision:?}");
        assert!(close(&decision.logprobs(), [3.0 / 7.0, 4.0 / 7.0]), "{decision:?}");
        assert_eq!((decision.chosen, decision.best(5), decision.best(1)), (1, vec![1, 0], vec![1]));
    }
}
