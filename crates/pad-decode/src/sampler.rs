//! The random number generator of one choice.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A seeded stream of uniform draws, one per sampled token.
///
/// It depends on the request's seed and the choice's number alone, so a repeat with the same seed
/// draws the same numbers, whatever else the server is doing. Choices of one request read
/// different `ChaCha` streams under one key.
#[derive(Clone, Debug)]
pub struct Sampler {
    stream: ChaCha12Rng,
}

impl Sampler {
    /// The stream of choice number `choice` of a request with this seed.
    pub fn new(seed: u64, choice: u64) -> Self {
        let mut stream = ChaCha12Rng::seed_from_u64(seed);
        stream.set_stream(choice);
        Self { stream }
    }

    /// The next draw, uniform on [0, 1) with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        let bits = self.stream.next_u64() >> 11;
        bits as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(seed: u64, choice: u64) -> Vec<f64> {
        let mut sampler = Sampler::new(seed, choice);
        (0..1000).map(|_| sampler.uniform()).collect()
    }

    #[test]
    fn the_seed_and_the_choice_fix_the_draws() {
        assert_eq!(draws(3, 1), draws(3, 1));
        assert_ne!(draws(3, 1), draws(3, 2));
        assert_ne!(draws(3, 1), draws(4, 1));
    }

    /// A change of generator would break every client that stored a seed.
    #[test]
    fn the_stream_is_pinned() {
        let first: Vec<f64> = draws(42, 0).into_iter().take(2).collect();
        assert_eq!(first, [0.526_557_409_002_773_8, 0.542_725_209_903_143_9]);
    }

    #[test]
    fn draws_are_uniform() {
        let draws = draws(9, 0);
        assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - 0.5).abs() < 0.05, "{mean}");
    }
}
