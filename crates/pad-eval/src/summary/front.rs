//! Two dimensions at once: how much of one costs how much of the other.

use serde::Serialize;

use super::view::View;
use crate::method::Method;
use crate::preference::Preference;
use crate::scale::Score;
use crate::sheet::estimate;
use crate::statistics::Estimate;

/// Answers to the preferences that weigh two dimensions and nothing else.
#[derive(Debug, Serialize)]
pub struct Front {
    /// From left to right.
    pub x: Axis,
    /// From below upwards.
    pub y: Axis,
    /// The base model's answers first.
    pub points: Vec<FrontPoint>,
}

/// A dimension with its score.
#[derive(Debug, Serialize)]
pub struct Axis {
    /// The dimension.
    pub dimension: String,
    /// Its score.
    pub score: Score,
}

/// The answers to one preference.
#[derive(Debug, Serialize)]
pub struct FrontPoint {
    /// The method.
    pub method: Method,
    /// The weights of both dimensions.
    pub weights: (f64, f64),
    /// The score of the first.
    pub x: Estimate,
    /// The score of the second.
    pub y: Estimate,
}

/// A front for each pair of dimensions that were steered together.
pub(super) fn all(view: &View<'_>) -> Vec<Front> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for cell in view.sheet.cells() {
        let names: Vec<&str> = cell.preference.weights().map(|(name, _)| name).collect();
        if let [one, other] = names[..] {
            let pair = (one.to_owned(), other.to_owned());
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
    }
    pairs.into_iter().filter_map(|(one, other)| front(view, one, other)).collect()
}

fn front(view: &View<'_>, one: String, other: String) -> Option<Front> {
    let (x, y) = (view.score(&one)?.clone(), view.score(&other)?.clone());
    let belongs = |preference: &Preference| {
        preference.weights().all(|(name, weight)| (name == one || name == other) && weight > 0.0)
    };
    let own = view.sheet.cells().iter().filter(|cell| cell.style == view.style && belongs(&cell.preference));
    let point = |cell: &crate::sheet::Cell| {
        Some(FrontPoint {
            method: cell.method.clone(),
            weights: (cell.preference.weight(&one), cell.preference.weight(&other)),
            x: estimate(&view.sheet.scores(cell, &x.name))?,
            y: estimate(&view.sheet.scores(cell, &y.name))?,
        })
    };
    let mut points: Vec<FrontPoint> = own.filter_map(point).collect();
    // Stable: base first, then the methods in the order of the run.
    points.sort_by_key(|point| point.method != Method::Base);
    Some(Front { x: Axis { dimension: one, score: x }, y: Axis { dimension: other, score: y }, points })
}
