//! Whether steered answers are still language.

use serde::Serialize;

use super::view::{View, base};
use crate::built_in::{DISTINCT_2, DISTINCT_3, WORDS};
use crate::method::Method;
use crate::preference::Preference;
use crate::sheet::{estimate, ratio};
use crate::statistics::Estimate;

/// The language of the answers of one method to one preference.
#[derive(Debug, Serialize)]
pub struct Fluency {
    /// The method.
    pub method: Method,
    /// The preference.
    pub preference: Preference,
    /// Perplexity under the base model without a preference.
    pub perplexity: Option<Estimate>,
    /// The same over that of the base model's own answers.
    pub perplexity_ratio: Option<Estimate>,
    /// Share of pairs of words that are different ones.
    pub distinct_2: Option<Estimate>,
    /// Share of triples of words that are different ones.
    pub distinct_3: Option<Estimate>,
    /// The same over that of the base model's own answers.
    pub distinct_3_ratio: Option<Estimate>,
    /// Words of an answer.
    pub words: Option<Estimate>,
    /// Share of answers that the model ended itself.
    pub complete: Option<f64>,
    /// Share of tokens that were not the base model's first.
    pub steered: Option<f64>,
}

/// A row for every method and preference.
pub(super) fn all(view: &View<'_>) -> Vec<Fluency> {
    let base = base(view.style);
    let own = view.sheet.cells().iter().filter(|cell| cell.style == view.style);
    let row = |cell: &crate::sheet::Cell| {
        let score = |name: &str| estimate(&view.sheet.scores(cell, name));
        let distinct = |cell| view.sheet.scores(cell, DISTINCT_3);
        let complete = view.sheet.series(cell, |row| Some(f64::from(u8::from(row.answer().complete))));
        let steered = ratio(
            &view.sheet.series(cell, |row| Some(row.answer().steered_tokens as f64)),
            &view.sheet.series(cell, |row| Some(row.answer().tokens as f64)),
        );
        let is_base = *cell == base;
        Fluency {
            method: cell.method.clone(),
            preference: cell.preference.clone(),
            perplexity: view.sheet.perplexity(cell),
            perplexity_ratio: (!is_base).then(|| view.sheet.perplexity_ratio(cell, &base)).flatten(),
            distinct_2: score(DISTINCT_2),
            distinct_3: score(DISTINCT_3),
            distinct_3_ratio: (!is_base).then(|| ratio(&distinct(cell), &distinct(&base))).flatten(),
            words: score(WORDS),
            complete: estimate(&complete).map(|share| share.value),
            steered: steered.map(|share| share.value),
        }
    };
    own.map(row).collect()
}
