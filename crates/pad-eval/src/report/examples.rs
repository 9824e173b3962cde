//! Answers side by side.

use super::label::weights;
use super::markup::{all, escape, section};
use super::palette::Palette;
use crate::figure;
use crate::summary::{Example, ExampleAnswer, Summary};

/// The section with all examples, by what is steered.
pub fn section_of(summary: &Summary, palette: &Palette) -> String {
    let mut topics: Vec<&str> = Vec::new();
    for example in &summary.examples {
        if !topics.contains(&example.topic.as_str()) {
            topics.push(&example.topic);
        }
    }
    if topics.is_empty() {
        return String::new();
    }
    let body = all(topics.iter().enumerate(), |(number, topic)| {
        let own = summary.examples.iter().filter(|example| example.topic == **topic);
        let cards = all(own, |example| card(example, palette));
        let open = if number == 0 { " open" } else { "" };
        format!("<details class=\"topic\"{open}><summary>{}</summary>{cards}</details>", escape(topic))
    });
    let text = "Prompts at fixed places of the list, the first answer of each: nobody chose them.";
    section("Answers side by side", text, &body)
}

fn card(example: &Example, palette: &Palette) -> String {
    let answers: String = example.answers.iter().map(|answer| column(answer, palette)).collect();
    format!(
        "<div class=\"example\"><p class=\"prompt\">{}</p><div class=\"answers\">{answers}</div></div>",
        escape(&example.prompt)
    )
}

fn column(answer: &ExampleAnswer, palette: &Palette) -> String {
    let scores = all(&answer.scores, |(label, value)| format!("<span>{} {}</span>", escape(label), whole(*value)));
    let weights = if answer.preference.is_none() { String::new() } else { weights(&answer.preference) };
    let cut = if answer.complete { "" } else { "<span class=\"mute\"> …</span>" };
    format!(
        "<article class=\"{}\"><h4><i></i>{} <small>{}</small></h4><div class=\"text\">{}{cut}</div><p class=\"scores\">{scores}</p></article>",
        palette.class(&answer.method),
        escape(&answer.method.to_string()),
        escape(&weights),
        escape(answer.answer.trim())
    )
}

/// A count without a point.
fn whole(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { figure::figure(value) }
}
