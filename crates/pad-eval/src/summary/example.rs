//! Answers side by side.

use serde::Serialize;

use super::view::{View, base};
use crate::method::Method;
use crate::preference::Preference;
use crate::prompt::Prompt;
use crate::sheet::Cell;

/// Prompts shown for each preference; their places in the list are fixed, so that they cannot be cherry-picked.
const SHOWN: usize = 3;

/// One prompt with its answers.
#[derive(Debug, Serialize)]
pub struct Example {
    /// What is steered.
    pub topic: String,
    /// What the user said.
    pub prompt: String,
    /// The base model's answer first.
    pub answers: Vec<ExampleAnswer>,
}

/// An answer of an example.
#[derive(Debug, Serialize)]
pub struct ExampleAnswer {
    /// The method.
    pub method: Method,
    /// The preference.
    pub preference: Preference,
    /// The text.
    pub answer: String,
    /// Whether the model ended it itself.
    pub complete: bool,
    /// Its scores of the steered dimensions: what they are called, and the figure.
    pub scores: Vec<(String, f64)>,
}

/// Examples of every dimension, and of every pair that was steered together at 1.
pub(super) fn all(view: &View<'_>, prompts: &[Prompt]) -> Vec<Example> {
    let mut topics: Vec<(String, Vec<Cell>)> = view
        .dimensions
        .iter()
        .map(|dimension| {
            let cells = view.methods.iter().flat_map(|method| {
                // Words have one strength; the steps of steering are what there is to see.
                let weights: &[f64] = if method.is_graded() { &[-1.0, 1.0, 2.0] } else { &[1.0] };
                weights.iter().map(|weight| view.cell(method, dimension, *weight))
            });
            (dimension.clone(), cells.collect())
        })
        .collect();
    let together = view.sheet.cells().iter().filter(|cell| {
        let weights: Vec<f64> = cell.preference.weights().map(|(_, weight)| weight).collect();
        weights == [1.0, 1.0] && cell.style == view.style
    });
    for cell in together {
        let names: Vec<&str> = cell.preference.weights().map(|(name, _)| name).collect();
        let topic = names.join(" and ");
        match topics.iter_mut().find(|(known, _)| *known == topic) {
            Some((_, cells)) => cells.push(cell.clone()),
            None => topics.push((topic, vec![cell.clone()])),
        }
    }
    let count = prompts.len();
    let shown: Vec<usize> = (0..SHOWN.min(count)).map(|k| k * count / SHOWN.min(count)).collect();
    let example = |topic: &str, cells: &[Cell], at: usize| {
        let base = base(view.style);
        let answers: Vec<ExampleAnswer> =
            std::iter::once(&base).chain(cells).filter_map(|cell| answer(view, cell, at, topic)).collect();
        (answers.len() > 1).then(|| Example { topic: topic.to_owned(), prompt: prompts[at].text().to_owned(), answers })
    };
    topics.iter().flat_map(|(topic, cells)| shown.iter().filter_map(move |at| example(topic, cells, *at))).collect()
}

fn answer(view: &View<'_>, cell: &Cell, prompt: usize, topic: &str) -> Option<ExampleAnswer> {
    let row = view.sheet.answers(cell, prompt).next()?;
    let scores = topic.split(" and ").filter_map(|dimension| {
        let score = view.score(dimension)?;
        Some((score.label().to_owned(), *row.scores.get(&score.name)?))
    });
    let answer = row.answer();
    Some(ExampleAnswer {
        method: answer.method.clone(),
        preference: answer.preference.clone(),
        answer: answer.answer.clone(),
        complete: answer.complete,
        scores: scores.collect(),
    })
}
