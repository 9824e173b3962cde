//! The input of all parts of a summary: the answers with their scores, and the arms and dimensions.

use crate::answer::Style;
use crate::method::Method;
use crate::preference::Preference;
use crate::scale::{Scales, Score};
use crate::sheet::{Cell, Sheet};

/// What all parts of a summary look at.
pub(crate) struct View<'a> {
    pub sheet: &'a Sheet,
    pub scales: &'a Scales,
    /// The style of the figures.
    pub style: Style,
    /// Methods but base, in the order of the run.
    pub methods: Vec<Method>,
    /// Dimensions that were steered alone, in the order of the run.
    pub dimensions: Vec<String>,
    /// Which prompts should be declined, in the order of the plan.
    pub harmful: &'a [bool],
}

impl<'a> View<'a> {
    /// A view of all answers.
    pub fn of(sheet: &'a Sheet, scales: &'a Scales, harmful: &'a [bool]) -> Self {
        let (mut methods, mut dimensions) = (Vec::new(), Vec::new());
        let mut style = Style::Greedy;
        for cell in sheet.cells() {
            if cell.method != Method::Base && !methods.contains(&cell.method) {
                methods.push(cell.method.clone());
            }
            if let Some((dimension, _)) = single(&cell.preference)
                && !dimensions.contains(&dimension)
            {
                dimensions.push(dimension);
            }
            if cell.style == Style::Sampled {
                style = Style::Sampled;
            }
        }
        Self { sheet, scales, style, methods, dimensions, harmful }
    }

    /// The answers of a method to one dimension's weight; at 0 the base model's.
    pub fn cell(&self, method: &Method, dimension: &str, weight: f64) -> Cell {
        let preference = Preference::of(&[(dimension, weight)]);
        if preference.is_none() {
            return base(self.style);
        }
        Cell { method: method.clone(), preference, style: self.style }
    }

    /// Whether there are answers that were made so.
    pub fn has(&self, cell: &Cell) -> bool {
        self.sheet.cells().contains(cell)
    }

    /// The weights that a method gave a dimension alone, and 0, in order.
    pub fn weights(&self, method: &Method, dimension: &str, style: Style) -> Vec<f64> {
        let own = self.sheet.cells().iter().filter(|cell| cell.method == *method && cell.style == style);
        let mut weights: Vec<f64> = own
            .filter_map(|cell| single(&cell.preference).filter(|(name, _)| name == dimension))
            .map(|(_, weight)| weight)
            .collect();
        if self.has(&base(style)) {
            weights.push(0.0);
        }
        weights.sort_by(f64::total_cmp);
        weights
    }

    /// The score that counts for a dimension, if some answer has it.
    pub fn score(&self, dimension: &str) -> Option<&Score> {
        self.scales.score(dimension).filter(|score| self.is_given(score))
    }

    /// Whether some answer has this score.
    pub fn is_given(&self, score: &Score) -> bool {
        self.sheet.rows().iter().any(|row| row.scores.contains_key(&score.name))
    }
}

/// The base model's own answers.
pub(crate) fn base(style: Style) -> Cell {
    Cell { method: Method::Base, preference: Preference::none(), style }
}

/// The one dimension of a preference, and its weight.
pub(crate) fn single(preference: &Preference) -> Option<(String, f64)> {
    let mut weights = preference.weights();
    let (name, weight) = weights.next()?;
    weights.next().is_none().then(|| (name.to_owned(), weight))
}
