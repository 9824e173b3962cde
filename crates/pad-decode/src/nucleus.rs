//! The candidates that are sampled from: min-p, top-k and nucleus (top-p).

use crate::logprob;
use crate::rule::Rule;
use crate::sampler::Sampler;

/// What `min_p`, `top_k` and `top_p` leave of the candidates, best score first.
pub struct Nucleus {
    /// (rank in the base's order, probability before the cut)
    members: Vec<(usize, f64)>,
}

impl Nucleus {
    /// Cuts softmax(score / temperature), in vLLM's order: at `min_p` times the best probability, then to `top_k` candidates,
    /// then to the smallest set that has `top_p` of the probability that is left. Equal scores keep the base's order. The
    /// best candidate is always in it.
    pub fn new(score: &[f32], rule: &Rule) -> Self {
        let probabilities = logprob::softmax(score, rule.temperature);
        let mut members: Vec<(usize, f64)> = probabilities.into_iter().enumerate().collect();
        members.sort_by(|a, b| score[b.0].total_cmp(&score[a.0]));
        let all = members.len();
        let least = f64::from(rule.min_p) * members.first().map_or(0.0, |(_, best)| *best);
        members.truncate(members.partition_point(|(_, p)| *p >= least).max(1));
        if rule.top_k > 0 {
            members.truncate(rule.top_k);
        }
        let left = if members.len() == all { 1.0 } else { members.iter().map(|(_, p)| p).sum() };
        let wanted = f64::from(rule.top_p) * left;
        let mut mass = 0.0;
        let below = members.iter().take_while(|(_, p)| {
            let short = mass < wanted;
            mass += p;
            short
        });
        let size = below.count().max(1);
        members.truncate(size);
        Self { members }
    }

    /// One member, by inverse transform of one uniform draw; its rank in the base's order.
    pub fn draw(&self, sampler: &mut Sampler) -> usize {
        let total: f64 = self.members.iter().map(|(_, p)| p).sum();
        let mut left = sampler.uniform() * total;
        for &(rank, probability) in &self.members {
            if left < probability {
                return rank;
            }
            left -= probability;
        }
        // Rounding can leave a remainder of about 1e-16 after the last member; those of probability 0 stay out all the same.
        self.members.iter().rev().find(|(_, p)| *p > 0.0).map_or(0, |&(rank, _)| rank)
    }

    /// How many candidates are in it.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.members.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probabilities 0.1, 0.5, 0.4 in the base's order.
    fn score() -> [f32; 3] {
        [0.1f32.ln(), 0.5f32.ln(), 0.4f32.ln()]
    }

    fn rule(top_p: f32) -> Rule {
        Rule { temperature: 1.0, top_p, ..Rule::default() }
    }

    #[test]
    fn sizes() {
        for (top_p, size) in [(0.0, 1), (0.3, 1), (0.49, 1), (0.51, 2), (0.89, 2), (0.95, 3), (1.0, 3)] {
            assert_eq!(Nucleus::new(&score(), &rule(top_p)).len(), size, "top_p {top_p}");
        }
    }

    #[test]
    fn a_set_that_reaches_top_p_exactly_is_enough() {
        assert_eq!(Nucleus::new(&[0.0, 0.0], &rule(0.5)).len(), 1);
    }

    #[test]
    fn the_cuts_by_hand() {
        let size = |min_p, top_k, top_p| Nucleus::new(&score(), &Rule { min_p, top_k, ..rule(top_p) }).len();
        // 0.4 is 0.8 of the best, 0.1 is 0.2 of it.
        assert_eq!([0.0, 0.19, 0.21, 0.79, 0.81, 1.0].map(|min_p| size(min_p, 0, 1.0)), [3, 3, 2, 2, 1, 1]);
        assert_eq!([0, 1, 2, 3, 4].map(|top_k| size(0.0, top_k, 1.0)), [3, 1, 2, 3, 3]);
        // Of two, the first has 5/9 of what is left, where it had 1/2 of the whole.
        assert_eq!((size(0.0, 0, 0.52), size(0.0, 2, 0.52), size(0.5, 0, 0.52)), (2, 1, 1));
        assert_eq!(size(0.5, 2, 0.6), 2);
    }

    #[test]
    fn members_fall_in_score_and_ties_keep_the_bases_order() {
        let ranks =
            |score: &[f32]| -> Vec<usize> { Nucleus::new(score, &rule(1.0)).members.iter().map(|m| m.0).collect() };
        assert_eq!(ranks(&score()), [1, 2, 0]);
        assert_eq!(ranks(&[-1.0, 0.0, -1.0, 0.0]), [1, 3, 0, 2]);
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let nucleus = Nucleus::new(&score(), &rule(0.9));
        let mut sampler = Sampler::new(7, 0);
        let draws = 20_000;
        let mut counts = [0u32; 3];
        for _ in 0..draws {
            counts[nucleus.draw(&mut sampler)] += 1;
        }
        // Rank 0 is outside; 0.5 and 0.4 become 5/9 and 4/9 (standard error 0.0035).
        assert_eq!(counts[0], 0);
        let share = f64::from(counts[1]) / f64::from(draws);
        assert!((share - 5.0 / 9.0).abs() < 0.015, "{share}");
    }

    #[test]
    fn a_tiny_temperature_is_greedy() {
        let nucleus = Nucleus::new(&score(), &Rule { temperature: 1e-6, ..rule(1.0) });
        let mut sampler = Sampler::new(1, 0);
        assert!((0..100).all(|_| nucleus.draw(&mut sampler) == 1));
    }
}
