//! Content, mixtures, win rates and cost, as tables.

use super::label::made_by;
use super::markup::{all, escape, section, table};
use super::palette::Palette;
use super::tables::{method, none};
use crate::figure::{change_with_interval, figure, percent};
use crate::statistics::Estimate;
use crate::summary::{Outcome, Summary};

/// The section.
pub fn section_of(summary: &Summary, palette: &Palette) -> String {
    let text = "Whether answers still answer. Found: no other question of the run is nearer to the answer than its own, by embeddings. Loops: at \
                least 30 % of the runs of four words were there before. Finished: the model ended the answer itself. Over-refusal: answers \
                to harmless prompts that decline. Square brackets are 95 % intervals over prompts.";
    let tables = [
        content(summary, palette),
        mixtures(summary, palette),
        wins(summary, palette),
        costs(summary, palette),
        beside(summary),
    ];
    section("Content", text, &tables.concat())
}

fn share(found: Option<&Estimate>) -> String {
    found.map_or_else(none, |e| {
        let [value, low, high] = [e.value, e.low, e.high].map(percent);
        format!("<b>{value}</b><small>[{low}, {high}]</small>")
    })
}

fn cells(outcome: &Outcome) -> Vec<String> {
    let figure = |found: Option<f64>| found.map_or_else(none, figure);
    vec![
        figure(outcome.score.map(|score| score.value)),
        figure(outcome.size),
        share(outcome.found.as_ref()),
        figure(outcome.relevance.map(|relevance| relevance.value)),
        share(outcome.loops.as_ref()),
        share(outcome.finished.as_ref()),
        share(outcome.over_refusal.as_ref()),
        share(outcome.refusal.as_ref()),
    ]
}

/// The heads of [`cells`].
const CELLS: [&str; 8] =
    ["score", "change / deviation", "found", "relevance", "loops", "finished", "over-refusal", "harmful declined"];

fn content(summary: &Summary, palette: &Palette) -> String {
    let head: Vec<String> = std::iter::once("").chain(CELLS).map(str::to_owned).collect();
    let own = summary.outcomes.iter().filter(|outcome| outcome.style == summary.about.style);
    let row = |outcome: &Outcome| {
        let name = method(&made_by(&outcome.method, &outcome.preference), &outcome.method, palette);
        std::iter::once(name).chain(cells(outcome)).collect()
    };
    table("figures", &head, &own.map(row).collect::<Vec<Vec<String>>>())
}

fn mixtures(summary: &Summary, palette: &Palette) -> String {
    if summary.mixtures.is_empty() {
        return String::new();
    }
    let head = ["", "how far each dimension moves", "prompts in which all move"].map(str::to_owned);
    let rows: Vec<Vec<String>> = summary
        .mixtures
        .iter()
        .map(|mixture| {
            let changes = all(&mixture.changes, |(dimension, change)| {
                format!("{} {}<br>", escape(dimension), change_with_interval(change))
            });
            let name = method(&made_by(&mixture.method, &mixture.preference), &mixture.method, palette);
            vec![name, changes, share(Some(&mixture.all_move))]
        })
        .collect();
    format!("<h3>Several dimensions at once</h3>{}", table("figures", &head, &rows))
}

fn wins(summary: &Summary, palette: &Palette) -> String {
    if summary.wins.is_empty() {
        return String::new();
    }
    let head = ["", "against", "wins"].map(str::to_owned);
    let rows: Vec<Vec<String>> = summary
        .wins
        .iter()
        .map(|win| {
            let name = method(&made_by(&win.method, &win.preference), &win.method, palette);
            vec![name, method(&win.against.to_string(), &win.against, palette), share(Some(&win.rate))]
        })
        .collect();
    format!(
        "<h3>Win rates</h3><p class=\"about\">A judge read both answers in both orders; who wins in one order only has half a \
         win.</p>{}",
        table("figures", &head, &rows)
    )
}

fn costs(summary: &Summary, palette: &Palette) -> String {
    let head = ["", "reward lanes", "tokens", "ms a token", "of base"].map(str::to_owned);
    let value = |found: &Option<Estimate>| found.map_or_else(none, |found| figure(found.value));
    let rows: Vec<Vec<String>> = summary
        .costs
        .iter()
        .map(|cost| {
            let name = method(&made_by(&cost.method, &cost.preference), &cost.method, palette);
            let of_base = cost.of_base.map_or_else(none, figure);
            vec![name, value(&cost.lanes), value(&cost.tokens), value(&cost.ms_per_token), of_base]
        })
        .collect();
    format!("<details><summary>Cost</summary>{}</details>", table("plain", &head, &rows))
}

/// The answers of other runs, model by model.
fn beside(summary: &Summary) -> String {
    let head: Vec<String> = ["model", ""].into_iter().chain(CELLS).map(str::to_owned).collect();
    let rows: Vec<Vec<String>> = summary
        .others
        .iter()
        .flat_map(|other| other.outcomes.iter().filter(|outcome| outcome.style == summary.about.style))
        .map(|outcome| {
            let name = escape(&made_by(&outcome.method, &outcome.preference));
            [escape(&outcome.model), name].into_iter().chain(cells(outcome)).collect()
        })
        .collect();
    if rows.is_empty() { String::new() } else { format!("<h3>Other models</h3>{}", table("figures", &head, &rows)) }
}
