//! Repeatable draws: numbers that depend only on their inputs, so that a run can be repeated and
//! continued.

/// The golden ratio as a fraction of 2^64, the step of `SplitMix64`.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The offset and the prime of the 64-bit FNV-1a hash.
const FNV: (u64, u64) = (0xCBF2_9CE4_8422_2325, 0x0100_0000_01B3);

/// A number that belongs to a text (FNV-1a).
pub fn of_text(text: &str) -> u64 {
    text.bytes().fold(FNV.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV.1))
}

/// A number that belongs to these numbers in this order.
pub fn of_numbers(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0, |state, number| mixed(state.wrapping_add(STEP) ^ number))
}

/// A fraction in [0, 1) that belongs to these numbers.
pub fn fraction(numbers: &[u64]) -> f64 {
    (of_numbers(numbers) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A stream of draws that depends on nothing but what it is made of (`SplitMix64`: Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// The stream that belongs to these numbers; other numbers have another one.
    pub fn of(numbers: &[u64]) -> Self {
        Self(of_numbers(numbers))
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
    fn order_and_content_count() {
        assert_eq!(of_text("a"), 0xAF63_DC4C_8601_EC8C, "the published value of FNV-1a");
        assert_ne!(of_numbers(&[1, 2]), of_numbers(&[2, 1]));
        let mean = (0..1000).map(|i| fraction(&[7, i])).sum::<f64>() / 1000.0;
        assert!((mean - 0.5).abs() < 0.05, "{mean}");
    }

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
