//! How strongly, and over how many candidates, a server steers.

use std::fmt;
use std::str::FromStr;

use crate::error::EvalError;

/// Thousandths of a unit, so that a strength can be compared and be part of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Beta(u32);

/// The guidance of a request; what is `None` is the server's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guidance {
    /// Guidance strength.
    pub beta: Option<Beta>,
    /// Number of candidates.
    pub top_k: Option<u32>,
}

impl Beta {
    /// The strength as a number.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl fmt::Display for Beta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value())
    }
}

impl FromStr for Beta {
    type Err = EvalError;

    fn from_str(text: &str) -> Result<Self, EvalError> {
        let allowed = |value: &f64| (0.0..=1000.0).contains(value) && (value * 1000.0).fract().abs() < 1e-6;
        match text.parse::<f64>().ok().filter(allowed) {
            Some(value) => Ok(Self((value * 1000.0).round() as u32)),
            None => Err(EvalError::Value {
                what: "beta",
                given: text.to_owned(),
                problem: "numbers from 0 on with at most three decimals are allowed".to_owned(),
            }),
        }
    }
}

impl Guidance {
    /// Every strength with every number of candidates; an empty list leaves the server's default.
    pub fn grid(betas: &[Beta], top_ks: &[u32]) -> Vec<Self> {
        fn or_default<T: Copy>(values: &[T]) -> Vec<Option<T>> {
            if values.is_empty() { vec![None] } else { values.iter().copied().map(Some).collect() }
        }
        let of_beta = |beta| or_default(top_ks).into_iter().map(move |top_k| Self { beta, top_k });
        or_default(betas).into_iter().flat_map(of_beta).collect()
    }

    /// Reads `beta=0.5,k=40`; `None` where the text is something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut guidance = Self::default();
        for part in text.split(',') {
            match part.split_once('=')? {
                ("beta", value) => guidance.beta = Some(value.parse().ok()?),
                ("k", value) => guidance.top_k = Some(value.parse().ok()?),
                _ => return None,
            }
        }
        Some(guidance)
    }
}

/// `@beta=0.5,k=40`, or nothing where all is the server's default.
impl fmt::Display for Guidance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beta = self.beta.map(|beta| format!("beta={beta}"));
        let parts: Vec<String> = beta.into_iter().chain(self.top_k.map(|k| format!("k={k}"))).collect();
        if parts.is_empty() { Ok(()) } else { write!(f, "@{}", parts.join(",")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_every_combination_and_is_read_as_it_is_written() {
        let betas = ["0.5", "2"].map(|beta| beta.parse().unwrap());
        let names: Vec<String> = Guidance::grid(&betas, &[10, 40]).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["@beta=0.5,k=10", "@beta=0.5,k=40", "@beta=2,k=10", "@beta=2,k=40"]);
        for name in &names {
            assert_eq!(Guidance::parse(&name[1..]).unwrap().to_string(), *name);
        }
        assert_eq!(Guidance::grid(&[], &[]), [Guidance::default()]);
        assert_eq!(Guidance::default().to_string(), "");
        for wrong in ["-1", "much", "0.00001", "inf"] {
            assert!(wrong.parse::<Beta>().is_err(), "{wrong}");
        }
    }
}
