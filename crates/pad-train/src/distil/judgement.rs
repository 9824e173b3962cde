//! How well heads tell the rewards of tokens that they were not fitted to.

use serde::Serialize;

use super::state::Targets;

/// How well a head tells the prompted lanes' rewards, over the candidates of held-out tokens, each weighted as in the fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Fidelity {
    /// The share of the rewards' variance that the head tells (R2): 1 is all of it, 0 none.
    pub variance: f64,
    /// The correlation of both.
    pub correlation: f64,
}

/// Sums of one dimension.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    error: f64,
    told: f64,
    predicted: f64,
    both: f64,
}

/// The sums over any number of states.
#[derive(Clone, Debug)]
pub struct Judgement {
    sums: Vec<Sums>,
}

impl Judgement {
    /// Of so many dimensions.
    pub fn new(dimensions: usize) -> Self {
        Self { sums: vec![Sums::default(); dimensions] }
    }

    /// Add one state: predicted rewards `[k, dimensions]`, centred.
    pub fn add(&mut self, predicted: &[f32], targets: &Targets) {
        let dimensions = self.sums.len();
        let rows = predicted.chunks_exact(dimensions).zip(targets.rewards.chunks_exact(dimensions));
        for ((predicted, told), weight) in rows.zip(&targets.weight) {
            for (sums, (p, t)) in self.sums.iter_mut().zip(predicted.iter().zip(told)) {
                let (p, t, weight) = (f64::from(*p), f64::from(*t), f64::from(*weight));
                sums.error += weight * (p - t) * (p - t);
                sums.told += weight * t * t;
                sums.predicted += weight * p * p;
                sums.both += weight * p * t;
            }
        }
    }

    /// Of each dimension.
    pub fn fidelity(&self) -> Vec<Fidelity> {
        let of = |sums: &Sums| Fidelity {
            variance: 1.0 - sums.error / sums.told.max(f64::MIN_POSITIVE),
            correlation: sums.both / (sums.told * sums.predicted).sqrt().max(f64::MIN_POSITIVE),
        };
        self.sums.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_reward_correlates_fully_and_explains_three_quarters() {
        let targets =
            Targets { probability: vec![0.5, 0.5], weight: vec![0.5, 0.5], rewards: vec![1.0, 2.0, -1.0, -2.0] };
        let mut judgement = Judgement::new(2);
        judgement.add(&[0.5, 2.0, -0.5, -2.0], &targets);
        let [half, all] = judgement.fidelity()[..] else { panic!("two dimensions") };
        assert!((half.variance - 0.75).abs() < 1e-9 && (half.correlation - 1.0).abs() < 1e-9, "{half:?}");
        assert_eq!(all, Fidelity { variance: 1.0, correlation: 1.0 });
    }
}
