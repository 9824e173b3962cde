//! Eq. 9: how well the log-ratios of two answers identify the better one.

use candle_core::{Device, Tensor};

use crate::TrainError;

/// The loss's own numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// Temperature.
    pub beta: f64,
    /// Where log-ratios are divided by the answer's length: what they are multiplied by after that.
    pub mean_length: Option<f64>,
    /// Weight of the better answers' own log-probability per token. The paper has none; without it a small model learns to make
    /// the worse answer unlikely by making everything unlikely, and decoding then yields gibberish.
    pub anchor: f64,
}

/// The loss of some pairs.
#[derive(Debug)]
pub struct Loss {
    /// Sum over the pairs, a scalar with a gradient.
    pub sum: Tensor,
    /// `beta` times the difference of the two log-ratios, per pair.
    pub margins: Vec<f32>,
}

impl Objective {
    /// The weight of one token's log-ratio in an answer of `length`.
    fn weight(&self, length: usize) -> f64 {
        self.beta * self.mean_length.map_or(1.0, |mean| mean / length as f64)
    }

    /// Of log-probabilities `[tokens]`, pair by pair, the better answer's first; `lengths` and the reference's sums per pair.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn loss(
        &self,
        log_probabilities: &Tensor,
        lengths: &[[usize; 2]],
        references: &[[f64; 2]],
    ) -> Result<Loss, TrainError> {
        let tokens = log_probabilities.elem_count();
        let mut coefficients = vec![0.0_f32; lengths.len() * tokens];
        let mut anchor = vec![0.0_f32; tokens];
        let (mut at, mut offsets) = (0, Vec::with_capacity(lengths.len()));
        for (row, (lengths, reference)) in coefficients.chunks_exact_mut(tokens).zip(lengths.iter().zip(references)) {
            let [chosen, rejected] = lengths.map(|length| self.weight(length));
            row[at..at + lengths[0]].fill(chosen as f32);
            anchor[at..at + lengths[0]].fill((-self.anchor / lengths[0] as f64) as f32);
            at += lengths[0];
            row[at..at + lengths[1]].fill(-rejected as f32);
            at += lengths[1];
            offsets.push((reference[0] * chosen - reference[1] * rejected) as f32);
        }
        let pairs = lengths.len();
        let coefficients = Tensor::from_vec(coefficients, (pairs, tokens), &Device::Cpu)?;
        let offsets = Tensor::from_vec(offsets, pairs, &Device::Cpu)?;
        let margins = (coefficients.broadcast_mul(&log_probabilities.unsqueeze(0)?)?.sum(1)? - offsets)?;
        // -log sigmoid(m) = c + log(e^-c + e^(-m - c)), which overflows nowhere for c = max(-m, 0). c is no variable: the kink
        // of the maximum would give a wrong slope at 0, where every training starts.
        let c = margins.neg()?.relu()?.detach();
        let sum = (&c + (c.neg()?.exp()? + (margins.neg()? - &c)?.exp()?)?.log()?)?.sum_all()?;
        let margins = margins.to_vec1()?;
        if self.anchor == 0.0 {
            return Ok(Loss { sum, margins });
        }
        let anchor = Tensor::from_vec(anchor, tokens, &Device::Cpu)?;
        Ok(Loss { margins, sum: (sum + (log_probabilities * anchor)?.sum_all()?)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    fn loss(objective: Objective, values: &[f32], lengths: &[[usize; 2]], references: &[[f64; 2]]) -> (Loss, Vec<f32>) {
        let values = Var::new(values, &Device::Cpu).unwrap();
        let loss = objective.loss(values.as_tensor(), lengths, references).unwrap();
        let gradients = loss.sum.backward().unwrap();
        let gradient = gradients.get(values.as_tensor()).unwrap().to_vec1().unwrap();
        (loss, gradient)
    }

    #[test]
    fn the_papers_loss_and_its_gradient() {
        let objective = Objective { beta: 0.5, mean_length: None, anchor: 0.0 };
        let (got, gradient) =
            loss(objective, &[-1.0, -2.0, -4.0, -1.0, -3.0], &[[2, 1], [1, 1]], &[[-4.0, -5.0], [-1.0, -1.0]]);
        // Log-ratios 1 and 1; 0 and -2.
        assert_eq!(got.margins, [0.0, 1.0]);
        let want = 2.0_f32.ln() + (1.0 + (-1.0_f32).exp()).ln();
        assert!((got.sum.to_scalar::<f32>().unwrap() - want).abs() < 1e-6);
        let far = -0.5 / (1.0 + 1.0_f32.exp());
        for (got, want) in gradient.iter().zip([-0.25, -0.25, 0.25, far, -far]) {
            assert!((got - want).abs() < 1e-6, "{gradient:?}");
        }
    }

    #[test]
    fn lengths_can_be_divided_out() {
        let objective = Objective { beta: 1.0, mean_length: Some(2.0), anchor: 0.0 };
        let (got, _) = loss(objective, &[1.0, 1.0, 1.0, 1.0, 4.0], &[[4, 1]], &[[0.0, 0.0]]);
        assert_eq!(got.margins, [2.0 - 8.0]);
    }

    #[test]
    fn better_answers_can_be_anchored() {
        let anchored = Objective { beta: 0.5, mean_length: None, anchor: 2.0 };
        let case = |objective| loss(objective, &[-1.0, -2.0, -4.0], &[[2, 1]], &[[-4.0, -5.0]]);
        let ((plain, slope), (got, anchored)) = (case(Objective { anchor: 0.0, ..anchored }), case(anchored));
        let value = |loss: &Loss| loss.sum.to_scalar::<f32>().unwrap();
        assert!((value(&got) - value(&plain) - 2.0 * 1.5).abs() < 1e-6, "twice the mean of 1 and 2");
        assert_eq!(got.margins, plain.margins);
        let moved: Vec<f32> = anchored.iter().zip(&slope).map(|(a, b)| a - b).collect();
        assert!(moved.iter().zip([-1.0, -1.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{moved:?}");
    }

    #[test]
    fn large_margins_overflow_nowhere() {
        let objective = Objective { beta: 1.0, mean_length: None, anchor: 0.0 };
        for sign in [1.0, -1.0] {
            let (got, gradient) = loss(objective, &[sign * 500.0, 0.0], &[[1, 1]], &[[0.0, 0.0]]);
            let want = if sign > 0.0 { 0.0 } else { 500.0 };
            assert_eq!(got.sum.to_scalar::<f32>().unwrap(), want);
            assert!(gradient.iter().all(|g| g.is_finite()));
        }
    }
}
