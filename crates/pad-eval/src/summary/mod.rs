//! The results of an evaluation: everything that the table, the report and `summary.json` contain.

mod accuracy;
mod cost;
mod dose;
mod effect;
mod example;
mod finding;
mod fluency;
mod front;
mod mixture;
mod outcome;
mod view;
mod win;

use serde::Serialize;

use crate::answer::Style;
use crate::duel::Verdict;
use crate::method::Method;
use crate::run::Run;
use crate::scorer::Scorer;
use crate::sheet::Sheet;

pub use accuracy::Accuracy;
pub use cost::Cost;
pub use dose::{Dose, Line, Point};
pub use effect::{Effect, EffectTable, SideEffects};
pub use example::{Example, ExampleAnswer};
pub(crate) use finding::{DISTINCT, PERPLEXITY};
pub use finding::{Finding, Part};
pub use fluency::Fluency;
pub use front::{Axis, Front, FrontPoint};
pub use mixture::Mixture;
pub use outcome::{OtherRun, Outcome};
pub(crate) use view::single;
pub use win::WinRate;

use view::View;

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
    /// Content and style of each way of answering.
    pub outcomes: Vec<Outcome>,
    /// Several dimensions at once.
    pub mixtures: Vec<Mixture>,
    /// Lanes and seconds.
    pub costs: Vec<Cost>,
    /// The judge's verdicts, if there is a judge.
    pub wins: Vec<WinRate>,
    /// Other runs that are shown beside this one.
    pub others: Vec<OtherRun>,
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
    /// The answers that figures refer to unless stated otherwise: sampled ones if there are any.
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

impl Summary {
    /// What a run found.
    pub fn of(run: &Run, sheet: &Sheet, scorers: &[Scorer]) -> Self {
        let plan = run.plan();
        let harmful: Vec<bool> = plan.prompts.iter().map(|prompt| prompt.harmful).collect();
        let view = View::of(sheet, run.scales(), &harmful);
        let (fronts, fluency) = (front::all(&view), fluency::all(&view));
        let accuracies = accuracy::all(run);
        let mixtures = mixture::all(&view);
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
            findings: finding::all(&view, &fluency, &accuracies, &mixtures),
            doses: dose::all(&view),
            effects: effect::table(&view),
            side_effects: effect::side_effects(&view),
            fronts,
            fluency,
            outcomes: outcome::all(&view, run.model()),
            mixtures,
            costs: cost::all(&view),
            wins: Vec::new(),
            others: Vec::new(),
            accuracies,
            examples: example::all(&view, &plan.prompts),
        }
    }
}

impl Summary {
    /// Adds the judge's verdicts.
    #[must_use]
    pub fn with_verdicts(mut self, verdicts: &[Verdict]) -> Self {
        self.wins = win::rates(verdicts);
        self
    }

    /// Shows other runs beside this one.
    #[must_use]
    pub fn beside(mut self, others: Vec<OtherRun>) -> Self {
        self.others = others;
        self
    }
}

/// Dimensions without a score.
fn unmeasured(view: &View<'_>) -> Vec<String> {
    let without = view.dimensions.iter().filter(|dimension| view.score(dimension).is_none());
    without
        .map(|dimension| match view.scales.score(dimension) {
            Some(score) => format!("No scorer gave `{}`, by which `{dimension}` is measured.", score.name),
            None => format!("The scales name no score for `{dimension}`."),
        })
        .collect()
}
