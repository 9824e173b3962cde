//! The results of an evaluation as text.

use std::fmt::Write;

use crate::figure::{change_with_interval, figure, percent, weight, with_interval};
use crate::statistics::Estimate;
use crate::summary::{Effect, Summary};

/// A table: cells line up, and each column has a space on both sides.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|name| (*name).to_owned()).collect()] }
    }

    fn write(&self, text: &mut String) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(text, "{}", cells.join("  ").trim_end());
            if number == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                let _ = writeln!(text, "{}", rule.join("  "));
            }
        }
    }
}

impl Summary {
    /// Tables and the list of checks, for the terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let about = &self.about;
        let _ = writeln!(
            text,
            "{}: {} prompts, {} answers of at most {} tokens; figures of {} answers, 95 % intervals over prompts\n",
            about.model, about.prompts, about.answers, about.max_tokens, about.style
        );
        self.effects(&mut text);
        self.content(&mut text);
        self.mixtures(&mut text);
        self.wins(&mut text);
        self.fluency(&mut text);
        self.accuracies(&mut text);
        self.findings(&mut text);
        for note in &about.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }

    fn effects(&self, text: &mut String) {
        if self.effects.columns.is_empty() {
            return;
        }
        let heads: Vec<String> =
            self.effects.columns.iter().map(|(dimension, label)| format!("{dimension} ({label})")).collect();
        let mut table =
            Table::new(&std::iter::once("method").chain(heads.iter().map(String::as_str)).collect::<Vec<_>>());
        let none = || "-".to_owned();
        let base = self.effects.base.iter().map(|score| score.as_ref().map_or_else(none, with_interval));
        table.rows.push(std::iter::once("base".to_owned()).chain(base).collect());
        for (method, at, cells) in &self.effects.rows {
            let cell = |effect: &Option<Effect>| {
                let shown = |e: &Effect| format!("{} ({})", figure(e.score.value), change_with_interval(&e.change));
                effect.as_ref().map_or_else(none, shown)
            };
            let name = format!("{method} {}", weight(*at));
            table.rows.push(std::iter::once(name).chain(cells.iter().map(cell)).collect());
        }
        let _ = writeln!(text, "Score of each dimension where it alone is steered (change towards more of it):");
        table.write(text);
        text.push('\n');
    }

    /// Content of this run's answers, and of other runs'.
    fn content(&self, text: &mut String) {
        let head =
            ["model", "method", "preference", "change / deviation", "found", "loops", "finished", "over-refusal"];
        let mut table = Table::new(&head);
        let share = |found: Option<Estimate>| found.map_or_else(|| "-".to_owned(), |found| percent(found.value));
        let others = self.others.iter().flat_map(|other| &other.outcomes);
        for row in self.outcomes.iter().chain(others).filter(|row| row.style == self.about.style) {
            table.rows.push(vec![
                row.model.clone(),
                row.method.to_string(),
                row.preference.to_string(),
                row.size.map_or_else(|| "-".to_owned(), figure),
                share(row.found),
                share(row.loops),
                share(row.finished),
                share(row.over_refusal),
            ]);
        }
        table.write(text);
        text.push('\n');
    }

    fn mixtures(&self, text: &mut String) {
        if self.mixtures.is_empty() {
            return;
        }
        let mut table = Table::new(&["method", "preference", "all move in", "each"]);
        for row in &self.mixtures {
            let each = row.changes.iter().map(|(name, change)| format!("{name} {}", change_with_interval(change)));
            let each = each.collect::<Vec<_>>().join(", ");
            let (method, preference) = (row.method.to_string(), row.preference.to_string());
            table.rows.push(vec![method, preference, percent(row.all_move.value), each]);
        }
        table.write(text);
        text.push('\n');
    }

    fn wins(&self, text: &mut String) {
        if self.wins.is_empty() {
            return;
        }
        let mut table = Table::new(&["method", "preference", "against", "wins", "95 %"]);
        for row in &self.wins {
            let [value, low, high] = [row.rate.value, row.rate.low, row.rate.high].map(percent);
            let (method, preference) = (row.method.to_string(), row.preference.to_string());
            table.rows.push(vec![method, preference, row.against.to_string(), value, format!("[{low}, {high}]")]);
        }
        table.write(text);
        text.push('\n');
    }

    fn fluency(&self, text: &mut String) {
        let mut table =
            Table::new(&["method", "preference", "perplexity", "of base", "distinct-3", "words", "ended", "steered"]);
        let value = |found: &Option<Estimate>| found.map_or_else(|| "-".to_owned(), |found| figure(found.value));
        let share = |found: Option<f64>| found.map_or_else(|| "-".to_owned(), percent);
        for row in &self.fluency {
            table.rows.push(vec![
                row.method.to_string(),
                row.preference.to_string(),
                value(&row.perplexity),
                value(&row.perplexity_ratio),
                value(&row.distinct_3),
                value(&row.words),
                share(row.complete),
                share(row.steered),
            ]);
        }
        table.write(text);
        text.push('\n');
    }

    fn accuracies(&self, text: &mut String) {
        if self.accuracies.is_empty() {
            return;
        }
        let mut table = Table::new(&[
            "reward model of",
            "dimension",
            "pairs",
            "told apart",
            "95 %",
            "per token",
            "best trivial rule",
        ]);
        for row in &self.accuracies {
            table.rows.push(vec![
                row.method.to_string(),
                row.dimension.clone(),
                row.right.count.to_string(),
                percent(row.right.value),
                format!("[{}, {}]", percent(row.right.low), percent(row.right.high)),
                row.right_per_token.map_or_else(|| "-".to_owned(), percent),
                row.best_rule()
                    .map_or_else(|| "-".to_owned(), |(name, rule)| format!("{name} {}", percent(rule.value))),
            ]);
        }
        table.write(text);
        text.push('\n');
    }

    fn findings(&self, text: &mut String) {
        for finding in &self.findings {
            let mark = if finding.holds { "ok " } else { "NO " };
            let right = finding.parts.iter().filter(|part| part.holds).count();
            let _ = writeln!(text, "{mark} {}: {} ({right} of {})", finding.method, finding.check, finding.parts.len());
            for part in &finding.parts {
                let mark = if part.holds { "ok" } else { "no" };
                let _ = writeln!(text, "      {mark}  {}: {}", part.what, part.figures);
            }
        }
    }
}
