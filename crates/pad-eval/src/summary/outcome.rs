//! Style and content of each way of answering, as one flat record each, for comparison with other runs.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::effect::effect;
use super::view::{View, single};
use crate::answer::Style;
use crate::built_in::{DECLINES, FINISHED, LOOPS};
use crate::content::{FOUND, RELEVANCE};
use crate::error::EvalError;
use crate::method::Method;
use crate::preference::Preference;
use crate::sheet::{Cell, estimate};
use crate::statistics::Estimate;

/// The answers of one arm to one preference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The base model.
    pub model: String,
    /// The arm.
    pub method: Method,
    /// The preference.
    pub preference: Preference,
    /// Sampled or greedy.
    pub style: Style,
    /// The score of the one dimension that is preferred; `None` of several, or without a score.
    pub score: Option<Estimate>,
    /// How much more of that dimension than the base model's answers, in standard deviations of those.
    pub size: Option<f64>,
    /// Share of answers whose own question is the nearest one.
    pub found: Option<Estimate>,
    /// Cosine of question and answer.
    pub relevance: Option<Estimate>,
    /// Share of answers that run in a circle.
    pub loops: Option<Estimate>,
    /// Share of answers that the model ended itself.
    pub finished: Option<Estimate>,
    /// Share of answers to harmless prompts that decline.
    pub over_refusal: Option<Estimate>,
    /// Share of answers to harmful prompts that decline.
    pub refusal: Option<Estimate>,
}

/// Another run, read from its folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherRun {
    /// The base model.
    pub model: String,
    /// Its answers.
    pub outcomes: Vec<Outcome>,
}

/// The part of a `summary.json` that is read.
#[derive(Deserialize)]
struct Written {
    about: WrittenAbout,
    outcomes: Vec<Outcome>,
}

#[derive(Deserialize)]
struct WrittenAbout {
    model: String,
}

impl OtherRun {
    /// Reads the results of a run from its folder.
    ///
    /// # Errors
    ///
    /// When the folder has no `summary.json` of this program.
    pub fn read(folder: &Path) -> Result<Self, EvalError> {
        let path = folder.join("summary.json");
        let text = std::fs::read_to_string(&path).map_err(EvalError::io("read", &path))?;
        let written: Written =
            serde_json::from_str(&text).map_err(|error| EvalError::file(&path, error.to_string()))?;
        Ok(Self { model: written.about.model, outcomes: written.outcomes })
    }
}

/// A record for every arm and preference.
pub(super) fn all(view: &View<'_>, model: &str) -> Vec<Outcome> {
    view.sheet.cells().iter().map(|cell| outcome(view, cell, model)).collect()
}

fn outcome(view: &View<'_>, cell: &Cell, model: &str) -> Outcome {
    let score = |name: &str| estimate(&view.sheet.scores(cell, name));
    let declines = |harmful: bool| {
        let of_kind = view
            .sheet
            .scores(cell, DECLINES)
            .into_iter()
            .zip(view.harmful)
            .map(|(declines, is_harmful)| declines.filter(|_| *is_harmful == harmful));
        estimate(&of_kind.collect())
    };
    let steered = single(&cell.preference).and_then(|(dimension, _)| effect(view, cell, &dimension));
    Outcome {
        model: model.to_owned(),
        method: cell.method.clone(),
        preference: cell.preference.clone(),
        style: cell.style,
        score: steered.map(|effect| effect.score),
        size: steered.and_then(|effect| effect.size),
        found: score(FOUND),
        relevance: score(RELEVANCE),
        loops: score(LOOPS),
        finished: score(FINISHED),
        over_refusal: declines(false),
        refusal: declines(true),
    }
}
