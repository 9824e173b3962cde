//! The checks that a reward model must pass, each with what was found.

use serde::Serialize;

use super::effect::effect;
use super::{Accuracy, Fluency, View, single};
use crate::figure;
use crate::method::Method;
use crate::sheet::{Cell, difference, estimate};
use crate::statistics::rises;

/// Weights over which a score must rise.
const DOSES: [f64; 4] = [-1.0, 0.0, 1.0, 2.0];

/// In so many dimensions at least, or in all of fewer.
const DIMENSIONS: usize = 3;

/// Perplexity at +1 over the base model's own, at most.
pub const PERPLEXITY: f64 = 1.5;

/// Distinct triples of words at +1 over the base model's own, at least.
pub const DISTINCT: f64 = 0.8;

/// Share of held-out pairs that should be told apart.
const ACCURACY: f64 = 0.75;

/// A check of one method, and whether it passes.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// The method.
    pub method: Method,
    /// What is checked.
    pub check: String,
    /// Whether it holds in as many dimensions as it must.
    pub holds: bool,
    /// By dimension.
    pub parts: Vec<Part>,
}

/// A check of one dimension.
#[derive(Debug, Serialize)]
pub struct Part {
    /// The dimension, or two.
    pub what: String,
    /// Whether it holds.
    pub holds: bool,
    /// What was found.
    pub figures: String,
}

/// How many parts must hold.
#[derive(Clone, Copy)]
enum Quorum {
    All,
    Most,
    AtLeast(usize),
}

impl Finding {
    /// None of no parts: the check could not be made.
    fn of(method: &Method, check: String, quorum: Quorum, parts: Vec<Part>) -> Option<Self> {
        let right = parts.iter().filter(|part| part.holds).count();
        let holds = match quorum {
            Quorum::All => right == parts.len(),
            Quorum::Most => 2 * right > parts.len(),
            Quorum::AtLeast(least) => right >= least.min(parts.len()),
        };
        (!parts.is_empty()).then(|| Self { method: method.clone(), check, holds, parts })
    }
}

/// All checks of all methods that steer.
pub(super) fn all(view: &View<'_>, fluency: &[Fluency], accuracies: &[Accuracy]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for method in view.methods.iter().filter(|method| matches!(method, Method::Pad(_))) {
        let of = |check: String, quorum, part: &dyn Fn(&str) -> Option<Part>| {
            let parts = view.dimensions.iter().filter_map(|dimension| part(dimension)).collect();
            Finding::of(method, check, quorum, parts)
        };
        let least = Quorum::AtLeast(DIMENSIONS);
        findings.extend(of("the score rises over the weights -1, 0, +1, +2".to_owned(), least, &|dimension| {
            dose(view, method, dimension)
        }));
        findings.extend(of("+1 differs from -1".to_owned(), least, &|dimension| contrast(view, method, dimension)));
        findings.extend(of("+1 goes further than prompting".to_owned(), Quorum::Most, &|dimension| {
            against_prompting(view, method, dimension)
        }));
        findings.extend(together(view, method));
        let check = format!("perplexity at +1 is at most {PERPLEXITY} times the base model's");
        findings.extend(of(check, Quorum::All, &|dimension| {
            let ratio = at_one(fluency, method, dimension)?.perplexity_ratio?;
            Some(part(dimension, ratio.value <= PERPLEXITY, figure::with_interval(&ratio)))
        }));
        let check = format!("distinct-3 at +1 is at least {DISTINCT} of the base model's");
        findings.extend(of(check, Quorum::All, &|dimension| {
            let ratio = at_one(fluency, method, dimension)?.distinct_3_ratio?;
            Some(part(dimension, ratio.value >= DISTINCT, figure::with_interval(&ratio)))
        }));
        findings.extend(held_out(accuracies, method));
    }
    findings
}

fn part(what: &str, holds: bool, figures: String) -> Part {
    Part { what: what.to_owned(), holds, figures }
}

fn at_one<'a>(fluency: &'a [Fluency], method: &Method, dimension: &str) -> Option<&'a Fluency> {
    fluency.iter().find(|row| row.method == *method && single(&row.preference) == Some((dimension.to_owned(), 1.0)))
}

fn dose(view: &View<'_>, method: &Method, dimension: &str) -> Option<Part> {
    let score = view.score(dimension)?;
    let mean = |weight: f64| {
        let series = view.sheet.scores(&view.cell(method, dimension, weight), &score.name);
        estimate(&series).map(|found| (weight, found.value))
    };
    let points: Option<Vec<(f64, f64)>> = DOSES.iter().map(|weight| mean(*weight)).collect();
    let points = points?;
    let signed: Vec<(f64, f64)> = points.iter().map(|(w, value)| (*w, value * score.better.sign())).collect();
    let values: Vec<String> = points.iter().map(|(_, value)| figure::figure(*value)).collect();
    Some(part(dimension, rises(&signed)?, format!("{} ({})", values.join(", "), score.label())))
}

fn contrast(view: &View<'_>, method: &Method, dimension: &str) -> Option<Part> {
    let score = view.score(dimension)?;
    let at = |weight| view.sheet.scores(&view.cell(method, dimension, weight), &score.name);
    let found = difference(&at(1.0), &at(-1.0))?.signed(score.better.sign());
    Some(part(dimension, found.low > 0.0, figure::change_with_interval(&found)))
}

fn against_prompting(view: &View<'_>, method: &Method, dimension: &str) -> Option<Part> {
    let score = view.score(dimension)?;
    let at = |method| view.sheet.scores(&view.cell(method, dimension, 1.0), &score.name);
    let found = difference(&at(method), &at(&Method::Prompting))?.signed(score.better.sign());
    let doubt = if found.value > 0.0 && !found.excludes(0.0) { ", not certain" } else { "" };
    Some(part(dimension, found.value > 0.0, figure::change_with_interval(&found) + doubt))
}

/// Two dimensions at +1 each: both must move.
fn together(view: &View<'_>, method: &Method) -> Option<Finding> {
    let both = |cell: &&Cell| {
        let weights: Vec<f64> = cell.preference.weights().map(|(_, weight)| weight).collect();
        cell.method == *method && cell.style == view.style && weights == [1.0, 1.0]
    };
    let part_of = |cell: &Cell| {
        let names: Vec<&str> = cell.preference.weights().map(|(name, _)| name).collect();
        let changes: Option<Vec<_>> = names.iter().map(|name| Some(effect(view, cell, name)?.change)).collect();
        let changes = changes?;
        let figures: Vec<String> = names
            .iter()
            .zip(&changes)
            .map(|(name, change)| format!("{name} {}", figure::change_with_interval(change)))
            .collect();
        Some(part(&names.join(" and "), changes.iter().all(|change| change.low > 0.0), figures.join(", ")))
    };
    let parts = view.sheet.cells().iter().filter(both).filter_map(part_of).collect();
    Finding::of(method, "two dimensions at +1 together both move".to_owned(), Quorum::All, parts)
}

fn held_out(accuracies: &[Accuracy], method: &Method) -> Option<Finding> {
    let own = accuracies.iter().filter(|accuracy| accuracy.method == *method);
    let parts = own.map(|accuracy| {
        let right = &accuracy.right;
        let [value, low, high] = [right.value, right.low, right.high].map(figure::percent);
        let figures = format!("{value} [{low}, {high}] of {}", right.count);
        part(&accuracy.dimension, right.value >= ACCURACY, figures)
    });
    let check = format!("at least {} of held-out pairs are told apart", figure::percent(ACCURACY));
    Finding::of(method, check, Quorum::All, parts.collect())
}
