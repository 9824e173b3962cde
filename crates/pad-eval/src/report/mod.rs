//! The report: one self-contained HTML page. Its plots are drawn here, as SVG.

mod chart;
mod checks;
mod content;
mod examples;
mod fluency;
mod forest;
mod front;
mod label;
mod markup;
mod palette;
mod rule;
mod scale;
mod style_content;
mod tables;

use std::fs;
use std::path::Path;

use crate::answer::Style;
use crate::error::EvalError;
use crate::figure;
use crate::sheet::Sheet;
use crate::statistics::Estimate;
use crate::summary::{Dose, Summary};

use chart::{Chart, Curve};
use forest::{Forest, Group};
use markup::{all, escape, section};
use palette::Palette;

const CSS: &str = include_str!("report.css");

impl Summary {
    /// Writes `scores.jsonl`, `summary.json` and `report.html` into a folder.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path, sheet: &Sheet) -> Result<(), EvalError> {
        let mut scores = String::new();
        for row in sheet.rows() {
            scores += &serde_json::to_string(row).unwrap_or_default();
            scores.push('\n');
        }
        let summary = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        for (name, text) in [("scores.jsonl", scores), ("summary.json", summary), ("report.html", self.html())] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(EvalError::io("write", &path))?;
        }
        Ok(())
    }

    /// The page.
    pub fn html(&self) -> String {
        let palette = Palette::of(&self.about.methods);
        let model = escape(&self.about.model);
        let sections = [
            checks::section_of(self, &palette),
            self.doses(&palette),
            self.methods(&palette),
            style_content::section_of(self, &palette),
            content::section_of(self, &palette),
            front::section_of(self, &palette),
            fluency::section_of(self, &palette),
            self.held_out(&palette),
            examples::section_of(self, &palette),
            self.measured(),
        ];
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Steering of {model}</title>\
             <style>{CSS}</style></head><body><main>{}{}</main></body></html>\n",
            self.head(&palette),
            sections.concat()
        )
    }

    fn head(&self, palette: &Palette) -> String {
        let about = &self.about;
        let facts = [
            (about.prompts.to_string(), "prompts"),
            (about.answers.to_string(), "answers"),
            (self.doses.iter().filter(|dose| dose.main).count().to_string(), "dimensions measured"),
            (about.max_tokens.to_string(), "tokens at most"),
        ];
        let facts = all(&facts, |(figure, what)| format!("<div><b>{figure}</b><span>{what}</span></div>"));
        format!(
            "<header><p class=\"eyebrow\">Steering, measured</p><h1>{}</h1><p class=\"lead\">How far answers follow a \
             preference, what that does to them otherwise, and how it compares with asking in words.</p>\
             <div class=\"facts\">{facts}</div>{}</header>",
            escape(&about.model),
            palette.legend()
        )
    }

    /// Dose and response: a chart for each dimension and score, those that count first.
    fn doses(&self, palette: &Palette) -> String {
        let chart = |dose: &Dose| {
            let curves = dose.lines.iter().map(|line| Curve {
                class: palette.class(&line.method),
                name: format!("{}, {}", line.method, line.style),
                dashed: line.style != self.about.style,
                joined: line.method.is_graded(),
                points: line
                    .points
                    .iter()
                    // At 0 an instructed arm is the base model; only its own points are drawn.
                    .filter(|point| line.method.is_graded() || point.weight != 0.0)
                    .map(|point| (point.weight, point.score))
                    .collect(),
            });
            let direction = match dose.score.better.sign() {
                sign if sign > 0.0 => "higher is more",
                _ => "lower is more",
            };
            let base = dose.lines.iter().filter(|line| line.style == self.about.style);
            let base = base.flat_map(|line| &line.points).find(|point| point.weight == 0.0);
            Chart {
                title: dose.dimension.clone(),
                subtitle: format!("{} · {direction} {}", dose.score.label(), dose.dimension),
                curves: curves.collect(),
                level: base.map(|point| (point.score.value, "base".to_owned())),
                short: false,
            }
            .svg()
        };
        let of = |main| self.doses.iter().filter(|dose| dose.main == main).map(chart).collect::<String>();
        let (main, others) = (of(true), of(false));
        if main.is_empty() && others.is_empty() {
            return String::new();
        }
        let others = if others.is_empty() {
            others
        } else {
            format!("<details><summary>The same by other scores</summary><div class=\"grid\">{others}</div></details>")
        };
        let other_style = match self.about.style {
            Style::Sampled if self.about.greedy => " Dashed: greedy answers.",
            _ => "",
        };
        let text = format!(
            "A dimension's score by its weight; 0 is the base model's own answer. Bands and whiskers are 95 % bootstrap intervals \
             over prompts.{other_style}"
        );
        section("Dose and response", &text, &format!("<div class=\"grid\">{main}</div>{others}"))
    }

    /// Methods against dimensions: as a picture in one unit, and as figures.
    fn methods(&self, palette: &Palette) -> String {
        let effects = &self.effects;
        if effects.rows.is_empty() {
            return String::new();
        }
        let groups = effects.columns.iter().enumerate().map(|(column, (dimension, _))| {
            let rows = effects.rows.iter().filter_map(|(method, weight, cells)| {
                let effect = cells[column].as_ref()?;
                let unit = effect.change.value / effect.size.filter(|size| *size != 0.0)?;
                let in_units = |value: f64| value / unit;
                let estimate = Estimate {
                    value: in_units(effect.change.value),
                    low: in_units(effect.change.low),
                    high: in_units(effect.change.high),
                    count: effect.change.count,
                };
                Some((palette.class(method), format!("{method} {}", figure::weight(*weight)), estimate))
            });
            Group { name: dimension.clone(), rows: rows.collect() }
        });
        let forest =
            Forest { groups: groups.collect(), marks: vec![(0.0, "base".to_owned())], range: None, percent: false };
        let text = "How far the score moves towards more of the dimension, in standard deviations of the base model's answers, \
                    so that dimensions can be compared; paired by prompt, with 95 % intervals.";
        let body = format!("{}{}{}", forest.svg(), tables::effects(self, palette), tables::side_effects(self, palette));
        section("Method against dimension", text, &body)
    }

    fn held_out(&self, palette: &Palette) -> String {
        if self.accuracies.is_empty() {
            return String::new();
        }
        let mut groups: Vec<Group> = Vec::new();
        for accuracy in &self.accuracies {
            let row = (palette.class(&accuracy.method), accuracy.method.to_string(), accuracy.right);
            match groups.iter_mut().find(|group| group.name == accuracy.dimension) {
                Some(group) => group.rows.push(row),
                None => groups.push(Group { name: accuracy.dimension.clone(), rows: vec![row] }),
            }
        }
        let marks = vec![(0.5, "chance".to_owned()), (0.75, "aim".to_owned())];
        let forest = Forest { groups, marks, range: Some((0.4, 1.0)), percent: true };
        let text = "The reward model's own judgement: how often the right answer of a held-out pair has the greater reward, with \
                    Wilson's 95 % interval.";
        section("Held-out pairs", text, &(forest.svg() + &tables::accuracies(self)))
    }

    fn measured(&self) -> String {
        let about = &self.about;
        let greedy = if about.greedy { ", and greedily" } else { "" };
        let sampled = if about.seeds > 0 {
            format!("each prompt is asked with {} seeds at temperature {}{greedy}", about.seeds, about.temperature)
        } else {
            "each prompt is asked once, greedily".to_owned()
        };
        let scorers =
            if about.scorers.is_empty() { "built-in scores only".to_owned() } else { about.scorers.join(", ") };
        let notes = all(&about.notes, |note| format!("<li>{}</li>", escape(note)));
        let notes = if notes.is_empty() { notes } else { format!("<ul class=\"notes\">{notes}</ul>") };
        let text = format!(
            "Methods: {}. Answers: {sampled}, at most {} tokens. Scorers: {}. Figures are of {} answers: seeds are averaged within a \
             prompt, intervals are percentile bootstraps over prompts (2000 draws), and differences are paired by prompt. Nothing was \
             trained or tuned on these prompts or by these scores, as far as the reward model's own card says so.",
            escape(&about.methods.join(", ")),
            about.max_tokens,
            escape(&scorers),
            about.style
        );
        section("How this was measured", &text, &notes)
    }
}
