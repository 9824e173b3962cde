//! Small symmetric matrices: Cholesky's factor and eigenvectors of a few dozen rows, which no large library is worth.

/// The scalar product.
pub(crate) fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

/// The Euclidean norm.
pub(crate) fn norm(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

/// `sum += factor * vector`.
pub(crate) fn add(sum: &mut [f64], factor: f64, vector: &[f64]) {
    sum.iter_mut().zip(vector).for_each(|(sum, entry)| *sum += factor * entry);
}

/// A symmetric matrix; all of its entries are stored, by rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Symmetric {
    /// `[n][n]`.
    pub(crate) rows: Vec<Vec<f64>>,
}

impl Symmetric {
    /// The identity.
    pub(crate) fn identity(n: usize) -> Self {
        let row = |one: usize| (0..n).map(|other| f64::from(u8::from(one == other))).collect();
        Self { rows: (0..n).map(row).collect() }
    }

    /// Zeros.
    pub(crate) fn zero(n: usize) -> Self {
        Self { rows: vec![vec![0.0; n]; n] }
    }

    /// Add `factor * vector vector^T`.
    pub(crate) fn add_outer(&mut self, factor: f64, vector: &[f64]) {
        for (row, entry) in self.rows.iter_mut().zip(vector) {
            add(row, factor * entry, vector);
        }
    }

    /// Add another one of the same size, or the first rows and columns of a larger one, `factor` times.
    pub(crate) fn add_matrix(&mut self, factor: f64, other: &Self) {
        self.rows.iter_mut().zip(&other.rows).for_each(|(row, other)| add(row, factor, other));
    }

    /// The product with a vector.
    pub(crate) fn times(&self, vector: &[f64]) -> Vec<f64> {
        self.rows.iter().map(|row| dot(row, vector)).collect()
    }

    /// The factor of a positive definite matrix; none of others.
    pub(crate) fn cholesky(&self) -> Option<Cholesky> {
        let n = self.rows.len();
        let mut lower = vec![vec![0.0; n]; n];
        for i in 0..n {
            for j in 0..=i {
                let rest = self.rows[i][j] - dot(&lower[i][..j], &lower[j][..j]);
                if i > j {
                    lower[i][j] = rest / lower[j][j];
                } else if rest > 0.0 && rest.is_finite() {
                    lower[i][i] = rest.sqrt();
                } else {
                    return None;
                }
            }
        }
        Some(Cholesky { lower })
    }

    /// Eigenvalues, the largest first, each with its eigenvector of norm 1 (Jacobi's method). Equal ones are in the order of the rows.
    pub(crate) fn eigen(&self) -> Vec<(f64, Vec<f64>)> {
        let n = self.rows.len();
        let mut matrix = self.rows.clone();
        let mut vectors = Self::identity(n).rows;
        let size: f64 = matrix.iter().flatten().map(|entry| entry * entry).sum();
        // Each sweep squares what is left beside the diagonal, in the end.
        for _ in 0..50 {
            let pairs = || (0..n).flat_map(|p| (p + 1..n).map(move |q| (p, q)));
            let left: f64 = pairs().map(|(p, q)| matrix[p][q] * matrix[p][q]).sum();
            if left <= size * 1e-30 {
                break;
            }
            for (p, q) in pairs() {
                rotate(&mut matrix, &mut vectors, p, q);
            }
        }
        let mut found: Vec<(f64, Vec<f64>)> =
            (0..n).map(|at| (matrix[at][at], vectors.iter().map(|row| row[at]).collect())).collect();
        found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        found
    }
}

/// Make the entry of row `p` and column `q`, which is right of it, zero by a rotation of these two.
fn rotate(matrix: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) {
    let entry = matrix[p][q];
    if entry == 0.0 {
        return;
    }
    let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * entry);
    let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
    let sine = tangent * cosine;
    let turned = |one: f64, other: f64| (cosine * one - sine * other, sine * one + cosine * other);
    for row in matrix.iter_mut().chain(vectors) {
        (row[p], row[q]) = turned(row[p], row[q]);
    }
    let (above, below) = matrix.split_at_mut(q);
    for (one, other) in above[p].iter_mut().zip(&mut below[0]) {
        (*one, *other) = turned(*one, *other);
    }
}

/// The factor L of a matrix A = L L^T.
pub(crate) struct Cholesky {
    /// Lower triangle.
    lower: Vec<Vec<f64>>,
}

impl Cholesky {
    /// The x with A x = b.
    pub(crate) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let n = b.len();
        let mut x = b.to_vec();
        for i in 0..n {
            x[i] = (x[i] - dot(&self.lower[i][..i], &x[..i])) / self.lower[i][i];
        }
        for i in (0..n).rev() {
            let below: f64 = (i + 1..n).map(|j| self.lower[j][i] * x[j]).sum();
            x[i] = (x[i] - below) / self.lower[i][i];
        }
        x
    }

    /// The inverse of A.
    pub(crate) fn inverse(&self) -> Symmetric {
        Symmetric { rows: Symmetric::identity(self.lower.len()).rows.iter().map(|unit| self.solve(unit)).collect() }
    }

    /// The logarithm of the determinant of A.
    pub(crate) fn log_determinant(&self) -> f64 {
        2.0 * self.lower.iter().enumerate().map(|(at, row)| row[at].ln()).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symmetric(rows: [[f64; 3]; 3]) -> Symmetric {
        Symmetric { rows: rows.map(Vec::from).to_vec() }
    }

    fn near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
        }
    }

    /// L = [[2, 0, 0], [6, 1, 0], [-8, 5, 3]].
    #[test]
    fn a_factor_by_hand() {
        let matrix = symmetric([[4.0, 12.0, -16.0], [12.0, 37.0, -43.0], [-16.0, -43.0, 98.0]]);
        let factor = matrix.cholesky().expect("positive definite");
        assert_eq!(factor.lower, [[2.0, 0.0, 0.0], [6.0, 1.0, 0.0], [-8.0, 5.0, 3.0]]);
        assert!((factor.log_determinant() - 36.0_f64.ln()).abs() < 1e-12, "(2 * 1 * 3) squared");
        near(&factor.solve(&matrix.times(&[1.0, -2.0, 3.0])), &[1.0, -2.0, 3.0]);
        for (row, unit) in factor.inverse().rows.iter().zip(Symmetric::identity(3).rows) {
            near(&matrix.times(row), &unit);
        }
        assert!(symmetric([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).cholesky().is_none(), "eigenvalue -1");
        assert!(symmetric([[f64::NAN; 3]; 3]).cholesky().is_none());
    }

    /// Eigenvalues 2 - sqrt(2), 2 and 2 + sqrt(2).
    #[test]
    fn eigenvectors_by_hand() {
        let matrix = symmetric([[2.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 2.0]]);
        let root = 2.0_f64.sqrt();
        let found = matrix.eigen();
        near(&found.iter().map(|(value, _)| *value).collect::<Vec<_>>(), &[2.0 + root, 2.0, 2.0 - root]);
        for (value, vector) in &found {
            assert!((norm(vector) - 1.0).abs() < 1e-12);
            near(&matrix.times(vector), &vector.iter().map(|entry| value * entry).collect::<Vec<_>>());
        }
        assert_eq!(Symmetric::identity(2).eigen(), [(1.0, vec![1.0, 0.0]), (1.0, vec![0.0, 1.0])]);
    }
}
