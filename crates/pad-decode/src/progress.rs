//! The answer so far, as guards see it.

/// The tokens of a choice so far, and how far its distributions were moved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    answer: Vec<u32>,
    /// Sum over the tokens, in nats.
    kl: f64,
}

impl Progress {
    /// A token was chosen by a step that moved the base's distribution by `kl` nats.
    pub fn push(&mut self, token: u32, kl: f32) {
        self.answer.push(token);
        self.kl += f64::from(kl);
    }

    /// The tokens that would end a run of `length` tokens which the answer already has; none where `length` is 0.
    pub(crate) fn repeats(&self, length: usize) -> Vec<u32> {
        let Some(before) = length.checked_sub(1).filter(|before| *before <= self.answer.len()) else {
            return Vec::new();
        };
        let last = &self.answer[self.answer.len() - before..];
        let again = self.answer.windows(length).filter(|run| run.starts_with(last));
        again.filter_map(|run| run.last().copied()).collect()
    }

    /// The nats by which the next step may move the distribution, for a mean over the answer of `most` nats a token.
    pub(crate) fn allowance(&self, most: f64) -> f64 {
        most * (self.answer.len() + 1) as f64 - self.kl
    }

    /// The share of the guidance at the next token: 1 for the first `guided` tokens, then falling linearly to 0, which comes `guided`
    /// tokens later. Always 1 where `guided` is 0.
    pub(crate) fn share(&self, guided: usize) -> f32 {
        let (at, guided) = (self.answer.len(), guided);
        if guided == 0 || at < guided {
            return 1.0;
        }
        (2 * guided).saturating_sub(at) as f32 / (guided + 1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(tokens: &[u32], kl: f32) -> Progress {
        let mut progress = Progress::default();
        tokens.iter().for_each(|token| progress.push(*token, kl));
        progress
    }

    #[test]
    fn what_would_repeat_a_run() {
        let progress = answer(&[1, 2, 3, 1, 2, 4, 1, 2], 0.0);
        assert_eq!(progress.repeats(3), [3, 4]);
        assert_eq!(progress.repeats(4), [0_u32; 0], "4, 1, 2 was there once");
        assert_eq!(progress.repeats(2), [3, 4], "and what followed each 2");
        assert_eq!(progress.repeats(1), [1, 2, 3, 1, 2, 4, 1, 2]);
        for none in [0, 9, 10, usize::MAX] {
            assert_eq!(progress.repeats(none), [0_u32; 0]);
        }
        assert_eq!(Progress::default().repeats(1), [0_u32; 0]);
        assert_eq!(answer(&[5, 5, 5], 0.0).repeats(2), [5, 5]);
    }

    #[test]
    fn what_was_not_used_may_be_used_later() {
        let near = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
        near(Progress::default().allowance(0.25), 0.25);
        near(answer(&[1, 2], 0.125).allowance(0.25), 0.5);
        near(answer(&[1, 2], 0.25).allowance(0.25), 0.25);
        near(answer(&[1, 2], 0.0).allowance(0.0), 0.0);
        assert!(answer(&[1], 3.0).allowance(f64::INFINITY).is_infinite());
    }

    #[test]
    fn guidance_fades() {
        let shares = |guided, at: &[usize]| -> Vec<f32> {
            at.iter().map(|at| answer(&vec![0; *at], 0.0).share(guided)).collect()
        };
        assert_eq!(shares(3, &[0, 2, 3, 4, 5, 6, 7]), [1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]);
        assert_eq!(shares(1, &[0, 1, 2]), [1.0, 0.5, 0.0]);
        assert_eq!(shares(0, &[0, 1000]), [1.0, 1.0]);
    }
}
