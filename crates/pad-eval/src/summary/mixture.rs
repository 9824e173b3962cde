//! Several dimensions at once: does each of them move, and in the same answers?

use serde::Serialize;

use super::effect::effect;
use super::view::{View, base};
use crate::method::Method;
use crate::preference::Preference;
use crate::sheet::{Cell, estimate};
use crate::statistics::Estimate;

/// The answers of one arm to a preference of two dimensions or more.
#[derive(Clone, Debug, Serialize)]
pub struct Mixture {
    /// The arm.
    pub method: Method,
    /// The preference.
    pub preference: Preference,
    /// Each dimension, and how far its score moved in the direction of its weight, paired by prompt.
    pub changes: Vec<(String, Estimate)>,
    /// Share of prompts in which all of them moved that way.
    pub all_move: Estimate,
}

/// All mixtures of the view's style. Those with a dimension that has no score are left out.
pub(super) fn all(view: &View<'_>) -> Vec<Mixture> {
    let several = |cell: &&Cell| cell.style == view.style && cell.preference.weights().count() > 1;
    view.sheet.cells().iter().filter(several).filter_map(|cell| mixture(view, cell)).collect()
}

fn mixture(view: &View<'_>, cell: &Cell) -> Option<Mixture> {
    let base = base(cell.style);
    let (mut changes, mut moves) = (Vec::new(), Vec::new());
    for (dimension, weight) in cell.preference.weights() {
        let score = view.score(dimension)?;
        let change = effect(view, cell, dimension)?.change.signed(weight);
        changes.push((dimension.to_owned(), change));
        let sign = score.better.sign() * weight.signum();
        let (own, plain) = (view.sheet.scores(cell, &score.name), view.sheet.scores(&base, &score.name));
        moves.push(own.into_iter().zip(plain).map(|(a, b)| Some(sign * (a? - b?) > 0.0)).collect::<Vec<_>>());
    }
    let prompts = moves.first().map_or(0, Vec::len);
    let together = |prompt: usize| {
        let all: Option<Vec<bool>> = moves.iter().map(|moved| moved[prompt]).collect();
        all.map(|all| f64::from(u8::from(all.into_iter().all(|moved| moved))))
    };
    let all_move = estimate(&(0..prompts).map(together).collect())?;
    Some(Mixture { method: cell.method.clone(), preference: cell.preference.clone(), changes, all_move })
}
