//! Whether steered answers are still language: perplexity and repetition by weight.

use super::chart::{Chart, Curve};
use super::markup::section;
use super::palette::Palette;
use super::tables;
use crate::method::Method;
use crate::statistics::Estimate;
use crate::summary::{DISTINCT, Fluency, PERPLEXITY, Summary, single};

/// The section: perplexity and repetition by weight, and the table of all answers.
pub fn section_of(summary: &Summary, palette: &Palette) -> String {
    if summary.fluency.is_empty() {
        return String::new();
    }
    let text = "Strong guidance can break language. Perplexity is the base model's own surprise at the answers, over all their \
                tokens; distinct-3 falls when words repeat. Both are ratios to the base model's answers; the dotted lines are \
                the limits at +1.";
    let chart = |what: &str, limit: f64, of: fn(&Fluency) -> Option<Estimate>| {
        let dimensions = steered(summary);
        let chart = |dimension: &String| {
            let curves: Vec<Curve> = summary
                .about
                .methods
                .iter()
                .filter_map(|name| name.parse::<Method>().ok())
                .map(|method| ratios(summary, palette, &method, dimension, of))
                .filter(|curve| !curve.points.is_empty())
                .collect();
            let level = Some((limit, format!("limit {limit}")));
            let subtitle = format!("{what} · ratio to base");
            (!curves.is_empty()).then(|| Chart { title: dimension.clone(), subtitle, curves, level, short: true }.svg())
        };
        let charts = dimensions.iter().filter_map(chart).collect::<String>();
        if charts.is_empty() { charts } else { format!("<div class=\"grid small\">{charts}</div>") }
    };
    let perplexity = chart("perplexity", PERPLEXITY, |row| row.perplexity_ratio);
    let distinct = chart("distinct-3", DISTINCT, |row| row.distinct_3_ratio);
    let body = format!("{perplexity}{distinct}{}", tables::fluency(summary, palette));
    section("Fluency", text, &body)
}

/// Dimensions that were steered alone, in the order of the run.
fn steered(summary: &Summary) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in summary.fluency.iter().filter_map(|row| single(&row.preference)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A ratio to the base model's answers by the weight of a dimension.
fn ratios(
    summary: &Summary,
    palette: &Palette,
    method: &Method,
    dimension: &str,
    of: fn(&Fluency) -> Option<Estimate>,
) -> Curve {
    let own = summary.fluency.iter().filter(|row| row.method == *method);
    let mut points: Vec<(f64, Estimate)> = own
        .filter_map(|row| {
            let (name, weight) = single(&row.preference)?;
            (name == dimension).then_some(())?;
            Some((weight, of(row)?))
        })
        .collect();
    if !points.is_empty() && method.is_graded() {
        points.push((0.0, Estimate { value: 1.0, low: 1.0, high: 1.0, count: summary.about.prompts }));
    }
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    let joined = method.is_graded();
    Curve { class: palette.class(method), name: method.to_string(), dashed: false, joined, points }
}
