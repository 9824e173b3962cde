//! Steering is seen in the answers, not only in the figures.

use std::thread;

use serde_json::json;

use crate::client::{ask, text, with};
use crate::server::Server;

/// Ordinary questions, written down before the first answer was seen.
fn prompts() -> Vec<String> {
    serde_json::from_str(include_str!("data/prompts.json")).expect("a list of texts")
}

/// Mean length of the answers in tokens and in characters.
fn lengths(weight: f64) -> (f64, f64) {
    let prompts = prompts();
    let answers: Vec<(u64, usize)> = thread::scope(|scope| {
        let answer = |prompt: &str| {
            let body = with(ask(prompt, 96), json!({"preference": {"concise": weight}}));
            let completion = Server::shipped().client().completion(&body);
            let tokens = completion["usage"]["completion_tokens"].as_u64().expect("a count");
            (tokens, text(&completion, 0).chars().count())
        };
        let running: Vec<_> = prompts.iter().map(|prompt| scope.spawn(move || answer(prompt))).collect();
        running.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    let count = answers.len() as f64;
    let (tokens, characters) = answers.iter().fold((0, 0), |sum, answer| (sum.0 + answer.0, sum.1 + answer.1));
    (tokens as f64 / count, characters as f64 / count)
}

#[test]
fn a_wish_for_short_answers_makes_them_shorter() {
    assert_eq!(prompts().len(), 20);
    let (plain, concise) = (lengths(0.0), lengths(2.0));
    println!("mean answer of 20, at most 96 tokens: concise 0: {:.1} tokens, {:.0} characters", plain.0, plain.1);
    println!("mean answer of 20, at most 96 tokens: concise 2: {:.1} tokens, {:.0} characters", concise.0, concise.1);
    assert!(concise.0 < plain.0 && concise.1 < plain.1, "{concise:?} is shorter than {plain:?}");
}
