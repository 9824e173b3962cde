//! Nucleus sampling (top-p) over the candidates.

use crate::logprob;
use crate::rule::Rule;
use crate::sampler::Sampler;

/// The smallest set of candidates whose probability reaches `top_p`, best score first.
pub struct Nucleus {
    /// (rank in the base's order, probability before the cut)
    members: Vec<(usize, f64)>,
}

impl Nucleus {
    /// Cuts softmax(score / temperature) at `top_p`; equal scores keep the base's order. The best
    /// candidate is always in it.
    pub fn new(score: &[f32], rule: &Rule) -> Self {
        let probabilities = logprob::softmax(score, rule.temperature);
        let mut members: Vec<(usize, f64)> = probabilities.into_iter().enumerate().collect();
        members.sort_by(|a, b| score[b.0].total_cmp(&score[a.0]));
        let mut mass = 0.0;
        let below = members.iter().take_while(|(_, p)| {
            let short = mass < f64::from(rule.top_p);
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
        // Rounding can leave a remainder of about 1e-16 after the last member.
        self.members.last().map_or(0, |&(rank, _)| rank)
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
    use crate::rule::Normalisation;

    /// Probabilities 0.1, 0.5, 0.4 in the base's order.
    fn score() -> [f32; 3] {
        [0.1f32.ln(), 0.5f32.ln(), 0.4f32.ln()]
    }

    fn rule(top_p: f32) -> Rule {
        Rule { beta: 1.0, temperature: 1.0, top_p, normalisation: Normalisation::Candidates }
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
