//! Generated prompts: questions that the model writes about common topics, and templates filled with the topics.

use pad_client::{ChatBody, Client, Message, draws};

use crate::in_order::in_order;
use crate::words::words;
use crate::{PairsError, Prompt, Questions};

/// Things to ask about, and forms for them.
const THINGS: (&str, &str) = (include_str!("things.txt"), include_str!("thing_forms.txt"));

/// Things to do, and forms for them.
const ACTIVITIES: (&str, &str) = (include_str!("activities.txt"), include_str!("activity_forms.txt"));

/// Share of the prompts that the model is asked for; the others are the forms as they are.
const OF_THE_MODEL: f64 = 0.5;

/// Examples for writing questions: a small model follows examples better than instructions.
const EXAMPLES: [(&str, &str); 4] = [
    ("candles", "How long does a candle burn?"),
    ("keeping bees", "What do I have to buy before I keep bees?"),
    ("snow", "Why is snow white although water is clear?"),
    ("handwriting", "Can an adult still get a nicer handwriting?"),
];

/// Words that a question of the model has.
const WORDS: std::ops::RangeInclusive<usize> = 4..=30;

/// Letters of a topic's word that a question about it has.
const STEM: usize = 4;

/// Tokens that the model gets for a question.
const TOKENS: usize = 48;

/// Makes prompts, the same ones for the same seed and model. What the model has asked goes to `questions` as it comes, and what is
/// there already is not asked for again.
///
/// # Errors
///
/// [`PairsError::Plan`] if there are not that many, [`PairsError::Server`] where the model does not answer.
pub fn own_prompts(
    client: &Client,
    count: usize,
    in_flight: usize,
    questions: &mut Questions,
) -> Result<Vec<Prompt>, PairsError> {
    let seed = questions.seed();
    let forms = filled(seed);
    if count > forms.len() {
        let (name, value) = ("the number of own prompts", count.to_string());
        return Err(PairsError::Plan { name, value, allowed: "at most topics times forms, some 3900" });
    }
    let forms = &forms[..count];
    let draw = |number: usize| draws::of_numbers(&[seed, number as u64]) >> 12;
    let of_the_model = |number: &usize| draws::fraction(&[draw(*number)]) < OF_THE_MODEL;
    let open: Vec<usize> =
        (0..count).filter(|number| of_the_model(number) && questions.get(*number).is_none()).collect();
    let ask = |number: &usize| {
        let (topic, form) = &forms[*number];
        let body = ChatBody {
            messages: conversation(topic),
            n: Some(1),
            max_tokens: Some(TOKENS),
            temperature: Some(1.0),
            top_p: Some(0.95),
            seed: Some(draw(*number)),
            ..ChatBody::default()
        };
        let reply = client.chat(&body)?;
        let written = reply.answers.first().and_then(|answer| question(answer.text.trim(), topic));
        Ok::<_, PairsError>(written.unwrap_or_else(|| form.clone()))
    };
    in_order(&open, in_flight, 2 * in_flight, ask, |first, texts| {
        for (number, text) in open[first..].iter().zip(texts) {
            questions.add(*number, text)?;
        }
        Ok(true)
    })?;
    let text = |number: usize| questions.get(number).filter(|_| of_the_model(&number)).unwrap_or(&forms[number].1);
    let mut seen = std::collections::HashSet::new();
    let prompts = (0..count).map(|number| Prompt::question(text(number)));
    Ok(prompts.filter(|prompt| seen.insert(prompt.id.clone())).collect())
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

/// The examples, and the topic that comes next.
fn conversation(topic: &str) -> Vec<Message> {
    let mut messages = vec![Message::system("You write one question about each topic.")];
    for (topic, question) in EXAMPLES {
        messages.extend([Message::user(topic), Message::assistant(question)]);
    }
    messages.push(Message::user(topic));
    messages
}

/// What the model wrote, if it is a question about the topic.
fn question(text: &str, topic: &str) -> Option<String> {
    let marks = |c: char| matches!(c, '"' | '*' | ':' | '\n' | '\u{201c}' | '\u{201d}');
    let written = words(text);
    // The beginning of a word is enough: knitting and knit.
    let stems: Vec<String> = words(topic).iter().map(|word| word.chars().take(STEM).collect()).collect();
    let about = stems
        .iter()
        .filter(|stem| stem.chars().count() == STEM)
        .any(|stem| written.iter().any(|w| w.starts_with(stem)));
    let whole = text.ends_with('?') && text.starts_with(char::is_uppercase) && !text.contains(marks);
    (whole && about && WORDS.contains(&written.len())).then(|| text.to_owned())
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
    fn only_a_question_about_the_topic_is_taken() {
        for (topic, text) in
            [("the moon", "What makes the moon shine?"), ("knitting a scarf", "Can I knit without needles?")]
        {
            assert_eq!(question(text, topic).as_deref(), Some(text));
        }
        for none in ["The moon is bright.", "Moon?", "Q: What is the moon made of?", "What is your favourite colour?"] {
            assert_eq!(question(none, "the moon"), None, "{none}");
        }
    }
}
