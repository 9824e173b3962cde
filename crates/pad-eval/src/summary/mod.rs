//! What an evaluation found: everything that the table and the report show, and `summary.json` holds.

mod accuracy;
mod dose;
mod effect;
mod example;
mod finding;
mod fluency;
mod front;

use serde::Serialize;

use crate::answer::Style;
use crate::method::Method;
use crate::preference::Preference;
use crate::run::Run;
use crate::scale::{Scales, Score};
use crate::scorer::Scorer;
use crate::sheet::{Cell, Sheet};

pub use accuracy::Accuracy;
pub use dose::{Dose, Line, Point};
pub use effect::{Effect, EffectTable, SideEffects};
pub use example::{Example, ExampleAnswer};
pub(crate) use finding::{DISTINCT, PERPLEXITY};
pub use finding::{Finding, Part};
pub use fluency::Fluency;
pub use front::{Axis, Front, FrontPoint};

/// What an evaluation found.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// What was asked.
    pub about: About,
    /// Each check with what speaks for or against it.
    pub findings: Vec<Finding>,
    /// How scores follow weights.
    pub doses: Vec<Dose>,
    /// What steering one dimension does to it, by method.
    pub effects: EffectTable,
    /// What steering one dimension does to the others.
    pub side_effects: Vec<SideEffects>,
    /// Two dimensions at once.
    pub fronts: Vec<Front>,
    /// Whether the answers are still language.
    pub fluency: Vec<Fluency>,
    /// Held-out pairs.
    pub accuracies: Vec<Accuracy>,
    /// Answers side by side.
    pub examples: Vec<Example>,
}

/// What was asked.
#[derive(Debug, Serialize)]
pub struct About {
    /// The base model.
    pub model: String,
    /// Number of prompts.
    pub prompts: usize,
    /// Number of answers.
    pub answers: usize,
    /// The methods, base first.
    pub methods: Vec<String>,
    /// Answers that the figures are of, where nothing else is said: sampled ones if there are any.
    pub style: Style,
    /// Seeds of sampled answers, a number, and whether there are greedy ones.
    pub seeds: usize,
    /// Whether greedy answers were asked for.
    pub greedy: bool,
    /// Temperature of sampled answers.
    pub temperature: f64,
    /// Tokens of an answer at most.
    pub max_tokens: usize,
    /// The scorers.
    pub scorers: Vec<String>,
    /// What could not be measured, in sentences.
    pub notes: Vec<String>,
}

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
}

impl<'a> View<'a> {
    fn of(sheet: &'a Sheet, scales: &'a Scales) -> Self {
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
        Self { sheet, scales, style, methods, dimensions }
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

impl Summary {
    /// What a run found.
    pub fn of(run: &Run, sheet: &Sheet, scorers: &[Scorer]) -> Self {
        let view = View::of(sheet, run.scales());
        let plan = run.plan();
        let (fronts, fluency) = (front::all(&view), fluency::all(&view));
        let accuracies = accuracy::all(run);
        let styles = |style| plan.decodings.iter().filter(|decoding| decoding.style() == style).count();
        let mut notes = run.notes().to_vec();
        notes.extend(unmeasured(&view));
        Self {
            about: About {
                model: run.model().to_owned(),
                prompts: plan.prompts.len(),
                answers: sheet.rows().len(),
                methods: std::iter::once(Method::Base).chain(view.methods.clone()).map(|m| m.to_string()).collect(),
                style: view.style,
                seeds: styles(Style::Sampled),
                greedy: styles(Style::Greedy) > 0,
                temperature: plan.terms.temperature,
                max_tokens: plan.terms.max_tokens,
                scorers: scorers.iter().map(|scorer| scorer.title().to_owned()).collect(),
                notes,
            },
            findings: finding::all(&view, &fluency, &accuracies),
            doses: dose::all(&view),
            effects: effect::table(&view),
            side_effects: effect::side_effects(&view),
            fronts,
            fluency,
            accuracies,
            examples: example::all(&view, &plan.prompts),
        }
    }
}

/// Dimensions whose score nobody gave.
fn unmeasured(view: &View<'_>) -> Vec<String> {
    let without = view.dimensions.iter().filter(|dimension| view.score(dimension).is_none());
    without
        .map(|dimension| match view.scales.score(dimension) {
            Some(score) => format!("No scorer gave `{}`, by which `{dimension}` is measured.", score.name),
            None => format!("The scales name no score for `{dimension}`."),
        })
        .collect()
}
