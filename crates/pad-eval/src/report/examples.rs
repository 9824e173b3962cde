//! Answers side by side.

use super::markup::{escape, section};
use super::palette::Palette;
use super::weights;
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
    let body: String = topics
        .iter()
        .enumerate()
        .map(|(number, topic)| {
            let own: Vec<&Example> = summary.examples.iter().filter(|example| example.topic == *topic).collect();
            let cards: String = own.iter().map(|example| card(example, palette)).collect();
            let open = if number == 0 { " open" } else { "" };
            format!("<details class=\"topic\"{open}><summary>{}</summary>{cards}</details>", escape(topic))
        })
        .collect();
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
    let scores: String = answer
        .scores
        .iter()
        .map(|(label, value)| format!("<span>{} {}</span>", escape(label), figure::figure(*value)))
        .collect();
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
