//! The cost of answers: lanes, tokens and seconds.

use serde::Serialize;

use super::view::{View, base};
use crate::method::Method;
use crate::preference::Preference;
use crate::sheet::{Cell, Row, estimate, ratio};
use crate::statistics::Estimate;

/// The cost of the answers of one arm to one preference.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// The arm.
    pub method: Method,
    /// The preference.
    pub preference: Preference,
    /// Reward lanes beside the base lane.
    pub lanes: Option<Estimate>,
    /// Tokens of an answer.
    pub tokens: Option<Estimate>,
    /// Milliseconds a token, from request to answer, with all the requests that ran beside it.
    pub ms_per_token: Option<Estimate>,
    /// The same over that of the base model's answers.
    pub of_base: Option<f64>,
}

/// A record for every arm and preference of the view's style.
pub(super) fn all(view: &View<'_>) -> Vec<Cost> {
    let base = base(view.style);
    let pace = |cell: &Cell| {
        let millis = view.sheet.series(cell, |row| timed(row).map(|seconds| 1e3 * seconds));
        ratio(&millis, &view.sheet.series(cell, |row| timed(row).map(|_| row.answer().tokens as f64)))
    };
    let plain = pace(&base);
    let own = view.sheet.cells().iter().filter(|cell| cell.style == view.style);
    let cost = |cell: &Cell| {
        let ms_per_token = pace(cell);
        Cost {
            method: cell.method.clone(),
            preference: cell.preference.clone(),
            lanes: estimate(&view.sheet.series(cell, |row| Some(row.answer().reward_lanes as f64))),
            tokens: estimate(&view.sheet.series(cell, |row| Some(row.answer().tokens as f64))),
            of_base: ms_per_token.zip(plain).map(|(own, plain)| own.value / plain.value),
            ms_per_token,
        }
    };
    own.map(cost).collect()
}

/// The seconds of an answer, where they were taken.
fn timed(row: &Row) -> Option<f64> {
    Some(row.answer().seconds).filter(|seconds| *seconds > 0.0)
}
