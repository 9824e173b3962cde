//! What rounding did to weights.

/// Sums over weights that were rounded when they were packed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rounding {
    /// How many.
    pub weights: u64,
    /// The sum of their squares before.
    pub squares: f64,
    /// The sum of the squares of what rounding changed.
    pub errors: f64,
}

impl Rounding {
    /// Of a block of weights, which became `rounded`.
    pub fn of(weights: &[f32], rounded: &[f32]) -> Self {
        let (mut squares, mut errors) = (0.0_f32, 0.0_f32);
        for (weight, rounded) in weights.iter().zip(rounded) {
            squares += weight * weight;
            errors += (rounded - weight) * (rounded - weight);
        }
        Self { weights: weights.len() as u64, squares: squares.into(), errors: errors.into() }
    }

    /// The relative error: the root of the mean square of the changes over that of the weights. 0 where nothing was rounded.
    pub fn relative(&self) -> f64 {
        if self.squares > 0.0 { (self.errors / self.squares).sqrt() } else { 0.0 }
    }
}

impl std::ops::AddAssign for Rounding {
    fn add_assign(&mut self, other: Self) {
        self.weights += other.weights;
        self.squares += other.squares;
        self.errors += other.errors;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_to_the_weights() {
        let mut all = Rounding::default();
        assert!(all.relative().abs() < 1e-12);
        all += Rounding::of(&[3.0, 4.0], &[3.0, 4.0]);
        assert!(all.relative().abs() < 1e-12);
        all += Rounding::of(&[0.0, -12.0], &[0.5, -13.2]);
        assert_eq!(all.weights, 4);
        assert!((all.relative() - 0.1).abs() < 1e-6, "{all:?}");
    }
}
