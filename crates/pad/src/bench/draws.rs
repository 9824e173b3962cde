//! Reproducible draws: what prompts are made of.

/// The golden ratio as a fraction of 2^64, the step of `SplitMix64`.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of draws that depends on nothing but what it is made of (`SplitMix64`: Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// The stream that belongs to these numbers; another one for any other numbers.
    pub fn of(numbers: &[u64]) -> Self {
        Self(numbers.iter().fold(0, |state, number| mixed(state.wrapping_add(STEP) ^ number)))
    }

    /// A number below `bound`, which is far below 2^64 and not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(STEP);
        (mixed(self.0) % bound as u64) as usize
    }
}

fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |numbers: &[u64]| {
            let mut draws = Draws::of(numbers);
            (0..8).map(|_| draws.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]), "the order counts");
        assert_ne!(draw(&[1, 2]), draw(&[1, 3]));
        assert!(draw(&[7]).iter().all(|drawn| *drawn < 1000));
    }
}
