//! The effect of steering a dimension on itself and on the others.

use serde::Serialize;

use super::view::{View, base};
use crate::method::Method;
use crate::sheet::{Cell, difference, estimate};
use crate::statistics::{Estimate, standard_deviation};

/// Methods against dimensions: each cell is the dimension's score where it alone is steered.
#[derive(Debug, Serialize)]
pub struct EffectTable {
    /// The columns: dimensions, with what their score is called.
    pub columns: Vec<(String, String)>,
    /// The base model's scores.
    pub base: Vec<Option<Estimate>>,
    /// A row for each method and weight above 0.
    pub rows: Vec<(Method, f64, Vec<Option<Effect>>)>,
}

/// What steering did to a score.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Effect {
    /// The score.
    pub score: Estimate,
    /// How much more of the dimension than the base model's answers, paired by prompt.
    pub change: Estimate,
    /// The change in standard deviations of the base model's answers: dimensions can be compared by it.
    pub size: Option<f64>,
}

/// What steering each dimension at 1 does to all of them.
#[derive(Debug, Serialize)]
pub struct SideEffects {
    /// The method.
    pub method: Method,
    /// Dimensions: those that are measured.
    pub columns: Vec<String>,
    /// Dimensions that are steered, with a cell for each column.
    pub rows: Vec<(String, Vec<Option<Effect>>)>,
}

/// The effect of answers made so on the score of a dimension.
pub(super) fn effect(view: &View<'_>, cell: &Cell, dimension: &str) -> Option<Effect> {
    let score = view.score(dimension)?;
    let (own, base) = (view.sheet.scores(cell, &score.name), view.sheet.scores(&base(cell.style), &score.name));
    let change = difference(&own, &base)?.signed(score.better.sign());
    let spread = standard_deviation(&base.into_iter().flatten().collect::<Vec<_>>()).filter(|spread| *spread > 0.0);
    Some(Effect { score: estimate(&own)?, change, size: spread.map(|spread| change.value / spread) })
}

fn measured<'a>(view: &'a View<'_>) -> Vec<&'a String> {
    view.dimensions.iter().filter(|dimension| view.score(dimension).is_some()).collect()
}

/// Methods against dimensions.
pub(super) fn table(view: &View<'_>) -> EffectTable {
    let dimensions = measured(view);
    let label = |dimension: &String| view.score(dimension).map_or_else(String::new, |score| score.label().to_owned());
    let base = |dimension: &&String| {
        let score = view.score(dimension)?;
        estimate(&view.sheet.scores(&base(view.style), &score.name))
    };
    let mut rows = Vec::new();
    for method in &view.methods {
        let mut weights: Vec<f64> = dimensions.iter().flat_map(|d| view.weights(method, d, view.style)).collect();
        weights.retain(|weight| *weight > 0.0);
        weights.sort_by(f64::total_cmp);
        weights.dedup();
        for weight in weights {
            let cells = dimensions.iter().map(|d| effect(view, &view.cell(method, d, weight), d)).collect();
            rows.push((method.clone(), weight, cells));
        }
    }
    EffectTable {
        columns: dimensions.iter().map(|dimension| ((*dimension).clone(), label(dimension))).collect(),
        base: dimensions.iter().map(base).collect(),
        rows,
    }
}

/// For each method, what steering one dimension at 1 does to the others.
pub(super) fn side_effects(view: &View<'_>) -> Vec<SideEffects> {
    let columns = measured(view);
    let of_method = |method: &Method| {
        let rows: Vec<(String, Vec<Option<Effect>>)> = view
            .dimensions
            .iter()
            .map(|steered| (steered, view.cell(method, steered, 1.0)))
            .filter(|(_, cell)| view.has(cell))
            .map(|(steered, cell)| (steered.clone(), columns.iter().map(|d| effect(view, &cell, d)).collect()))
            .collect();
        let columns = columns.iter().map(|column| (*column).clone()).collect();
        (!rows.is_empty()).then(|| SideEffects { method: method.clone(), columns, rows })
    };
    view.methods.iter().filter_map(of_method).collect()
}
