//! The report's tables.

use super::label::made_by;
use super::markup::{all, escape, table};
use super::palette::Palette;
use crate::figure::{change_with_interval, figure, percent, weight, with_interval};
use crate::method::Method;
use crate::statistics::Estimate;
use crate::summary::{Effect, Summary};

/// Effects of at least this many standard deviations get the full colour.
const STRONG: f64 = 1.5;

/// Placeholder for a missing figure.
pub fn none() -> String {
    "<span class=\"mute\">–</span>".to_owned()
}

/// The name of an arm in its colour.
pub fn method(name: &str, of: &Method, palette: &Palette) -> String {
    format!("<span class=\"tag {}\"><i></i>{}</span>", palette.class(of), escape(name))
}

/// A change that is certain, and where to, or one that may be none.
fn certainty(change: &Estimate) -> &'static str {
    match change {
        change if change.low > 0.0 => "up",
        change if change.high < 0.0 => "down",
        _ => "mute",
    }
}

/// Methods against dimensions, in figures.
pub fn effects(summary: &Summary, palette: &Palette) -> String {
    let effects = &summary.effects;
    let head = effects
        .columns
        .iter()
        .map(|(dimension, label)| format!("{}<small>{}</small>", escape(dimension), escape(label)));
    let head: Vec<String> = std::iter::once(String::new()).chain(head).collect();
    let base = effects.base.iter().map(|score| {
        score.as_ref().map_or_else(none, |score| {
            format!("<b>{}</b><small>[{}, {}]</small>", figure(score.value), figure(score.low), figure(score.high))
        })
    });
    let mut rows = vec![std::iter::once(method("base", &Method::Base, palette)).chain(base).collect::<Vec<_>>()];
    for (of, at, cells) in &effects.rows {
        let cell = |effect: &Option<Effect>| {
            effect.as_ref().map_or_else(none, |effect| {
                let class = certainty(&effect.change);
                let change = change_with_interval(&effect.change);
                format!("<b>{}</b><small class=\"{class}\">{change}</small>", figure(effect.score.value))
            })
        };
        let name = format!("{of} {}", weight(*at));
        rows.push(std::iter::once(method(&name, of, palette)).chain(cells.iter().map(cell)).collect());
    }
    table("figures", &head, &rows)
}

/// What steering one dimension does to the others: a matrix for each method.
pub fn side_effects(summary: &Summary, palette: &Palette) -> String {
    let several = summary.side_effects.iter().filter(|effects| effects.columns.len() > 1);
    let matrices = all(several, |effects| {
        let columns = effects.columns.iter().map(|column| escape(column));
        let head: Vec<String> = std::iter::once("steered ↓ measured →".to_owned()).chain(columns).collect();
        let row = |(steered, cells): &(String, Vec<Option<Effect>>)| {
            let name = format!("<b>{}</b> +1", escape(steered));
            std::iter::once(name).chain(cells.iter().map(|effect| heat(effect.as_ref()))).collect()
        };
        let rows: Vec<Vec<String>> = effects.rows.iter().map(row).collect();
        let name = method(&effects.method.to_string(), &effects.method, palette);
        format!("<div class=\"card\"><p>{name}</p>{}</div>", table("heat", &head, &rows))
    });
    if matrices.is_empty() {
        return matrices;
    }
    format!(
        "<h3>Side effects</h3><p class=\"about\">What steering one dimension at +1 does to all of them, in standard deviations of the \
         base model's answers; pale figures may be none.</p><div class=\"grid\">{matrices}</div>"
    )
}

fn heat(effect: Option<&Effect>) -> String {
    let Some((effect, size)) = effect.and_then(|effect| Some((effect, effect.size?))) else { return none() };
    let share = (100.0 * (size.abs() / STRONG).min(1.0)).round();
    let colour = if size > 0.0 { "var(--plus)" } else { "var(--minus)" };
    let class = if effect.change.excludes(0.0) { "" } else { " class=\"mute\"" };
    format!(
        "<span title=\"{}\" style=\"background:color-mix(in srgb,{colour} {share}%,transparent)\"{class}>{}</span>",
        escape(&change_with_interval(&effect.change)),
        format_args!("{size:+.2}")
    )
}

/// The language of all answers.
pub fn fluency(summary: &Summary, palette: &Palette) -> String {
    let head =
        ["", "perplexity", "ratio to base", "distinct-2", "distinct-3", "words", "ended by itself", "steered tokens"];
    let value = |found: &Option<Estimate>| found.map_or_else(none, |found| figure(found.value));
    let share = |found: Option<f64>| found.map_or_else(none, percent);
    let rows: Vec<Vec<String>> = summary
        .fluency
        .iter()
        .map(|row| {
            vec![
                method(&made_by(&row.method, &row.preference), &row.method, palette),
                value(&row.perplexity),
                row.perplexity_ratio.as_ref().map_or_else(none, with_interval),
                value(&row.distinct_2),
                value(&row.distinct_3),
                value(&row.words),
                share(row.complete),
                share(row.steered),
            ]
        })
        .collect();
    let table = table("plain", &head.map(str::to_owned), &rows);
    format!("<details><summary>All answers in figures</summary>{table}</details>")
}

/// Held-out pairs in figures.
pub fn accuracies(summary: &Summary) -> String {
    let head = ["reward model", "dimension", "pairs", "told apart", "95 % interval", "per token", "best trivial rule"];
    let rows: Vec<Vec<String>> = summary
        .accuracies
        .iter()
        .map(|row| {
            vec![
                escape(&row.method.to_string()),
                escape(&row.dimension),
                row.right.count.to_string(),
                format!("<b>{}</b>", percent(row.right.value)),
                format!("{} to {}", percent(row.right.low), percent(row.right.high)),
                row.right_per_token.map_or_else(none, percent),
                row.best_rule().map_or_else(none, |(name, rule)| format!("{} {}", escape(name), percent(rule.value))),
            ]
        })
        .collect();
    let table = table("plain", &head.map(str::to_owned), &rows);
    format!("<details><summary>All pairs in figures</summary>{table}</details>")
}
