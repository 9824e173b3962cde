//! Token-level rewards: the score of each candidate on every preference dimension.

use crate::candidate::Readout;
use crate::rule::{Normalisation, Rule};

/// What a term's reward is measured against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reference {
    /// The base lane.
    #[default]
    Base,
    /// The base lane, for a readout of the dimension's opposite: phi is `log pi_base - log pi_readout`, so that a positive reward means
    /// more of the dimension here as well.
    Opposing,
    /// Another reward readout of the step, by index.
    Readout(usize),
    /// Nothing: phi is the lane's own log-probability (an autoregressive reward model).
    None,
}

/// One preference dimension of one request: `weight * (log pi_readout - log pi_reference)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// The user's weight w.
    pub weight: f32,
    /// Index of the dimension's lane among the reward readouts of the step.
    pub readout: usize,
    /// What the lane is measured against.
    pub reference: Reference,
}

/// Whether a reward of this weight counts under a guidance strength. One that does not is neither laid out nor run: with beta 0, or
/// all weights 0, the base model decides alone.
pub fn counts(beta: f32, weight: f32) -> bool {
    beta != 0.0 && weight != 0.0
}

impl Rule {
    /// Whether any of these terms can change a score.
    pub fn steers(&self, terms: &[Term]) -> bool {
        terms.iter().any(|term| counts(self.beta, term.weight))
    }
}

impl Term {
    /// phi of the term, one for each log-probability of the base: of the candidates of a step, or of the tokens of a given answer.
    /// `readouts` are the log-probabilities of every reward readout, `[readouts][base.len()]`.
    ///
    /// Where phi has no finite value, since one of the two rules the token out (a log-probability of minus infinity), it is 0: the
    /// base's log-probability alone then decides, and no NaN reaches the scores.
    ///
    /// # Panics
    ///
    /// When the term names a readout that is not there.
    pub fn phi(&self, base: &[f32], readouts: &[Vec<f32>]) -> Vec<f32> {
        let own = &readouts[self.readout];
        match self.reference {
            Reference::Base => ratio(own, base),
            Reference::Opposing => ratio(base, own),
            Reference::Readout(index) => ratio(own, &readouts[index]),
            Reference::None => own.iter().copied().map(finite).collect(),
        }
    }
}

/// phi of every term at every candidate, shape `[terms][k]`, without the weights.
pub fn features(
    terms: &[Term],
    base_logprob: &[f32],
    readouts: &[Readout],
    normalisation: Normalisation,
) -> Vec<Vec<f32>> {
    let lanes: Vec<Vec<f32>> = readouts.iter().map(|r| r.log_probs(normalisation)).collect();
    terms.iter().map(|term| term.phi(base_logprob, &lanes)).collect()
}

/// `sum_i w_i phi_i` at every candidate, shape `[k]`: linear in the weights (equation 4).
pub fn weighted(terms: &[Term], features: &[Vec<f32>], k: usize) -> Vec<f32> {
    let mut reward = vec![0.0; k];
    for (term, phi) in terms.iter().zip(features) {
        for (sum, value) in reward.iter_mut().zip(phi) {
            *sum += term.weight * value;
        }
    }
    reward
}

fn ratio(lane: &[f32], reference: &[f32]) -> Vec<f32> {
    lane.iter().zip(reference).map(|(a, b)| finite(a - b)).collect()
}

fn finite(phi: f32) -> f32 {
    if phi.is_finite() { phi } else { 0.0 }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact by construction")]
mod tests {
    use super::*;

    fn lane(probabilities: &[f32]) -> Readout {
        Readout { logits: probabilities.iter().map(|p| p.ln()).collect(), log_sum_exp: None }
    }

    fn term(weight: f32, readout: usize, reference: Reference) -> Term {
        Term { weight, readout, reference }
    }

    fn close(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6), "{a:?} is not {b:?}");
    }

    #[test]
    fn each_reference_by_hand() {
        let base = [0.5f32.ln(), 0.5f32.ln()];
        let lanes = [lane(&[0.2, 0.8]), lane(&[0.4, 0.6])];
        let terms = [term(1.0, 0, Reference::Base), term(1.0, 0, Reference::Readout(1)), term(1.0, 1, Reference::None)];
        let phi = features(&terms, &base, &lanes, Normalisation::Candidates);
        close(&phi[0], &[0.4f32.ln(), 1.6f32.ln()]);
        close(&phi[1], &[0.5f32.ln(), (0.8f32 / 0.6).ln()]);
        close(&phi[2], &[0.4f32.ln(), 0.6f32.ln()]);
    }

    /// With a weight below 0 the lane of the opposite gains: -2 times ln 0.5 / 0.2 and ln 0.5 / 0.8.
    #[test]
    fn an_opposing_lane_is_followed_by_a_negative_weight() {
        let base = [0.5f32.ln(), 0.5f32.ln()];
        let terms = [term(-2.0, 0, Reference::Opposing)];
        let phi = features(&terms, &base, &[lane(&[0.2, 0.8])], Normalisation::Candidates);
        close(&phi[0], &[2.5f32.ln(), 0.625f32.ln()]);
        close(&weighted(&terms, &phi, 2), &[2.0 * 0.4f32.ln(), 2.0 * 1.6f32.ln()]);
    }

    #[test]
    fn the_weighted_sum_by_hand() {
        let terms = [term(2.0, 0, Reference::Base), term(-0.5, 1, Reference::Base)];
        close(&weighted(&terms, &[vec![1.0, -1.0], vec![4.0, 0.0]], 2), &[0.0, -2.0]);
        assert_eq!(weighted(&[], &[], 3), [0.0; 3]);
    }

    #[test]
    fn a_token_that_is_ruled_out_has_no_reward() {
        let base = [0.0, f32::NEG_INFINITY];
        let terms = [term(1.0, 0, Reference::Base), term(1.0, 0, Reference::Opposing)];
        let phi = features(&terms, &base, &[lane(&[0.5, 0.5])], Normalisation::Candidates);
        assert_eq!([phi[0][1], phi[1][1]], [0.0, 0.0]);
        let phi = features(&terms, &[0.5f32.ln(); 2], &[lane(&[1.0, 0.0])], Normalisation::Candidates);
        assert_eq!(phi[0][1], 0.0);
    }

    #[test]
    fn the_vocabulary_is_its_own_normaliser() {
        let lanes = [Readout { logits: vec![3.0, 1.0], log_sum_exp: Some(4.0) }];
        let phi = features(&[term(1.0, 0, Reference::None)], &[0.0; 2], &lanes, Normalisation::Vocabulary);
        close(&phi[0], &[-1.0, -3.0]);
    }
}
