//! Prompts for who has none: questions that the model itself asks about common topics, and plain forms filled with them.

use crate::parallel::in_parallel;
use crate::words::words;
use crate::{Ask, ChatServer, Message, PairsError, Prompt, draws};

/// Things to ask about, and forms for them.
const THINGS: (&str, &str) = (include_str!("things.txt"), include_str!("thing_forms.txt"));

/// Things to do, and forms for them.
const ACTIVITIES: (&str, &str) = (include_str!("activities.txt"), include_str!("activity_forms.txt"));

/// Share of the prompts that the model is asked for; the others are the forms as they are.
const OF_THE_MODEL: f64 = 0.5;

/// Words that a question of the model has.
const WORDS: std::ops::RangeInclusive<usize> = 4..=30;

/// Tokens that the model gets for a question.
const TOKENS: usize = 48;

/// Makes prompts, the same ones for the same seed and model.
///
/// # Errors
///
/// [`PairsError::Plan`] where there are not so many, [`PairsError::Server`] where the model does not answer.
pub fn own_prompts(
    server: &ChatServer,
    count: usize,
    seed: u64,
    in_flight: usize,
) -> Result<Vec<Prompt>, PairsError> {
    let forms = filled(seed);
    if count > forms.len() {
        let (name, value) = ("the number of own prompts", count.to_string());
        return Err(PairsError::Plan { name, value, allowed: "at most topics times forms, some 3900" });
    }
    let drawn: Vec<(usize, &(String, String))> = forms.iter().take(count).enumerate().collect();
    let texts = in_parallel(&drawn, in_flight, |(at, (topic, form))| {
        let seed = draws::of_numbers(&[seed, *at as u64]) >> 12;
        if draws::fraction(&[seed]) >= OF_THE_MODEL {
            return Ok(form.clone());
        }
        let ask = Ask {
            messages: vec![Message::user(format!("Write one question that somebody may ask about {topic}."))],
            n: 1,
            max_tokens: TOKENS,
            temperature: 1.0,
            top_p: 0.95,
            seed,
        };
        let answers = server.ask(&ask)?;
        Ok(answers.first().and_then(|answer| question(&answer.text)).unwrap_or_else(|| form.clone()))
    })?;
    let mut seen = std::collections::HashSet::new();
    Ok(texts.iter().map(|text| Prompt::question(text)).filter(|prompt| seen.insert(prompt.id.clone())).collect())
}

/// Every topic in every form, each with its topic, in an order that the seed says.
fn filled(seed: u64) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (topics, forms) in [THINGS, ACTIVITIES] {
        for topic in topics.lines() {
            all.extend(forms.lines().map(|form| (topic.to_owned(), form.replace("{}", topic))));
        }
    }
    all.sort_by_cached_key(|(_, text)| draws::of_numbers(&[seed, draws::of_text(text)]));
    all
}

/// The question in what the model wrote, if it is one.
fn question(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| line.ends_with('?'))?;
    let line = line.trim_start_matches(|c: char| !c.is_alphabetic());
    let marks = |c: char| matches!(c, '"' | '*' | ':' | '\u{201c}' | '\u{201d}');
    (WORDS.contains(&words(line).len()) && !line.contains(marks)).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_many_and_whole() {
        let all = filled(1);
        assert!(all.len() > 3900, "{}", all.len());
        assert!(all.iter().all(|(topic, text)| text.contains(topic.as_str()) && !text.contains('{')));
        assert_ne!(all, filled(2));
        let texts: std::collections::HashSet<_> = all.iter().map(|(_, text)| text).collect();
        assert_eq!(texts.len(), all.len(), "no form comes twice");
    }

    #[test]
    fn a_question_is_taken_out_of_what_surrounds_it() {
        let found = question("Sure!\n1. What makes the moon shine at night?\nMore?");
        assert_eq!(found.as_deref(), Some("What makes the moon shine at night?"));
        for none in ["The moon is bright.", "Why so?", "Q: **What** is the moon made of?"] {
            assert_eq!(question(none), None, "{none}");
        }
    }
}
