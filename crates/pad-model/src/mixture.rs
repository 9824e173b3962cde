//! A mixture of experts: every row goes through a few of many feed-forward parts, chosen by a router.

use std::cmp::Ordering;

use candle_core::{Result, Tensor};
use pad_kernels::{FeedForward, Input, Linear};

use crate::config::Experts;

/// The experts of a layer.
#[derive(Debug)]
pub struct Mixture {
    /// `[experts, hidden]`, in single precision: a rounded logit would choose another expert.
    pub router: Linear,
    /// The experts.
    pub experts: Vec<FeedForward>,
    /// How they are used.
    pub rule: Experts,
}

impl Mixture {
    /// `[rows, hidden]` to as many, `input` being applied before router and experts. Rows are grouped by expert, so an expert that no row
    /// chose is not read. A row adds up its experts in the order of their numbers, whatever else is in the batch.
    pub fn forward(&self, x: &Tensor, input: Input<'_>) -> Result<Tensor> {
        let (rows, hidden) = x.dims2()?;
        let read = match input {
            Input::Plain => x.clone(),
            Input::Norm(norm) => norm.forward(x)?,
        };
        let logits: Vec<Vec<f32>> = self.router.forward(&read, Input::Plain, None)?.to_vec2()?;
        let mut chosen: Vec<Vec<(u32, f32)>> = vec![Vec::new(); self.experts.len()];
        for (row, logits) in logits.iter().enumerate() {
            for (expert, weight) in choose(logits, self.rule) {
                chosen[expert].push((row as u32, weight));
            }
        }
        let mut sums = vec![0.0_f32; rows * hidden];
        for (expert, chosen) in self.experts.iter().zip(&chosen).filter(|(_, chosen)| !chosen.is_empty()) {
            let index: Vec<u32> = chosen.iter().map(|(row, _)| *row).collect();
            let index = Tensor::from_vec(index, chosen.len(), x.device())?;
            let given = expert.forward(&read.index_select(&index, 0)?, Input::Plain, false, &[])?;
            let given: Vec<f32> = given.flatten_all()?.to_vec1()?;
            for (&(row, weight), given) in chosen.iter().zip(given.chunks_exact(hidden)) {
                let sums = &mut sums[row as usize * hidden..(row as usize + 1) * hidden];
                sums.iter_mut().zip(given).for_each(|(sum, given)| *sum += weight * given);
            }
        }
        Tensor::from_vec(sums, (rows, hidden), x.device())
    }

    /// Bytes of weights held.
    pub fn bytes(&self) -> usize {
        self.router.bytes() + self.experts.iter().map(FeedForward::bytes).sum::<usize>()
    }
}

/// The experts that a row with these logits is given to, and their weights: softmax over all, or over those chosen where they are
/// normalised. Of equal logits the lower number comes first.
fn choose(logits: &[f32], rule: Experts) -> Vec<(usize, f32)> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].partial_cmp(&logits[*a]).unwrap_or(Ordering::Equal).then(a.cmp(b)));
    let chosen = &order[..rule.used.min(order.len())];
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mass = |expert: &usize| (logits[*expert] - max).exp();
    let total: f32 = if rule.normalised { chosen.iter().map(mass).sum() } else { order.iter().map(mass).sum() };
    chosen.iter().map(|expert| (*expert, mass(expert) / total)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_chosen_and_weighted() {
        let logits = [0.0, 2.0, 1.0, 2.0];
        let rule = |normalised| Experts { count: 4, used: 2, normalised };
        assert_eq!(choose(&logits, rule(true)), [(1, 0.5), (3, 0.5)]);
        let sum: f32 = logits.iter().map(|x| x.exp()).sum();
        let share = choose(&logits, rule(false));
        assert!((share[0].1 - 2.0_f32.exp() / sum).abs() < 1e-6, "{share:?}");
    }
}
