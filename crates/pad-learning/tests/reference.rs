//! The posterior, against `tests/reference/learning.py`.

use pad_learning::{Choice, Posterior, Prior};
use serde::Deserialize;

/// Problems and their solutions by numpy and scipy.
const PROBLEMS: &str = include_str!("../../../tests/data/learning.jsonl");

#[derive(Deserialize)]
struct Problem {
    name: String,
    dimensions: usize,
    choices: Vec<Choice>,
    prior: Prior,
    scale: Vec<f64>,
    mean: Vec<f64>,
    covariance: Vec<Vec<f64>>,
    width: f64,
    alignment: f64,
    pair: [Vec<f64>; 2],
    probability: f64,
    information: f64,
    least_certain: Vec<f64>,
    exact_mean: Option<Vec<f64>>,
}

fn problems() -> Vec<Problem> {
    PROBLEMS.lines().map(|line| serde_json::from_str(line).expect("a problem")).collect()
}

fn fit(problem: &Problem) -> Posterior {
    Posterior::fit(problem.dimensions, &problem.choices, &problem.prior).expect("a posterior")
}

fn equal(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
    }
}

#[test]
fn posteriors_are_those_of_the_reference() {
    let problems = problems();
    assert!(problems.len() >= 9);
    for problem in problems {
        let (found, name) = (fit(&problem), &problem.name);
        equal(&found.scale.0, &problem.scale, 1e-12, name);
        equal(&found.mean, &problem.mean, 1e-7, name);
        for (row, expected) in found.covariance.iter().zip(&problem.covariance) {
            equal(row, expected, 1e-7, name);
        }
        equal(&[found.width, found.alignment()], &[problem.width, problem.alignment], 1e-7, name);
        assert_eq!(found.choices, problem.choices.len());
    }
}

#[test]
fn predictions_are_those_of_the_reference() {
    for problem in problems() {
        let (found, [one, other]) = (fit(&problem), &problem.pair);
        let predicted = [found.probability(one, other), found.information(one, other)];
        equal(&predicted, &[problem.probability, problem.information], 1e-7, &problem.name);
    }
}

#[test]
fn questions_are_opposed_along_the_eigenvector_of_the_reference() {
    for problem in problems() {
        let found = fit(&problem);
        let wide = vec![[f64::MIN, f64::MAX]; problem.dimensions];
        let [one, other] = found.opposed(&wide);
        // Both are the known part plus and minus the direction, divided by the scale and by a number of their own.
        let known: Vec<f64> = problem.mean.iter().map(|mean| mean * problem.alignment / norm(&problem.mean)).collect();
        for (weights, sign) in [(one, 1.0), (other, -1.0)] {
            let unscaled: Vec<f64> = weights.iter().zip(&problem.scale).map(|(weight, scale)| weight * scale).collect();
            let expected: Vec<f64> =
                known.iter().zip(&problem.least_certain).map(|(known, entry)| known + sign * entry).collect();
            let (unscaled, expected) = (unit(&unscaled), unit(&expected));
            equal(&unscaled, &expected, 1e-5, &problem.name);
        }
    }
}

/// The mode is nearer to 0 than the mean is, along the direction of the weights: the direction, which decides what requests are steered
/// towards, is the exact one but for 7 degrees in the worst of these problems.
#[test]
fn the_approximation_has_the_direction_of_the_exact_posterior() {
    let mut compared = 0;
    for problem in problems() {
        let Some(exact) = &problem.exact_mean else { continue };
        let found = fit(&problem);
        let cosine: f64 = unit(&found.mean).iter().zip(unit(exact)).map(|(one, other)| one * other).sum();
        assert!(cosine > 0.992, "{}: {cosine}", problem.name);
        for ((mean, exact), deviation) in found.mean.iter().zip(exact).zip(found.deviations()) {
            let apart = (mean - exact).abs() / deviation;
            assert!(apart < 0.6, "{}: {mean}, exactly {exact}, with a deviation of {deviation}", problem.name);
        }
        compared += 1;
    }
    assert_eq!(compared, 3);
}

fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn unit(vector: &[f64]) -> Vec<f64> {
    let norm = norm(vector);
    vector.iter().map(|x| x / norm).collect()
}
