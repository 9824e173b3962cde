//! Dose and response: how a score follows a weight.

use serde::Serialize;

use super::view::{View, base};
use crate::answer::Style;
use crate::method::Method;
use crate::preference::Preference;
use crate::scale::Score;
use crate::sheet::{Cell, difference, estimate};
use crate::statistics::{Estimate, rank_correlation};

/// A score of a dimension by the dimension's weight.
#[derive(Debug, Serialize)]
pub struct Dose {
    /// The dimension.
    pub dimension: String,
    /// The score.
    pub score: Score,
    /// Whether it is the score that counts for the dimension.
    pub main: bool,
    /// A line for each method and style.
    pub lines: Vec<Line>,
}

/// The answers of one method.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The method.
    pub method: Method,
    /// Sampled or greedy.
    pub style: Style,
    /// By weight, from the least on; at 0 the base model's own answers.
    pub points: Vec<Point>,
    /// Spearman's rank correlation of weight and score within each prompt, the score's sign turned so that 1 is a score that always
    /// follows the weight: the mean over prompts. `None` of fewer than three weights.
    pub correlation: Option<Estimate>,
}

/// The answers at one weight.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// The weight.
    pub weight: f64,
    /// The score's mean.
    pub score: Estimate,
    /// How much more of the dimension than the base model's answers: the difference, times the sign of the scale.
    pub change: Option<Estimate>,
}

/// The doses of all dimensions, each with all scores that its scale names and some scorer gave.
pub(super) fn all(view: &View<'_>) -> Vec<Dose> {
    let mut doses = Vec::new();
    for dimension in &view.dimensions {
        let scores = view.scales.of(dimension).map(|scale| scale.scores.as_slice()).unwrap_or_default();
        let main = view.score(dimension);
        for score in scores.iter().filter(|score| view.is_given(score)) {
            let mut lines = Vec::new();
            for style in [Style::Sampled, Style::Greedy] {
                lines.extend(view.methods.iter().filter_map(|method| line(view, method, dimension, score, style)));
            }
            let is_main = main.is_some_and(|main| main.name == score.name);
            doses.push(Dose { dimension: dimension.clone(), score: score.clone(), main: is_main, lines });
        }
    }
    doses
}

fn line(view: &View<'_>, method: &Method, dimension: &str, score: &Score, style: Style) -> Option<Line> {
    let base = view.sheet.scores(&base(style), &score.name);
    let point = |weight: f64| {
        let preference = Preference::of(&[(dimension, weight)]);
        let method = if preference.is_none() { Method::Base } else { method.clone() };
        let series = view.sheet.scores(&Cell { method, preference, style }, &score.name);
        let change = (weight != 0.0).then(|| difference(&series, &base)).flatten();
        Some(Point { weight, score: estimate(&series)?, change: change.map(|c| c.signed(score.better.sign())) })
    };
    let weights = view.weights(method, dimension, style);
    let points: Vec<Point> = weights.iter().copied().filter_map(point).collect();
    let steered = points.iter().any(|point| point.weight != 0.0);
    let correlation = || correlation(view, method, dimension, score, style, &weights);
    steered.then(|| Line { method: method.clone(), style, points, correlation: correlation() })
}

fn correlation(
    view: &View<'_>,
    method: &Method,
    dimension: &str,
    score: &Score,
    style: Style,
    weights: &[f64],
) -> Option<Estimate> {
    let series = weights.iter().map(|weight| {
        let preference = Preference::of(&[(dimension, *weight)]);
        let method = if preference.is_none() { Method::Base } else { method.clone() };
        view.sheet.scores(&Cell { method, preference, style }, &score.name)
    });
    let series: Vec<_> = series.collect();
    let prompts = series.first()?.len();
    let of_prompt = |prompt: usize| {
        let points: Vec<(f64, f64)> = weights
            .iter()
            .zip(&series)
            .filter_map(|(weight, scores)| Some((*weight, scores[prompt]? * score.better.sign())))
            .collect();
        rank_correlation(&points)
    };
    estimate(&(0..prompts).map(of_prompt).collect())
}
